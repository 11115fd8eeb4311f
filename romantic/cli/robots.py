"""run.py admin probe-account …: the accounts that run.py probe signs in with."""

import argparse
import json
import re
import sys
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from romantic.admin import service as staff
from romantic.auth import robots
from romantic.auth.keys import Key
from romantic.cli.faults import CommandFault
from romantic.cli.on_database import on_database
from romantic.db import Connection

NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,39}")
COINS, MOST_COINS = 1000, 1_000_000
DAYS, MOST_DAYS = 365, 3650
COLUMNS = ("name", "coins", "key until", "last call", "id")

Issued = list[tuple[str, Key, datetime]]


def add_to(subjects: Any) -> None:
    about = "accounts for run.py probe: two of them call each other and nobody else"
    accounts = subjects.add_parser("probe-account", help=about, description=about)
    actions = accounts.add_subparsers(required=True, metavar="action")
    made = actions.add_parser("create", help="make accounts, and print a line `name key` for each, once")
    made.add_argument("names", nargs="+", metavar="NAME", type=_name, help="such as east west")
    made.add_argument("--coins", type=_between(0, MOST_COINS), default=COINS, help=f"to test with ({COINS})")
    made.set_defaults(run=create)
    rotated = actions.add_parser("rotate", help="a new key for an account; the old one is good no longer")
    rotated.add_argument("names", nargs="+", metavar="NAME", type=_name)
    rotated.set_defaults(run=rotate)
    for action in (made, rotated):
        action.add_argument(
            "--days", type=_between(1, MOST_DAYS), default=DAYS, help=f"the key is good for ({DAYS})"
        )
    revoked = actions.add_parser("revoke", help="end the keys of accounts")
    revoked.add_argument("names", nargs="+", metavar="NAME", type=_name)
    revoked.set_defaults(run=revoke)
    listed = actions.add_parser("list", help="accounts by name; keys are not shown again")
    listed.add_argument("--json", action="store_true", help="for programs")
    listed.set_defaults(run=show)


def create(arguments: argparse.Namespace) -> int:
    """All of them or none. Keys go to stdout, everything else to stderr: `… create east west > keys`."""

    async def make(conn: Connection) -> Issued:
        issued = []
        for name in arguments.names:
            robot_id = await robots.add_robot(conn, name=name, coin_count=arguments.coins)
            issued.append((name, *await robots.give_key(conn, robot_id=robot_id, days=arguments.days)))
            await _audit(conn, "probe-account.create", robot_id, name)
        return issued

    try:
        return _tell(on_database(make))
    except robots.RobotExists as taken:
        raise CommandFault(f"There is an account {taken}: rotate gives it a new key") from None


def rotate(arguments: argparse.Namespace) -> int:
    async def change(conn: Connection) -> Issued:
        issued = []
        for name in arguments.names:
            robot_id = await robots.get_robot(conn, name=name)
            issued.append((name, *await robots.give_key(conn, robot_id=robot_id, days=arguments.days)))
            await _audit(conn, "probe-account.rotate", robot_id, name)
        return issued

    return _tell(_found(change))


def revoke(arguments: argparse.Namespace) -> int:
    async def end(conn: Connection) -> list[tuple[str, int]]:
        ended = []
        for name in arguments.names:
            robot_id = await robots.get_robot(conn, name=name)
            ended.append((name, len(await robots.revoke_keys(conn, robot_id=robot_id))))
            await _audit(conn, "probe-account.revoke", robot_id, name)
        return ended

    for name, keys in _found(end):
        print(f"{name}: revoked." if keys else f"{name} had no key.")
    print("Running servers notice within SESSION_CACHE_SECONDS.", file=sys.stderr)
    return 0


def show(arguments: argparse.Namespace) -> int:
    rows = on_database(robots.list_robots)
    if arguments.json:
        print(json.dumps(rows, default=str))
        return 0
    table = Table(*COLUMNS)
    for row in rows:
        until, last = (_day(row[name]) for name in ("key_until", "last_call_at"))
        table.add_row(row["robot_name"], str(row["coins_balance"]), until or "no key", last, str(row["id"]))
    Console().print(table if rows else "No probe accounts.")
    return 0


def _found(work: Any) -> Any:
    try:
        return on_database(work)
    except robots.RobotNotFound as unknown:
        raise CommandFault(f"There is no account {unknown}: see run.py admin probe-account list") from None


def _tell(issued: Issued) -> int:
    for name, key, _ in issued:
        print(name, key)
    print(
        f"Good until {_day(issued[0][2])}. The keys are not shown again: keep them in a file", file=sys.stderr
    )
    print("that only the robot can read, for run.py probe URL --keys FILE.", file=sys.stderr)
    return 0


async def _audit(conn: Connection, action: str, robot_id: Any, name: str) -> None:
    await staff.audit(
        conn, staff.Actor(None), action, target_type="user", target_id=robot_id, after={"name": name}
    )


def _day(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d}" if at else ""


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise argparse.ArgumentTypeError("a name has up to 40 of a-z, 0-9, dot and dash")
    return text


def _between(least: int, most: int) -> Any:
    def number(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"between {least} and {most}")
        return value

    return number
