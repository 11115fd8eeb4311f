"""run.py bench discover: the discovery query at 100,000 and at 1,000,000 people, with its plans.

Seeds an embedded PostgreSQL of its own in a temporary folder, asks for pages as different people with different
filters, and prints the median and 95th percentile of page and count, and the ratio between the two sizes.
"""

import asyncio
import random
import statistics
import time
from contextlib import ExitStack, closing
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg2

from romantic.cli.progress import progress
from romantic.db import Database
from romantic.db.migrations import migrate
from romantic.dev.embedded import start_postgres
from romantic.settings import load_settings
from romantic.users import matching
from tests.folders import open_folder

SIZES = (100_000, 1_000_000)
ROUNDS = 400
SWIPES = 200

PEOPLE = """
    INSERT INTO users (
        id, phone_number, phone_hash, full_name, age, gender, bio, location, is_super_lover, last_seen, created_at
    )
    SELECT
        md5('user:' || n)::uuid, '+1' || lpad(n::text, 10, '0'), '', 'Person ' || n, 18 + (n * 7) %% 60,
        CASE WHEN n %% 50 = 0 THEN 'other' WHEN n %% 2 = 0 THEN 'male' ELSE 'female' END,
        'Love adventure, coffee and long walks.', 'City ' || n %% 500, n %% 20 = 0,
        now() - random() * interval '3 days', now() - random() * interval '700 days'
    FROM generate_series(%s, %s) AS n
"""
PREFERENCES = """
    INSERT INTO user_preferences (user_id, privacy_profile_visibility)
    SELECT id, CASE WHEN random() < 0.05 THEN 'hidden' ELSE 'public' END FROM users
    ON CONFLICT DO NOTHING
"""
INTERACTIONS = """
    INSERT INTO user_interactions (user_id, target_user_id, interaction_type)
    SELECT
        md5('user:' || n)::uuid, md5('user:' || 1 + (n * 31 + k * 9973) %% %s)::uuid,
        CASE WHEN k %% 20 = 0 THEN 'block' WHEN k %% 3 = 0 THEN 'like' ELSE 'pass' END
    FROM generate_series(1, 1000) AS n, generate_series(1, %s) AS k
    WHERE n <> 1 + (n * 31 + k * 9973) %% %s
    ON CONFLICT DO NOTHING
"""
PLAN = """
    EXPLAIN (ANALYZE, BUFFERS, SUMMARY OFF)
"""


def grow(dsn: str, low: int, high: int) -> None:
    with closing(psycopg2.connect(dsn)) as raw, raw.cursor() as cursor:
        raw.autocommit = True
        cursor.execute(PEOPLE, (low, high))
        cursor.execute(PREFERENCES)
        cursor.execute(INTERACTIONS, (high, SWIPES, high))
        cursor.execute("VACUUM ANALYZE")


def question() -> dict[str, Any]:
    low = random.choice((18, 20, 25, 30, 40))
    return {
        "user_id": UUID(bytes=_md5(random.randrange(1, 1001))),
        "gender": random.choice(("male", "female", None)),
        "age_min": low,
        "age_max": low + random.choice((3, 10, 20)),
        "location": random.choice((None, None, None, f"City {random.randrange(500)}")),
    }


def _md5(number: int) -> bytes:
    import hashlib

    return hashlib.md5(f"user:{number}".encode(), usedforsecurity=False).digest()


async def measure(dsn: str) -> dict[str, float]:
    database = Database(
        load_settings({"ROMANTIC_ENV": "test"}, database_url=dsn, database_statement_seconds=30)
    )
    await database.start()
    pages, counts = [], []
    try:
        async with database.connection() as conn:
            for number in range(ROUNDS + 50):
                filters = question()
                started = time.perf_counter()
                await conn.all(
                    matching.sql.discover,
                    before_at=None,
                    before_id=None,
                    page_size=10,
                    page_offset=0,
                    **filters,
                )
                between = time.perf_counter()
                await conn.value(matching.sql.count_discoverable, cap=matching.COUNT_CAP, **filters)
                if number >= 50:
                    pages.append(1000 * (between - started))
                    counts.append(1000 * (time.perf_counter() - between))
    finally:
        await database.stop()
    return {
        "page p50": statistics.median(pages),
        "page p95": statistics.quantiles(pages, n=20)[-1],
        "count p50": statistics.median(counts),
        "count p95": statistics.quantiles(counts, n=20)[-1],
    }


def plan(dsn: str) -> str:
    values = question() | {
        "gender": "female", "age_min": 20, "age_max": 30, "location": None,
        "before_at": None, "before_id": None, "page_size": 10, "page_offset": 0,
    }  # fmt: skip
    values = {
        name: str(value) if isinstance(value, UUID | datetime) else value for name, value in values.items()
    }
    with closing(psycopg2.connect(dsn)) as raw, raw.cursor() as cursor:
        cursor.execute(PLAN + matching.sql.discover.statement, values)
        return "\n".join(row[0] for row in cursor.fetchall())


def discover() -> None:
    """Print plans, figures and ratios."""
    random.seed(1)
    figures = {}
    with ExitStack() as running:
        server = start_postgres(running.enter_context(open_folder("romantic-bench-")), durable=False)
        running.callback(server.stop)
        migrate(server.dsn)
        low = 1
        for size in SIZES:
            with progress(f"{size:,} people", 2) as step:
                grow(server.dsn, low, size)
                step("there")
                low = size + 1
                figures[size] = asyncio.run(measure(server.dsn))
                step("measured")
            print(f"\n{size:,} people\n{plan(server.dsn)}")
        for name in figures[SIZES[0]]:
            small, large = (figures[size][name] for size in SIZES)
            print(f"{name:10} {small:8.2f} ms {large:8.2f} ms   x{large / small:.2f}")


if __name__ == "__main__":
    discover()
