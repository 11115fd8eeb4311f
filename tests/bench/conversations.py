"""run.py bench conversations: what people ask of their messages at 100,000, 1,000,000 and 10,000,000 of them.

Seeds an embedded PostgreSQL of its own in a temporary folder (about 6 GB at the end), asks what the endpoints ask,
and prints the median and 95th percentile of each question at each size, with the plans at the largest.
"""

import asyncio
import random
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, closing
from hashlib import md5
from typing import Any
from uuid import UUID, uuid4

import psycopg2

from romantic.cli.progress import progress
from romantic.db import Connection, Database, Query
from romantic.db.migrations import migrate
from romantic.dev.embedded import start_postgres
from romantic.messages import service
from romantic.settings import load_settings
from tests.folders import open_folder

SIZES = (100_000, 1_000_000, 10_000_000)
PEOPLE = 50_000
STAR_PARTNERS = 2_000
ROUNDS = 300

#: Message n belongs to conversation c: one in a hundred to the first, which gets long; one in twenty to somebody
#: with two thousand conversations; the rest to pairs with some twenty messages each.
MESSAGES = f"""
    INSERT INTO messages (id, sender_id, receiver_id, message_text, message_type, is_read, coins_spent, created_at)
    SELECT
        md5('message:' || n)::uuid,
        CASE WHEN n %% 2 = 0 THEN one ELSE other END,
        CASE WHEN n %% 2 = 0 THEN other ELSE one END,
        'See you at eight, the usual place?', 'text', n %% 7 <> 0, 5,
        timestamptz '2020-01-01' + n * interval '1 second'
    FROM (
        SELECT
            n,
            md5('user:' || CASE WHEN c <= {STAR_PARTNERS} THEN 0 ELSE 1 + (c * 7919) %% {PEOPLE} END)::uuid AS one,
            md5('user:' || CASE
                WHEN c <= {STAR_PARTNERS} THEN 1 + c
                ELSE 1 + ((c * 7919) %% {PEOPLE} + 1 + c %% 997) %% {PEOPLE}
            END)::uuid AS other
        FROM (
            SELECT
                n,
                CASE
                    WHEN n %% 100 = 0 THEN 0
                    WHEN n %% 20 = 1 THEN 1 + (n / 20) %% {STAR_PARTNERS}
                    ELSE {STAR_PARTNERS} + 1 + (n::bigint * 2654435761 %% 4294967296) %% (%s / 20)
                END AS c
            FROM generate_series(%s, %s) AS n
        ) AS numbered
    ) AS paired
"""
PERSON = """
    INSERT INTO users (id, phone_number, phone_hash, full_name, age, gender)
    SELECT md5('user:' || n)::uuid, '+1' || lpad(n::text, 10, '0'), '', 'Person ' || n, 30, 'other'
    FROM generate_series(0, %s) AS n
"""
CONVERSATIONS = """
    INSERT INTO conversations (
        user_low, user_high, last_message_id, last_message_at, unread_low, unread_high, message_count
    )
    SELECT
        least(sender_id, receiver_id), greatest(sender_id, receiver_id),
        md5('message:' || extract(EPOCH FROM max(created_at) - timestamptz '2020-01-01')::bigint)::uuid,
        max(created_at),
        count(*) FILTER (WHERE NOT is_read AND receiver_id < sender_id),
        count(*) FILTER (WHERE NOT is_read AND receiver_id > sender_id),
        count(*)
    FROM messages GROUP BY 1, 2
"""


def user(number: int) -> UUID:
    return UUID(bytes=md5(f"user:{number}".encode(), usedforsecurity=False).digest())


def somebody() -> UUID:
    return user(random.randrange(1, PEOPLE + 1))


def grow(dsn: str, low: int, high: int) -> None:
    """Load with triggers asleep and indexes away, then put both back."""
    with closing(psycopg2.connect(dsn)) as raw, raw.cursor() as cursor:
        raw.autocommit = True
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("SET maintenance_work_mem = '1GB'; SET work_mem = '512MB'; SET timezone = 'UTC'")
        cursor.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN ('messages', 'conversations')"
            " AND indexname NOT LIKE '%_pkey'"
        )
        indexes = cursor.fetchall()
        for name, _ in indexes:
            cursor.execute(f'DROP INDEX "{name}"')
        cursor.execute("DELETE FROM messages WHERE message_text = 'Hello'")  # of the last measurement
        cursor.execute(MESSAGES, (high, low, high))
        cursor.execute("TRUNCATE conversations")
        cursor.execute(CONVERSATIONS)
        for _, definition in indexes:
            cursor.execute(definition)
        cursor.execute("VACUUM ANALYZE")


Ask = Callable[[Connection], Awaitable[Any]]


async def _conversations(conn: Connection, user_id: UUID, page: int = 1) -> None:
    await service.list_conversations(conn, user_id=user_id, page_size=20, page_offset=20 * (page - 1))


async def _history(conn: Connection, page: int = 1, before: UUID | None = None) -> None:
    window = {"page_size": 50, "page_offset": 50 * (page - 1)}
    await service.list_messages(conn, user_id=user(0), other_id=user(1), before=before, **window)


async def _send(conn: Connection) -> None:
    await service.send(
        conn, sender_id=somebody(), receiver_id=user(0), text="Hello", message_type="text", cost=0, policy="open",
        client_message_id=str(uuid4()),
    )  # fmt: skip


def questions(size: int) -> dict[str, Ask]:
    def deep(conn: Connection) -> Awaitable[None]:
        number = random.randrange(size // 2, size) // 100 * 100  # of the long conversation
        place = UUID(bytes=md5(f"message:{number}".encode(), usedforsecurity=False).digest())
        return _history(conn, before=place)

    return {
        "conversations, anybody": lambda conn: _conversations(conn, somebody()),
        "conversations, of 2,000": lambda conn: _conversations(conn, user(0)),
        "conversations, page 50": lambda conn: _conversations(conn, user(0), page=50),
        "history, newest page": lambda conn: _history(conn),
        "history, page 20": lambda conn: _history(conn, page=20),
        "history, by cursor": deep,
        "read, anybody": lambda conn: service.read(
            conn, user_id=user(0), other_id=user(random.randrange(2, STAR_PARTNERS))
        ),
        "send": _send,
    }


async def measure(dsn: str, size: int) -> dict[str, tuple[float, float]]:
    """Median and 95th percentile in milliseconds, one question after another on one connection."""
    limits = {"database_url": dsn, "database_statement_seconds": 30}
    database = Database(load_settings({"ROMANTIC_ENV": "test"}, **limits))
    await database.start()
    figures = {}
    try:
        async with database.connection() as conn:
            for name, ask in questions(size).items():
                taken = []
                for number in range(ROUNDS + 30):
                    started = time.perf_counter()
                    await ask(conn)
                    if number >= 30:
                        taken.append(1000 * (time.perf_counter() - started))
                figures[name] = statistics.median(taken), statistics.quantiles(taken, n=20)[-1]
    finally:
        await database.stop()
    return figures


def plan(dsn: str, query: Query, **values: Any) -> str:
    with closing(psycopg2.connect(dsn)) as raw, raw.cursor() as cursor:
        told = {name: str(value) if isinstance(value, UUID) else value for name, value in values.items()}
        cursor.execute("EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, SUMMARY OFF)" + query.statement, told)
        return "\n".join(row[0] for row in cursor.fetchall())


def plans(dsn: str) -> str:
    page = {"page_size": 20, "page_offset": 0}
    place = {"before_at": None, "before_id": None}
    return "\n\n".join(
        (
            plan(dsn, service.sql.list_conversations, user_id=user(0), **page),
            plan(dsn, service.sql.count_conversations, user_id=user(0)),
            plan(dsn, service.sql.list_messages, user_id=user(0), other_id=user(1), **place, **page),
        )
    )


def conversations() -> int:
    """Print the table; 0 when it is done."""
    random.seed(1)
    figures = {}
    with ExitStack() as running:
        server = start_postgres(running.enter_context(open_folder("romantic-bench-")), durable=False)
        running.callback(server.stop)
        migrate(server.dsn)
        with closing(psycopg2.connect(server.dsn)) as raw, raw.cursor() as cursor:
            cursor.execute(PERSON, (PEOPLE,))
            raw.commit()
        low = 1
        with progress("Messages", 2 * len(SIZES)) as step:
            for size in SIZES:
                grow(server.dsn, low, size)
                step(f"{size:,} are there")
                low = size + 1
                figures[size] = asyncio.run(measure(server.dsn, size))
                step(f"{size:,} are measured")
        print(f"\n{plans(server.dsn)}\n")
        print(f"{'p50 / p95 in ms':24}" + "".join(f"{size:>18,}" for size in SIZES))
        for name in figures[SIZES[0]]:
            row = (figures[size][name] for size in SIZES)
            print(f"{name:24}" + "".join(f"{p50:>10.2f} / {p95:5.2f}" for p50, p95 in row))
    return 0


if __name__ == "__main__":
    raise SystemExit(conversations())
