"""run.py admin webhooks …: what providers told us, and acting on it once more."""

import argparse
from typing import Any

from romantic.admin import service as staff
from romantic.admin.service import Actor
from romantic.cli.desk.acting import ask, change, lists, writes
from romantic.cli.desk.tables import show
from romantic.db import Connection
from romantic.webhooks import replay as events

PROVIDERS = ("stripe", "whatsapp", "sms")
COLUMNS = ("provider", "event_id", "event_type", "outcome", "received_at")


def add_to(subjects: Any) -> None:
    webhooks = subjects.add_parser("webhooks", help="what providers told us, and acting on it once more")
    actions = webhooks.add_subparsers(required=True, metavar="action")
    listed = lists(actions, "list", listing, "the newest first, without what they say")
    listed.add_argument("--provider", choices=PROVIDERS)
    listed.add_argument("--outcome", help="such as mismatch, no_purchase or ignored")
    again = writes(
        actions, "replay", replay, "let a running server act on an event again; effects happen once"
    )
    again.add_argument("provider", choices=PROVIDERS)
    again.add_argument("event_id")


def listing(arguments: argparse.Namespace) -> int:
    rows = ask(
        lambda conn: events.list_events(
            conn, provider=arguments.provider, outcome=arguments.outcome, page_size=arguments.limit
        )
    )
    show(arguments, rows, columns=COLUMNS, nothing="Nothing was told.")
    return 0


def replay(arguments: argparse.Namespace) -> int:
    async def work(conn: Connection, actor: Actor) -> None:
        event = await events.request_replay(conn, provider=arguments.provider, event_id=arguments.event_id)
        await staff.audit(
            conn,
            actor,
            "webhook.replay",
            target_type="event",
            target_key=f"{event['provider']}:{event['event_id']}",
            before={"outcome": event["outcome"]},
            after={"outcome": "asked for again"},
            reason=arguments.reason,
        )

    return change(arguments, work)
