"""run.py admin stats: totals, and the last days."""

import argparse
from typing import Any

from romantic.admin import reading
from romantic.cli.desk.acting import ask, reads
from romantic.cli.desk.tables import Part, show_one
from romantic.db import Connection, Row

COLUMNS = ("day", "new_users", "answered", "unanswered", "failed", "coins_spent", "mos", "reports")
MOST_DAYS = 90


def add_to(subjects: Any) -> None:
    stats = reads(subjects, "stats", show, "totals, and the last days")
    stats.add_argument("--days", type=_days, default=14, metavar="N", help=f"at most {MOST_DAYS}; 14")


def show(arguments: argparse.Namespace) -> int:
    totals, days = ask(lambda conn: _count(conn, arguments.days))
    show_one(arguments, totals, Part("days", days, COLUMNS))
    return 0


async def _count(conn: Connection, days: int) -> tuple[Row, list[Row]]:
    rows = await reading.count_by_day(conn, days=days)
    for row in rows:
        row["mos"] = row["mos"] and round(row["mos"], 2)
    return await reading.get_statistics(conn), rows


def _days(text: str) -> int:
    number = int(text)
    if not 1 <= number <= MOST_DAYS:
        raise argparse.ArgumentTypeError(f"1 to {MOST_DAYS}")
    return number
