"""run.py admin jobs …: what waits, what is dead, and another try for it."""

import argparse
import json
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from romantic.cli.faults import CommandFault
from romantic.cli.on_database import on_database
from romantic.jobs.queue import drop_jobs, list_jobs, retry_jobs

STATUSES = ("waiting", "running", "done", "expired", "dead")
MOST = 1000
COLUMNS = ("id", "kind", "status", "attempts", "age", "due", "reason")


def add_to(subjects: Any) -> None:
    jobs = subjects.add_parser("jobs", help="see the work that is waiting or dead, and try it again")
    actions = jobs.add_subparsers(required=True, metavar="action")
    listed = actions.add_parser("list", help="newest first, without what they are about")
    listed.add_argument("--status", choices=STATUSES)
    listed.add_argument("--kind")
    listed.add_argument("--limit", type=int, default=50, help=f"at most {MOST}")
    listed.add_argument("--json", action="store_true", help="for programs")
    listed.set_defaults(run=show)
    for name, change, summary in (
        ("retry", retry, "let dead jobs be tried again, from the first attempt"),
        ("drop", drop, "forget jobs that do not run at this moment"),
    ):
        action = actions.add_parser(name, help=summary)
        action.add_argument("ids", nargs="+", type=int, metavar="ID")
        action.set_defaults(run=change)


def show(arguments: argparse.Namespace) -> int:
    most = max(1, min(arguments.limit, MOST))
    rows = on_database(
        lambda conn: list_jobs(conn, status=arguments.status, kind=arguments.kind, page_size=most)
    )
    if arguments.json:
        print(json.dumps(rows, default=datetime.isoformat))
        return 0
    table = Table(*COLUMNS)
    for row in rows:
        table.add_row(*map(str, _cells(row)))
    Console().print(table if rows else "No jobs.")
    return 0


def _cells(row: dict[str, Any]) -> tuple[Any, ...]:
    now = datetime.now(UTC)
    age = _span((now - row["created_at"]).total_seconds())
    due = "" if row["finished_at"] else _span((row["run_at"] - now).total_seconds())
    return row["id"], row["kind"], row["status"], row["attempts"], age, due, row["reason"] or ""


def _span(seconds: float) -> str:
    """Rough, for a person: 12 s, 3 min, 5 h, 2 d."""
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if abs(seconds) >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def retry(arguments: argparse.Namespace) -> int:
    done = on_database(lambda conn: retry_jobs(conn, arguments.ids))
    return _report(arguments.ids, done, "will be tried again", "not dead, too late, or its twin waits")


def drop(arguments: argparse.Namespace) -> int:
    return _report(
        arguments.ids,
        on_database(lambda conn: drop_jobs(conn, arguments.ids)),
        "dropped",
        "unknown, or runs at this moment",
    )


def _report(asked: list[int], done: list[int], word: str, otherwise: str) -> int:
    """Exit code 1 unless it was done to every one."""
    for job_id in done:
        print(f"Job {job_id}: {word}.")
    if left := sorted(set(asked) - set(done)):
        raise CommandFault(f"Job {', '.join(map(str, left))}: {otherwise}.")
    return 0
