"""run.py admin calls …: what rings and talks now, what was, and one call explained coin by coin."""

import argparse
from typing import Any
from uuid import UUID

from romantic.admin import reading
from romantic.admin.schemas import EXPLAINED
from romantic.calls import service as calls
from romantic.cli.desk.acting import ask, lists, person_of, reads
from romantic.cli.desk.tables import Part, show, show_one
from romantic.coins import service as coins
from romantic.db import Connection, Row

LIVE = (
    "id",
    "call_type",
    "status",
    "caller_name",
    "receiver_name",
    "mos",
    "evidence_level",
    "gaps",
    "coins_charged",
    "started_at",
)
PAST = (
    "id",
    "call_type",
    "status",
    "end_reason",
    "duration_seconds",
    "coins_spent",
    "coins_earned",
    "created_at",
)


def add_to(subjects: Any) -> None:
    subject = subjects.add_parser("calls", help="calls that live, that were, and one call explained")
    actions = subject.add_subparsers(required=True, metavar="action")
    reads(actions, "live", live, "what rings or talks now, with how it sounds (mos)")
    listed = lists(actions, "list", past, "the newest first: of a month, or of one person")
    listed.add_argument("--user", help="a phone number or an id")
    listed.add_argument("--end-reason", help="such as not_connected")
    shown = reads(actions, "show", explain, "one call: its timeline, and what every coin of it was for")
    shown.add_argument("id", type=UUID)


def live(arguments: argparse.Namespace) -> int:
    show(arguments, ask(reading.list_live_calls), columns=LIVE, nothing="Nobody calls at this moment.")
    return 0


def past(arguments: argparse.Namespace) -> int:
    rows = ask(lambda conn: _past(conn, arguments))
    show(arguments, rows, columns=PAST, nothing="No calls.")
    return 0


async def _past(conn: Connection, arguments: argparse.Namespace) -> list[Row]:
    if arguments.user is None:
        return await reading.list_recent_calls(
            conn, end_reason=arguments.end_reason, page_size=arguments.limit
        )
    person = await person_of(conn, arguments.user)
    rows, _ = await calls.list_calls(conn, user_id=person["id"], page_size=arguments.limit, page_offset=0)
    return [row for row in rows if arguments.end_reason in (None, row["end_reason"])]


def explain(arguments: argparse.Namespace) -> int:
    call, *parts = ask(lambda conn: _explain(conn, arguments.id))
    show_one(arguments, call, *parts)
    return 0


async def _explain(conn: Connection, call_id: UUID) -> tuple[Any, ...]:
    call = await calls.get_call(conn, call_id=call_id)
    sides = {call["caller_id"]: "caller", call["receiver_id"]: "receiver"}
    events = [
        event | {"by": sides.get(event["user_id"], "server"), "at_s": _since(call, event)}
        for event in await calls.list_events(conn, call_id=call_id)
    ]
    entries = [
        entry | {"side": sides.get(entry["user_id"], "?"), "why": _why(call, entry)}
        for entry in await coins.list_entries_of(conn, reference_id=call_id)
    ]
    return (
        {name: call[name] for name in EXPLAINED},
        Part("timeline", events, ("at_s", "event", "by", "detail")),
        Part("coins", entries, ("side", "signed_amount", "balance_after", "why")),
    )


def _since(call: Row, event: Row) -> float:
    """Seconds since it began to ring."""
    seconds: float = (event["created_at"] - call["created_at"]).total_seconds()
    return round(seconds, 1)


def _why(call: Row, entry: Row) -> str:
    """What an entry of a call is for, in words, from the terms the call was made under."""
    kind = entry["transaction_type"]
    if kind == "spend" and call["billing"] == "metered":
        block = entry["idempotency_key"].rpartition(":")[2]
        return f"block {block} of {call['block_seconds']:g} s at {call['price']} coins"
    if kind == "spend":
        return f"the price of one {call['call_type']} call"
    if kind == "refund":
        return f"given back: {call['end_reason']}, {call['duration_seconds']} s talked"
    if kind == "earn":
        return f"{float(call['share']) * 100:g} % of the {call['coins_spent']} coins the caller paid"
    return str(entry["description"])
