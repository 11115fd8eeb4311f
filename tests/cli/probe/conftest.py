"""A real server with robots for the commands of this folder, and commands inside the test's own process."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from romantic.cli.main import _parser
from romantic.cli.probe.command import Probe
from romantic.cli.probe.options import read
from romantic.cli.probe.outcome import Rung
from romantic.cli.probe.report import Report
from romantic.coins import service as coins
from romantic.dev.embedded import running_postgres
from tests.cli.runs import Place, Server

#: A call is paid after half a second, and robots may probe as often as the tests do.
SERVER = {
    "CALL_MIN_BILLABLE_SECONDS": "0.5",
    "CALL_TICK_SECONDS": "0.2",
    "PROBE_MIN_GAP": "0",
    "OPS_PORT": "0",
}
ROBOTS = ("east", "west", "torn", "apart", "killed", "alive")
#: A machine that is busy with other tests is no fault of the server.
PATIENT = (
    *(
        f"--{name}-{word}=1000000"
        for name in ("http", "socket-rtt", "rtt", "jitter", "setup", "meter-gap")
        for word in ("warn", "critical")
    ),
    "--loss-warn=100",
    "--loss-critical=100",
    "--mos-warn=1",
    "--mos-critical=1",
)


@dataclass(frozen=True)
class Site:
    """A server that runs, and what is known of its robots."""

    url: str
    place: Place
    lines: dict[str, str]

    def keys(self, *names: str) -> Path:
        path = self.place.path / f"keys-{'-'.join(names)}"
        path.write_text("".join(self.lines[name] for name in names))
        return path

    def sql(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        with psycopg2.connect(running_postgres(self.place.home).dsn) as conn, conn.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            rows = list(cursor.fetchall())
        conn.close()
        return rows

    def balances(self) -> dict[str, int]:
        return dict(self.sql("SELECT full_name, coins_balance FROM users WHERE role = 'probe'"))

    def holds(self) -> bool:
        """Nobody's balance drifts, and no call misses coins."""
        audits = (coins.sql.list_drifting_users.statement, coins.sql.list_faulty_calls.statement)
        return not any(map(self.sql, audits))

    def is_quiet(self, *names: str) -> bool:
        """None of these is in a call."""
        query = "SELECT 1 FROM live_calls JOIN users ON users.id = user_id WHERE full_name = ANY(%s)"
        return not self.sql(query, list(names))


@pytest.fixture(scope="session")
def site(start_for_all: Callable[..., Server]) -> Site:
    server = start_for_all(**SERVER)
    url = server.ready()
    made = server.place.run("admin", "probe-account", "create", *ROBOTS)
    assert made.returncode == 0, made.stderr
    return Site(url, server.place, {line.split()[0]: line for line in made.stdout.splitlines(keepends=True)})


@pytest.fixture
def folder(place: Place) -> Path:
    return place.path


@dataclass(frozen=True)
class Climbed:
    """What a command inside this process came to."""

    report: Report

    @property
    def code(self) -> int:
        """What the command would exit with."""
        return int(self.report.status)

    @property
    def rungs(self) -> dict[str, Rung]:
        """Of the newest run, by name."""
        return {rung.name: rung for rung in self.report.runs[-1].rungs}

    def outcomes(self, *names: str) -> list[str]:
        return [str(self.rungs[name].outcome) for name in names]


async def climb(*arguments: object) -> Climbed:
    """`run.py probe …` without a process of its own."""
    return Climbed(await Probe(read(_parser().parse_args(["probe", *map(str, arguments)]))).run())


@pytest.fixture
def key_file(tmp_path: Path) -> Callable[..., Path]:
    """A file of keys, as `admin probe-account create` prints them."""

    def write(*people: Any) -> Path:
        path = tmp_path / f"keys-{secrets.token_hex(4)}"
        path.write_text("".join(f"name {person.access_token}\n" for person in people))
        return path

    return write
