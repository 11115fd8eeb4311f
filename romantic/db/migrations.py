"""Migrations: sql/migrations/NNNN_name.sql, in order, under an advisory lock, never edited once applied."""

import hashlib
import re
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2

from romantic.db.queries import SQL

MIGRATIONS = SQL / "migrations"
LOCK = 0x526F6D616E746963  # "Romantic"

_NAME = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")
_LEDGER = """
    CREATE TABLE IF NOT EXISTS schema_migrations (
        name text PRIMARY KEY,
        sha256 text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now(),
        seconds double precision NOT NULL
    )
"""


class MigrationFault(Exception):
    """The files and the database disagree; a person has to look."""


def read_migrations(folder: Path = MIGRATIONS) -> dict[str, str]:
    """The statements of every migration by name, in order; raises MigrationFault on a gap."""
    files = sorted(path for path in folder.iterdir() if _NAME.match(path.name))
    numbers = [path.name[:4] for path in files]
    if numbers != [f"{number:04d}" for number in range(1, len(files) + 1)]:
        raise MigrationFault(f"migrations are not numbered without gaps: {', '.join(numbers)}")
    return {path.stem: path.read_text("utf-8") for path in files}


def migrate(
    database_url: str,
    *,
    folder: Path = MIGRATIONS,
    wait_seconds: float = 60.0,
    report: Callable[[str, float], None] = lambda _name, _seconds: None,
) -> list[str]:
    """Bring the database to the newest migration and return the names applied.

    Safe when several processes start together, and after a kill at any moment. A file that begins with
    `-- no-transaction` holds one statement and runs outside a transaction.
    """
    wanted = read_migrations(folder)
    with closing(_connect(database_url)) as raw, raw.cursor() as cursor:
        cursor.execute("SET statement_timeout = '15min'; SET lock_timeout = '5s'")
        _lock(cursor, wait_seconds)
        cursor.execute(_LEDGER)
        missing = _missing(cursor, wanted)
        for name in missing:
            report(name, _apply(cursor, name, wanted[name]))
        return missing


def pending(database_url: str, *, folder: Path = MIGRATIONS) -> list[str]:
    """The names that `migrate` would apply."""
    wanted = read_migrations(folder)
    with closing(_connect(database_url)) as raw, raw.cursor() as cursor:
        cursor.execute("SELECT to_regclass('schema_migrations') IS NOT NULL")
        return _missing(cursor, wanted) if cursor.fetchone()[0] else list(wanted)


def _connect(database_url: str) -> Any:
    try:
        raw = psycopg2.connect(database_url, application_name="romantic-migrate")
    except psycopg2.OperationalError as error:
        raise MigrationFault(f"the database cannot be reached: {str(error).strip()}") from error
    except psycopg2.ProgrammingError:  # its text quotes the address, and with it the password
        raise MigrationFault("DATABASE_URL is not the address of a PostgreSQL database") from None
    raw.autocommit = True
    return raw


def _lock(cursor: Any, wait_seconds: float) -> None:
    # Polled: a session blocked in pg_advisory_lock() deadlocks with CREATE INDEX CONCURRENTLY.
    deadline = time.monotonic() + wait_seconds
    while True:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", (LOCK,))
        if cursor.fetchone()[0]:
            return
        if time.monotonic() > deadline:
            raise MigrationFault("another process has been migrating for too long")
        time.sleep(0.1)


def _missing(cursor: Any, wanted: dict[str, str]) -> list[str]:
    cursor.execute("SELECT name, sha256 FROM schema_migrations")
    applied = dict(cursor.fetchall())
    if unknown := sorted(set(applied) - set(wanted)):
        raise MigrationFault(f"the database is newer than this code: {', '.join(unknown)}")
    for name, digest in applied.items():
        if digest != _digest(wanted[name]):
            raise MigrationFault(f"{name} was changed after it was applied")
    return [name for name in wanted if name not in applied]


def _apply(cursor: Any, name: str, statements: str) -> float:
    started = time.monotonic()
    alone = statements.startswith("-- no-transaction")
    try:
        cursor.execute(statements if alone else f"BEGIN; {statements}")
    except psycopg2.Error as error:
        raise MigrationFault(f"{name} failed, nothing of it remains: {str(error).strip()}") from error
    seconds = time.monotonic() - started
    cursor.execute(
        "INSERT INTO schema_migrations (name, sha256, seconds) VALUES (%s, %s, %s)",
        (name, _digest(statements), seconds),
    )
    if not alone:
        cursor.execute("COMMIT")
    return seconds


def _digest(statements: str) -> str:
    return hashlib.sha256(statements.encode()).hexdigest()
