"""The embedded servers: they start fast, keep their data, outlive a killed owner and obey the next one."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest
import redis

from romantic.dev.embedded import (
    AlreadyRunning,
    CannotStart,
    FolderLock,
    Postgres,
    Valkey,
    free_port,
    start_postgres,
    start_valkey,
)
from tests.folders import open_folder

Start = Callable[..., Any]

OWNER = """
import sys, time
from pathlib import Path
from romantic.dev.embedded import FolderLock, start_postgres, start_valkey
home = Path(sys.argv[1])
lock = FolderLock(home)
lock.acquire()
if "servers" in sys.argv:
    start_postgres(home), start_valkey(home)
lock.announce("http://127.0.0.1:8080")
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A folder with a short path that every user can reach, unlike pytest's own.

    One for all tests: PostgreSQL makes its data once, and every test stops what it started.
    """
    umask = os.umask(0o022)
    with open_folder("r-") as folder:
        yield folder / ".romantic"
    os.umask(umask)


@pytest.fixture
def start(home: Path) -> Iterator[Start]:
    """Starts servers under home, in haste unless told otherwise, and sees to their end."""
    started: list[Postgres | Valkey] = []

    def start(starter: Start, folder: Path = home, *, durable: bool = False) -> Any:
        started.append(starter(folder, durable=durable))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def owner(home: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Another process that holds the folder, with or without servers, until it is killed."""
    owners: list[subprocess.Popen[str]] = []

    def own(*words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", OWNER, str(home), *words]
        owners.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path.cwd()))
        assert owners[-1].stdout
        assert owners[-1].stdout.readline() == "ready\n"
        return owners[-1]

    yield own
    for process in owners:
        process.kill()
        process.communicate()


def run(server: Postgres, statement: str) -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(server.dsn)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def keys(server: Valkey) -> redis.Redis:
    return redis.Redis.from_url(server.url)


def pid_of(home: Path, name: str) -> int:
    return int((home / name).read_text().split()[0])


def postgres_pid(home: Path) -> int:
    return pid_of(home, "postgres/data/postmaster.pid")


def valkey_pid(home: Path) -> int:
    return pid_of(home, "valkey/data/valkey.pid")


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not, and in a container nobody may reap it."""
    return psutil.pid_exists(pid) and bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)


def test_cold_start_gives_an_empty_database_in_utc(start: Start, home: Path) -> None:
    began = time.monotonic()

    postgres = start(start_postgres, home / "new", durable=True)

    # About 0.7 s on a quiet machine.
    assert time.monotonic() - began < 5
    assert run(postgres, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]
    settings = "current_setting('{}')".format
    names = ("timezone", "max_connections", "listen_addresses", "fsync", "server_encoding")
    assert run(postgres, f"SELECT {', '.join(map(settings, names))}") == [("UTC", "200", "", "on", "UTF8")]
    assert run(postgres, "SELECT lower('ÄÖ'), current_user") == [("äö", "romantic")]


def test_in_haste_nothing_is_synced(start: Start) -> None:
    postgres, valkey = start(start_postgres), start(start_valkey)

    assert run(postgres, "SHOW fsync") + run(postgres, "SHOW synchronous_commit") == [("off",), ("off",)]
    assert keys(valkey).config_get("appendonly") == {"appendonly": "no"}


def test_rows_survive_a_stop_and_a_kill(start: Start, home: Path) -> None:
    first = start(start_postgres, durable=True)
    run(first, "CREATE TABLE coins (amount integer)")
    run(first, "INSERT INTO coins SELECT generate_series(1, 1000)")
    first.stop()

    second = start(start_postgres, durable=True)
    run(second, "INSERT INTO coins VALUES (1001)")
    os.kill(postgres_pid(home), signal.SIGKILL)
    third = start(start_postgres, durable=True)

    assert run(third, "SELECT count(*), max(amount) FROM coins") == [(1001, 1001)]


def test_key_survives_a_kill(start: Start, home: Path) -> None:
    first = start(start_valkey, durable=True)
    keys(first).set("balance", 155)

    os.kill(valkey_pid(home), signal.SIGKILL)
    second = start(start_valkey, durable=True)

    assert (home / "valkey/valkey.sock").is_socket()
    assert keys(second).get("balance") == b"155"
    assert keys(second).config_get("maxmemory*")["maxmemory-policy"] == "noeviction"
    assert keys(second).config_get("appendfsync") == {"appendfsync": "everysec"}


def test_servers_of_a_killed_owner_are_taken_over_and_can_be_stopped(
    start: Start, owner: Callable[..., subprocess.Popen[str]], home: Path
) -> None:
    process = owner("servers")
    pids = [postgres_pid(home), valkey_pid(home)]
    process.kill()
    process.wait()

    postgres, valkey = start(start_postgres), start(start_valkey)

    assert [postgres_pid(home), valkey_pid(home)] == pids
    assert [os.getsid(pid) for pid in pids] == pids, "Ctrl-C in the owner's terminal must not reach them"
    assert run(postgres, "SELECT 1") == [(1,)]
    assert keys(valkey).ping()
    postgres.stop()
    valkey.stop()
    assert not any(map(alive, pids))


def test_pid_file_that_names_a_stranger_is_no_server(start: Start, home: Path) -> None:
    start(start_postgres).stop()
    stranger = [str(os.getpid()), str(home), "1", "5432", "", "", "", "ready"]
    (home / "postgres/data/postmaster.pid").write_text("\n".join(stranger))
    (home / "postgres/.s.PGSQL.5432.lock").write_text("\n".join(stranger))

    postgres = start(start_postgres)

    assert run(postgres, "SELECT 1") == [(1,)]


def test_paths_too_long_for_a_socket_are_served_from_a_short_one(start: Start, home: Path) -> None:
    far = home / ("d" * 60) / ("with, comma and spaces " * 3)

    postgres, valkey = start(start_postgres, far), start(start_valkey, far)

    assert run(postgres, "SELECT 1") == [(1,)]
    assert keys(valkey).ping()
    short = Path(valkey.url.removeprefix("unix://")).parent
    assert short.stat().st_mode & 0o777 == 0o700
    valkey.stop()
    assert not short.exists()


def test_fault_carries_the_end_of_the_log(start: Start, home: Path) -> None:
    (home / "broken/postgres/data").mkdir(parents=True)

    with pytest.raises(CannotStart, match=r"postgres in .* ended with status \d\n.*\w"):
        start(start_postgres, home / "broken")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands its servers to another user")
def test_root_keeps_data_within_reach_of_its_servers_in_a_closed_folder(start: Start, home: Path) -> None:
    closed = home / "closed"
    closed.mkdir(mode=0o700, parents=True)

    first = start(start_postgres, closed / ".romantic")
    first.stop()
    again = start(start_postgres, closed / ".romantic")

    elsewhere = again._data.parents[1]
    assert again.dsn == first.dsn
    assert elsewhere.parent == Path("/var/tmp")
    again.stop()
    shutil.rmtree(elsewhere)


def test_second_process_is_refused_and_told_who_is_there(
    owner: Callable[..., subprocess.Popen[str]], home: Path
) -> None:
    process = owner()

    with pytest.raises(AlreadyRunning) as refusal:
        FolderLock(home).acquire()

    assert (refusal.value.pid, refusal.value.url) == (process.pid, "http://127.0.0.1:8080")
    assert str(process.pid) in str(refusal.value)
    assert "http://127.0.0.1:8080" in str(refusal.value)


def test_folder_is_free_once_its_holder_was_killed(
    owner: Callable[..., subprocess.Popen[str]], home: Path
) -> None:
    process = owner()
    process.kill()
    process.wait()
    lock = FolderLock(home)

    lock.acquire("http://127.0.0.1:8081")

    assert (home / "run.pid").read_text() == f"{os.getpid()}\nhttp://127.0.0.1:8081\n"
    lock.release()


def test_port_in_use_gives_the_next_free_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        found = free_port("127.0.0.1", port)

        assert port < found < port + 50
        with pytest.raises(CannotStart, match="No free port"):
            free_port("127.0.0.1", port, tries=1)
    assert free_port("127.0.0.1", port) == port
