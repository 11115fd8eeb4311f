"""run.py admin …: what an operator does to the data itself."""

import argparse
import json
from typing import Any

from rich.console import Console
from rich.table import Table

from romantic.admin import service as staff
from romantic.auth import otp
from romantic.auth.phones import normalise
from romantic.cli import jobs, robots
from romantic.cli.faults import CommandFault
from romantic.cli.on_database import on_database
from romantic.coins import service as coins
from romantic.errors import RomanticError


def add_to(commands: Any) -> None:
    summary = (
        "work on the data: ledger check, create PHONE --role admin, otp unlock PHONE, jobs list, "
        "probe-account create NAME"
    )
    command = commands.add_parser("admin", help=summary, description=summary)
    subjects = command.add_subparsers(required=True, metavar="subject")
    ledger = subjects.add_parser("ledger", help="prove that balances are the sum of their entries")
    ledger.add_argument("action", choices=("check",))
    ledger.add_argument("--json", action="store_true", help="for programs")
    ledger.set_defaults(run=check_ledger)
    role = subjects.add_parser(
        "create", help="make a registered person a moderator or an admin, or neither again"
    )
    role.add_argument("phone", help="of somebody who has registered, in international form")
    role.add_argument("--role", choices=("moderator", "admin", "user"), default="moderator")
    role.set_defaults(run=make_staff)
    codes = subjects.add_parser("otp", help="let a number in again that too many wrong codes locked out")
    codes.add_argument("action", choices=("unlock",))
    codes.add_argument("phone", help="in international form, +15550100")
    codes.set_defaults(run=unlock_number)
    jobs.add_to(subjects)
    robots.add_to(subjects)


def check_ledger(arguments: argparse.Namespace) -> int:
    """Exit code 0 when the ledger holds, 1 when a balance drifts or a call does not conserve its coins."""
    audit = on_database(coins.audit)
    holds = not audit["drifting_users"] and not audit["faulty_calls"]
    if arguments.json:
        print(json.dumps({"holds": holds, **audit}, default=str))
    else:
        _show(audit, holds=holds)
    return 0 if holds else 1


def make_staff(arguments: argparse.Namespace) -> int:
    """Give a role, with its audit row; the person signs in as staff with a fresh code."""
    try:
        number = normalise(arguments.phone, strict=False)
        on_database(
            lambda conn: staff.set_role(conn, staff.Actor(None), phone_number=number, role=arguments.role)
        )
    except RomanticError as refusal:
        raise CommandFault(str(refusal)) from None
    print(f"+***{number[-2:]} is {arguments.role} now.")
    return 0


def unlock_number(arguments: argparse.Namespace) -> int:
    """Forget a number's wrong guesses; the limits on sending stay. The number is not printed in full."""
    try:
        number = normalise(arguments.phone, strict=False)
    except RomanticError as refusal:
        raise CommandFault(str(refusal)) from None
    forgotten = on_database(lambda conn: otp.unlock(conn, phone_number=number))
    masked = f"+***{number[-2:]}"
    print(f"{masked}: wrong guesses forgotten." if forgotten else f"{masked} has no wrong guesses to forget.")
    return 0


def _show(audit: dict[str, Any], *, holds: bool) -> None:
    console = Console()
    totals = "{users} users, {entries} entries, {coins} coins in circulation"
    console.print(totals.format_map(audit))
    for title, rows in (
        ("Balances that are not the sum of their entries", audit["drifting_users"]),
        ("Calls that do not conserve their coins", audit["faulty_calls"]),
    ):
        if rows:
            table = Table(*rows[0], title=title)
            for row in rows:
                table.add_row(*map(str, row.values()))
            console.print(table)
    console.print("The ledger holds." if holds else "The ledger does NOT hold.")
