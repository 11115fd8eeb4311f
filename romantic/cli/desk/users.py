"""run.py admin users …: find somebody, look at them, suspend, ban, let back in, vouch, give a role."""

import argparse
from typing import Any
from uuid import UUID

from romantic.admin import reading
from romantic.admin import service as staff
from romantic.admin.service import Actor
from romantic.calls import service as calls
from romantic.cli.desk.acting import ROLES, ask, change, lists, number_of, person_of, reads, writes
from romantic.cli.desk.tables import Part, masked, show, show_one
from romantic.coins import service as coins
from romantic.db import Connection, Row

STATES = ("active", "suspended", "banned", "deleted")
COLUMNS = ("id", "full_name", "phone", "role", "status", "coins_balance", "last_seen", "created_at")
REPORTS = ("id", "reason", "status", "action", "reporter_name", "created_at")
CALLS = ("id", "call_type", "end_reason", "duration_seconds", "coins_spent", "created_at")
ENTRIES = ("seq", "transaction_type", "amount", "balance_after", "description", "created_at")
DECISIONS = ("id", "action", "reason", "operator", "actor_name", "created_at")
NEWEST = 10


def add_to(subjects: Any) -> None:
    users = subjects.add_parser("users", help="find somebody, look at them, and decide about them")
    actions = users.add_subparsers(required=True, metavar="action")
    found = lists(actions, "find", find, "people by phone number, by id, or by how their name begins")
    found.add_argument("who", nargs="?", default="", help="+12025550123, an id, or the start of a name")
    found.add_argument("--status", choices=STATES)
    shown = reads(actions, "show", look, "one person: coins, sessions, reports, calls, ledger, decisions")
    shown.add_argument("who", help="a phone number or an id")
    suspended = writes(actions, "suspend", suspend, "shut somebody out for some days")
    suspended.add_argument("--days", type=int, default=7, help="7, unless told otherwise")
    banned = writes(actions, "ban", ban, "shut somebody out for good")
    back = writes(actions, "unban", unban, "let somebody back in, suspended or banned")
    vouched = writes(actions, "verify", verify, "vouch for somebody")
    given = writes(actions, "role", give_role, "make somebody staff, or nobody special again")
    given.add_argument("role", choices=ROLES)
    for action in (suspended, banned, back, vouched, given):
        action.add_argument("who", help="a phone number or an id")


def find(arguments: argparse.Namespace) -> int:
    rows = ask(lambda conn: _find(conn, arguments))
    show(arguments, rows, columns=COLUMNS, nothing="Nobody is like that.")
    return 0


async def _find(conn: Connection, arguments: argparse.Namespace) -> list[Row]:
    text = arguments.who.strip()
    filters: dict[str, Any] = {"phone_number": None, "user_id": None, "name": None}
    if text.startswith("+"):
        filters["phone_number"] = number_of(text)
    elif _is_id(text):
        filters["user_id"] = text
    else:
        filters["name"] = text or None
    rows, _ = await reading.list_users(
        conn, status=arguments.status, page_size=arguments.limit, page_offset=0, **filters
    )
    return [_shown(row) for row in rows]


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _shown(row: Row) -> Row:
    """A person with the end of their number where its end alone stood."""
    return {name: value for name, value in row.items() if name != "phone_ends"} | {
        "phone": masked(row["phone_ends"])
    }


def look(arguments: argparse.Namespace) -> int:
    person, *parts = ask(lambda conn: _look(conn, arguments.who))
    show_one(arguments, person, *parts)
    return 0


async def _look(conn: Connection, who: str) -> tuple[Any, ...]:
    person = await person_of(conn, who)
    user_id = person["id"]
    page: dict[str, Any] = {"page_size": NEWEST, "page_offset": 0}
    reports, _ = await reading.list_reports(conn, reported_user_id=user_id, page_size=NEWEST)
    entries, _ = await coins.list_entries(conn, user_id=user_id, transaction_type=None, before=None, **page)
    recent, _ = await calls.list_calls(conn, user_id=user_id, **page)
    decisions, _ = await reading.list_audit(conn, target_id=user_id, **page)
    return (
        _shown(person),
        Part("reports", reports, REPORTS),
        Part("calls", recent, CALLS),
        Part("ledger", entries, ENTRIES),
        Part("decisions", decisions, DECISIONS),
    )


def suspend(arguments: argparse.Namespace) -> int:
    return _set_status(arguments, "suspended", arguments.days)


def ban(arguments: argparse.Namespace) -> int:
    return _set_status(arguments, "banned", None)


def unban(arguments: argparse.Namespace) -> int:
    return _set_status(arguments, "active", None)


def _set_status(arguments: argparse.Namespace, status: str, days: int | None) -> int:
    async def work(conn: Connection, actor: Actor) -> None:
        person = await person_of(conn, arguments.who)
        await staff.set_status(
            conn, actor, user_id=person["id"], status=status, reason=arguments.reason, days=days
        )

    return change(arguments, work)


def verify(arguments: argparse.Namespace) -> int:
    async def work(conn: Connection, actor: Actor) -> None:
        person = await person_of(conn, arguments.who)
        await staff.verify(conn, actor, user_id=person["id"], reason=arguments.reason)

    return change(arguments, work)


def give_role(arguments: argparse.Namespace) -> int:
    async def work(conn: Connection, actor: Actor) -> None:
        person = await person_of(conn, arguments.who)
        await staff.set_role(conn, actor, user_id=person["id"], role=arguments.role, reason=arguments.reason)

    return change(arguments, work)
