"""run.py admin jobs …: what waits, what is dead, and another try for it."""

import argparse
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from romantic.admin import service as staff
from romantic.admin.service import Actor
from romantic.cli.desk.acting import ask, change, lists, writes
from romantic.cli.desk.tables import show
from romantic.cli.faults import CommandFault
from romantic.db import Connection, Row
from romantic.jobs.queue import drop_jobs, list_jobs, retry_jobs

STATUSES = ("waiting", "running", "done", "expired", "dead")
COLUMNS = ("id", "kind", "status", "attempts", "age", "due", "reason")


def add_to(subjects: Any) -> None:
    jobs = subjects.add_parser("jobs", help="see the work that is waiting or dead, and try it again")
    actions = jobs.add_subparsers(required=True, metavar="action")
    listed = lists(actions, "list", listing, "newest first, without what they are about")
    listed.add_argument("--status", choices=STATUSES)
    listed.add_argument("--kind")
    for name, run, summary in (
        ("retry", retry, "let dead jobs be tried again, from the first attempt"),
        ("drop", drop, "forget jobs that do not run at this moment"),
    ):
        action = writes(actions, name, run, summary)
        action.add_argument("ids", nargs="+", type=int, metavar="ID")


def listing(arguments: argparse.Namespace) -> int:
    rows = ask(
        lambda conn: list_jobs(conn, status=arguments.status, kind=arguments.kind, page_size=arguments.limit)
    )
    show(arguments, [row | _spans(row) for row in rows], columns=COLUMNS, nothing="No jobs.")
    return 0


def _spans(row: Row) -> Row:
    now = datetime.now(UTC)
    due = None if row["finished_at"] else _span((row["run_at"] - now).total_seconds())
    return {"age": _span((now - row["created_at"]).total_seconds()), "due": due}


def _span(seconds: float) -> str:
    """Rough, for a person: 12 s, 3 min, 5 h, 2 d."""
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if abs(seconds) >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def retry(arguments: argparse.Namespace) -> int:
    return _act(arguments, retry_jobs, "waiting", "not dead, too late, or its twin waits")


def drop(arguments: argparse.Namespace) -> int:
    return _act(arguments, drop_jobs, "dropped", "unknown, or runs at this moment")


def _act(
    arguments: argparse.Namespace,
    act: Callable[[Connection, list[int]], Awaitable[list[int]]],
    status: str,
    otherwise: str,
) -> int:
    """Exit code 1 unless it was done to every one."""
    done: list[int] = []

    async def work(conn: Connection, actor: Actor) -> None:
        done.extend(await act(conn, arguments.ids))
        for job_id in done:
            await staff.audit(
                conn,
                actor,
                f"job.{arguments.run.__name__}",
                target_type="job",
                target_key=str(job_id),
                after={"status": status},
                reason=arguments.reason,
            )

    change(arguments, work)
    if left := sorted(set(arguments.ids) - set(done)):
        raise CommandFault(f"Job {', '.join(map(str, left))}: {otherwise}.")
    return 0
