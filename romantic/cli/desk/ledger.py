"""run.py admin ledger …: prove it, read one person's, and correct it by an entry."""

import argparse
from typing import Any
from uuid import UUID, uuid4

from romantic.admin import service as staff
from romantic.admin.schemas import ADJUSTMENTS
from romantic.admin.service import Actor
from romantic.cli.desk.acting import ask, change, lists, person_of, reads, writes
from romantic.cli.desk.tables import as_json, show
from romantic.coins import service as coins
from romantic.db import Connection, Row

COLUMNS = (
    "seq",
    "transaction_type",
    "amount",
    "balance_after",
    "description",
    "reference_type",
    "reference_id",
    "created_at",
)


def add_to(subjects: Any) -> None:
    ledger = subjects.add_parser(
        "ledger", help="prove that balances are the sum of their entries; correct one"
    )
    actions = ledger.add_subparsers(required=True, metavar="action")
    reads(actions, "check", check, "prove that every balance is the sum of its entries")
    shown = lists(actions, "show", look, "one person's entries, newest first")
    shown.add_argument("who", help="a phone number or an id")
    adjusted = writes(actions, "adjust", adjust, "coins by hand, as an entry: once per reference")
    adjusted.add_argument("who", help="a phone number or an id")
    adjusted.add_argument("amount", type=_amount, help="coins to give, or with a minus to take")
    adjusted.add_argument("--kind", choices=ADJUSTMENTS, required=True)
    adjusted.add_argument("--reference", type=UUID, help="of your ticket; the same one moves coins only once")


def check(arguments: argparse.Namespace) -> int:
    """Exit code 0 when the ledger holds, 1 when a balance drifts or a call does not conserve its coins."""
    audit = ask(coins.audit)
    holds = not audit["drifting_users"] and not audit["faulty_calls"]
    if arguments.json:
        print(as_json({"holds": holds, **audit}))
        return 0 if holds else 1
    print("{users} users, {entries} entries, {coins} coins in circulation".format_map(audit))
    for title, rows in (
        ("Balances that are not the sum of their entries", audit["drifting_users"]),
        ("Calls that do not conserve their coins", audit["faulty_calls"]),
    ):
        if rows:
            show(arguments, rows, columns=tuple(rows[0]), nothing="", title=title)
    print("The ledger holds." if holds else "The ledger does NOT hold.")
    return 0 if holds else 1


def look(arguments: argparse.Namespace) -> int:
    rows = ask(lambda conn: _look(conn, arguments.who, arguments.limit))
    show(arguments, rows, columns=COLUMNS, nothing="No entries.")
    return 0


async def _look(conn: Connection, who: str, limit: int) -> list[Row]:
    person = await person_of(conn, who)
    rows, _ = await coins.list_entries(
        conn, user_id=person["id"], transaction_type=None, before=None, page_size=limit, page_offset=0
    )
    return [{name: value for name, value in row.items() if name != "total"} for row in rows]


def adjust(arguments: argparse.Namespace) -> int:
    reference = arguments.reference or uuid4()

    async def work(conn: Connection, actor: Actor) -> None:
        person = await person_of(conn, arguments.who)
        await staff.adjust(
            conn,
            actor,
            user_id=person["id"],
            amount=arguments.amount,
            reason=arguments.kind,
            note=arguments.reason,
            reference_id=reference,
        )

    return change(arguments, work)


def _amount(text: str) -> int:
    amount = int(text)
    if not 0 < abs(amount) <= 1_000_000:
        raise argparse.ArgumentTypeError("a whole number of coins, not 0 and at most a million")
    return amount
