"""run.py admin audit …: who did what to whom, and why."""

import argparse
from typing import Any

from romantic.admin import reading
from romantic.cli.desk.acting import ask, lists, person_of
from romantic.cli.desk.tables import show
from romantic.db import Connection, Row

COLUMNS = ("id", "created_at", "by", "action", "target", "reason", "changed")


def add_to(subjects: Any) -> None:
    audit = subjects.add_parser("audit", help="who did what to whom, and why")
    actions = audit.add_subparsers(required=True, metavar="action")
    listed = lists(actions, "list", listing, "the newest first")
    listed.add_argument("--target", help="what was done to this person: a phone number or an id")
    listed.add_argument("--by", help="what this member of staff did: a phone number or an id")


def listing(arguments: argparse.Namespace) -> int:
    rows = ask(lambda conn: _listing(conn, arguments))
    show(arguments, [row | _told(row) for row in rows], columns=COLUMNS, nothing="Nothing was done.")
    return 0


async def _listing(conn: Connection, arguments: argparse.Namespace) -> list[Row]:
    people: dict[str, Any] = {
        name: (await person_of(conn, text))["id"] if text else None
        for name, text in (("target_id", arguments.target), ("actor_id", arguments.by))
    }
    rows, _ = await reading.list_audit(conn, page_size=arguments.limit, **people)
    return rows


def _told(row: Row) -> Row:
    before, after = row["before"], row["after"]
    changed = [
        f"{name}: {before.get(name)} -> {after.get(name)}"
        for name in {**before, **after}
        if before.get(name) != after.get(name)
    ]
    return {
        "by": row["operator"] or row["actor_name"],
        "target": f"{row['target_type']} {row['target_id'] or row['target_key']}",
        "changed": ", ".join(changed),
    }
