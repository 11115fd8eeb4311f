"""Migrations: in order, once, under a lock, and never edited."""

import shutil
import subprocess
import sys
import time
from contextlib import closing
from uuid import uuid4

import psycopg2
import pytest

from romantic.db.migrations import MIGRATIONS, MigrationFault, migrate, pending, read_migrations

MIGRATE = """
import sys
from pathlib import Path
from romantic.db.migrations import migrate
print(len(migrate(sys.argv[1], folder=Path(sys.argv[2]))))
"""


def ask(dsn, statement):
    with closing(psycopg2.connect(dsn)) as conn, conn.cursor() as cursor:
        conn.autocommit = True
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def fresh(servers):
    """The address of an empty database of its own."""
    dsn, name = servers[0].dsn, f"m{uuid4().hex[:12]}"
    ask(dsn, f"CREATE DATABASE {name}")
    yield dsn.replace("/romantic?", f"/{name}?")
    ask(dsn, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(MIGRATIONS, tmp_path / "migrations")


def schema(dsn):
    columns = "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns"
    return ask(dsn, f"{columns} WHERE table_schema = 'public' ORDER BY 1, ordinal_position")


def start(dsn, folder):
    command = (sys.executable, "-c", MIGRATE, dsn, str(folder))
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_second_time_changes_nothing(fresh):
    first = migrate(fresh)
    before = schema(fresh)

    assert first == list(read_migrations())
    assert migrate(fresh) == []
    assert pending(fresh) == []
    assert schema(fresh) == before


def test_everything_is_pending_in_an_empty_database(fresh):
    assert pending(fresh) == list(read_migrations())


def test_four_processes_at_once_apply_each_once(fresh, folder):
    running = [start(fresh, folder) for _ in range(4)]
    done = [process.communicate(timeout=60) for process in running]

    assert [process.returncode for process in running] == [0] * 4, done
    assert sum(int(out) for out, _ in done) == len(read_migrations())


def test_edited_file_is_refused(fresh, folder):
    migrate(fresh, folder=folder)
    edited = folder / "0001_people.sql"
    edited.write_text(edited.read_text() + "-- one more line\n")

    with pytest.raises(MigrationFault, match="0001_people was changed after it was applied"):
        migrate(fresh, folder=folder)


def test_database_newer_than_the_code_is_refused(fresh, folder):
    number = len(read_migrations()) + 1
    (folder / f"{number:04d}_tomorrow.sql").write_text("CREATE TABLE tomorrow (id int);")
    migrate(fresh, folder=folder)

    with pytest.raises(MigrationFault, match=f"newer than this code: {number:04d}_tomorrow"):
        migrate(fresh)


def test_gap_in_the_numbers_is_refused(fresh, folder):
    (folder / "0099_far.sql").write_text("SELECT 1;")

    with pytest.raises(MigrationFault, match="without gaps"):
        migrate(fresh, folder=folder)


def test_failing_file_leaves_nothing_of_itself_and_is_named(fresh, folder):
    number = len(read_migrations()) + 1
    broken = folder / f"{number:04d}_broken.sql"
    broken.write_text("CREATE TABLE half (id int); SELECT 1 / 0;")

    with pytest.raises(MigrationFault, match=r"broken failed.*division by zero"):
        migrate(fresh, folder=folder)
    broken.write_text("CREATE TABLE half (id int);")

    assert migrate(fresh, folder=folder) == [broken.stem]


def test_process_killed_in_the_middle_is_continued_by_the_next(fresh, folder):
    number = len(read_migrations()) + 1
    slow = folder / f"{number:04d}_slow.sql"
    slow.write_text("CREATE TABLE slow (id int); SELECT pg_sleep(30);")
    process = start(fresh, folder)
    wait_for(
        fresh,
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'",
    )
    process.kill()
    process.wait()
    ask(fresh, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")

    slow.write_text("CREATE TABLE slow (id int);")

    assert migrate(fresh, folder=folder) == [slow.stem]
    assert len(ask(fresh, "SELECT name FROM schema_migrations")) == number


def wait_for(dsn, count, patience=20.0):
    deadline = time.monotonic() + patience
    while ask(dsn, count) == [(0,)]:
        assert time.monotonic() < deadline, count
        time.sleep(0.02)


def test_process_that_waits_too_long_for_another_says_so(fresh, folder):
    with closing(psycopg2.connect(fresh)) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", (0x526F6D616E746963,))

        with pytest.raises(MigrationFault, match="another process"):
            migrate(fresh, wait_seconds=0.2)


def test_database_that_is_not_there_is_a_fault_without_a_traceback(tmp_path):
    with pytest.raises(MigrationFault, match="cannot be reached"):
        migrate(f"postgresql://romantic@/romantic?host={tmp_path}")


def test_file_outside_a_transaction_holds_one_statement(fresh, folder):
    number = len(read_migrations()) + 1
    index = folder / f"{number:04d}_index.sql"
    index.write_text(
        "-- no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS by_name ON users (full_name);"
    )

    assert migrate(fresh, folder=folder)[-1] == index.stem
