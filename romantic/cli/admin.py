"""run.py admin …: what an operator does to the data itself."""

import argparse
from importlib import import_module

from romantic.admin import service as staff
from romantic.cli.desk.acting import ROLES, ask, number_of, operator, person_of
from romantic.db import Connection

#: Each module adds the subject before it.
SUBJECTS = {
    "users": "desk.users",
    "reports": "desk.reports",
    "calls": "desk.calls",
    "ledger": "desk.ledger",
    "otp": "desk.otp",
    "webhooks": "desk.webhooks",
    "jobs": "desk.jobs",
    "keys": "desk.keys",
    "audit": "desk.audit",
    "stats": "desk.stats",
    "probe-account": "robots",
}


def add_subjects(command: argparse.ArgumentParser, *, asked: str | None) -> None:
    """Add the subject an operator asked for, or every one for whoever asks what there is.

    Each loads much of the house: who works on a queue waits for its part only.
    """
    subjects = command.add_subparsers(required=True, metavar="subject")
    role = subjects.add_parser(
        "create", help="make a registered person a moderator or an admin, or neither again"
    )
    role.add_argument("phone", help="of somebody who has registered, in international form")
    role.add_argument("--role", choices=ROLES, default="moderator")
    role.set_defaults(run=make_staff)
    for module in [SUBJECTS[asked]] if asked in SUBJECTS else SUBJECTS.values():
        import_module(f"romantic.cli.{module}").add_to(subjects)


def make_staff(arguments: argparse.Namespace) -> int:
    """Give a role, with its audit row; the person signs in as staff with a fresh code."""
    number = number_of(arguments.phone)

    async def act(conn: Connection) -> None:
        person = await person_of(conn, number)
        await staff.set_role(conn, operator(), user_id=person["id"], role=arguments.role)

    ask(act)
    print(f"+***{number[-2:]} is {arguments.role} now.")
    return 0
