"""run.py admin …: what an operator does to the data itself."""

import argparse

from romantic.admin import service as staff
from romantic.cli import robots
from romantic.cli.desk import audit, calls, jobs, keys, ledger, otp, reports, stats, users, webhooks
from romantic.cli.desk.acting import ask, number_of, operator, person_of
from romantic.db import Connection

#: Each adds the subject it is named after.
SUBJECTS = (users, reports, calls, ledger, otp, webhooks, jobs, keys, audit, stats, robots)


def add_subjects(command: argparse.ArgumentParser) -> None:
    subjects = command.add_subparsers(required=True, metavar="subject")
    role = subjects.add_parser(
        "create", help="make a registered person a moderator or an admin, or neither again"
    )
    role.add_argument("phone", help="of somebody who has registered, in international form")
    role.add_argument("--role", choices=users.ROLES, default="moderator")
    role.set_defaults(run=make_staff)
    for subject in SUBJECTS:
        subject.add_to(subjects)


def make_staff(arguments: argparse.Namespace) -> int:
    """Give a role, with its audit row; the person signs in as staff with a fresh code."""
    number = number_of(arguments.phone)

    async def act(conn: Connection) -> None:
        person = await person_of(conn, number)
        await staff.set_role(conn, operator(), user_id=person["id"], role=arguments.role)

    ask(act)
    print(f"+***{number[-2:]} is {arguments.role} now.")
    return 0
