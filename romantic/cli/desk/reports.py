"""run.py admin reports …: the queue, one report with its context, and a decision."""

import argparse
from typing import Any
from uuid import UUID

from romantic.admin import reading
from romantic.admin import service as staff
from romantic.admin.schemas import ACTIONS, REPORT_STATES
from romantic.admin.service import Actor
from romantic.cli.desk.acting import ask, change, lists, operator, reads, writes
from romantic.cli.desk.tables import Part, show, show_one
from romantic.db import Connection

COLUMNS = (
    "id",
    "status",
    "reason",
    "reported_name",
    "reporter_name",
    "message_count",
    "action",
    "created_at",
)
HISTORY = (
    "full_name",
    "status",
    "reports_about",
    "warnings",
    "exclusions",
    "reports_made",
    "reports_made_in_vain",
)


def add_to(subjects: Any) -> None:
    reports = subjects.add_parser("reports", help="the queue of reports, and decisions about them")
    actions = reports.add_subparsers(required=True, metavar="action")
    listed = lists(actions, "list", queue, "the oldest first")
    listed.add_argument("--status", choices=(*REPORT_STATES, "all"), default="pending", help="pending")
    shown = reads(actions, "show", look, "one report, the history of both people, earlier reports")
    shown.add_argument("id", type=UUID)
    shown.add_argument("--messages", action="store_true", help="their words as well, which leaves a trail")
    decided = writes(actions, "resolve", decide, "decide, once")
    decided.add_argument("id", type=UUID)
    decided.add_argument("--action", choices=ACTIONS, default="none", help="what happens to the person")
    decided.add_argument("--days", type=int, help="of a suspension; 7")
    decided.add_argument("--status", choices=REPORT_STATES[1:], default="resolved", help="resolved")


def queue(arguments: argparse.Namespace) -> int:
    status = None if arguments.status == "all" else arguments.status
    rows, _ = ask(lambda conn: reading.list_reports(conn, status=status, page_size=arguments.limit))
    show(arguments, rows, columns=COLUMNS, nothing="No reports.")
    return 0


def look(arguments: argparse.Namespace) -> int:
    report, *parts = ask(lambda conn: _look(conn, arguments.id, words=arguments.messages))
    show_one(arguments, report, *parts)
    return 0


async def _look(conn: Connection, report_id: UUID, *, words: bool) -> tuple[Any, ...]:
    report = await reading.get_report(conn, report_id=report_id)
    people = [
        {"side": side} | await reading.get_person(conn, user_id=report[f"{side}_id"])
        for side in ("reporter", "reported_user")
    ]
    for person in people:
        del person["phone_ends"]
    earlier = await reading.list_earlier(conn, report=report)
    parts = [Part("people", people, ("side", *HISTORY)), Part("earlier", earlier, COLUMNS)]
    if words:
        said = await reading.read_messages(conn, operator(), report_id=report_id)
        parts.append(Part("messages", said, ("created_at", "sender_id", "message_type", "message_text")))
    return report, *parts


def decide(arguments: argparse.Namespace) -> int:
    async def work(conn: Connection, actor: Actor) -> None:
        await staff.decide(
            conn,
            actor,
            report_id=arguments.id,
            status=arguments.status,
            admin_notes=arguments.reason,
            action=arguments.action,
            days=arguments.days,
        )

    return change(arguments, work)
