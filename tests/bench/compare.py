"""run.py bench: this server against Express 5 and Socket.IO 4, on this machine, side by side.

Everything is started here and stopped here: PostgreSQL and Valkey for both, the peer, our server. The measured
server has one core to itself, everything else sits on the other.
"""

import json
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg2
from rich.console import Console
from rich.table import Table

from romantic.auth.tokens import Tokens
from romantic.db.migrations import migrate
from romantic.dev.embedded import Postgres, Valkey, free_port, start_postgres, start_valkey
from romantic.settings import load_settings

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE / "load"))
sys.path.insert(0, str(HERE))

import check  # noqa: E402
import http_bench  # noqa: E402
import signaling_bench  # noqa: E402

SERVER_CORE, DRIVER_CORE = 0, 1
HTTP = ("profile", "balance", "spend", "call")
WARM_SECONDS = 4  # V8 compiles for that long
TOKEN_SECONDS = 86_400
STOP_SECONDS = 30
TUNING = ("autovacuum = off", "jit = off", "max_wal_size = '2GB'", "checkpoint_timeout = '30min'")
CALLS_PER_SECOND = 2500  # more than any server here sets up: it says how many people are needed
PEER_SECRET = "bench-secret-bench-secret-bench-secret-0001"

Row = dict[str, Any]


class Stand:
    """Stores, people and tokens both servers work with; each server has a database of its own."""

    def __init__(self, home: Path, postgres: Postgres, valkey: Valkey, people: int) -> None:
        self.home, self.people = home, people
        self.postgres, self.valkey = postgres, valkey
        self.database_pid = next(
            child.pid for child in psutil.Process().children() if child.name() == "postgres"
        )
        self._run(
            "postgres", *(f"ALTER SYSTEM SET {setting}" for setting in TUNING), "SELECT pg_reload_conf()"
        )
        self._run("postgres", "CREATE DATABASE peer", "CREATE DATABASE ours")
        migrate(self.dsn("ours"))
        for name in ("peer", "ours"):
            load = (HERE / "db" / f"{name}.sql").read_text("utf-8")
            self._run(name, f"SET bench.people = {people}", load, "VACUUM ANALYZE")

    def dsn(self, database: str) -> str:
        return str(self.postgres.dsn).replace("/romantic?", f"/{database}?")

    @property
    def sockets(self) -> str:
        """The folder of PostgreSQL's socket."""
        return str(psycopg2.extensions.parse_dsn(self.postgres.dsn)["host"])

    def reset_calls(self) -> None:
        self._run("ours", (HERE / "db" / "reset.sql").read_text("utf-8"))

    def _run(self, database: str, *statements: str) -> None:
        raw = psycopg2.connect(self.dsn(database))
        raw.autocommit = True
        with raw.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        raw.close()

    def ids(self, kind: str) -> list[Any]:
        """md5('user:1'), md5('user:2'), … as db/*.sql have them."""
        import hashlib
        import uuid

        numbers = range(1, self.people + 1)
        return [uuid.UUID(hashlib.md5(f"{kind}:{n}".encode()).hexdigest()) for n in numbers]

    def write_tokens(self, name: str, token: Callable[[Any, Any], str]) -> Path:
        path = self.home / f"{name}.tsv"
        rows = zip(self.ids("user"), self.ids("session"), strict=True)
        path.write_text("".join(f"{user}\t{token(user, session)}\n" for user, session in rows))
        return path


class Server:
    """One of the two, alone on its core."""

    name: str
    proto: str

    def __init__(self, stand: Stand, tokens: Path, port: int) -> None:
        self.stand, self.tokens, self.port = stand, tokens, port
        self.base = f"http://127.0.0.1:{port}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        command = ["taskset", "-c", str(SERVER_CORE), *self._command()]
        with (self.stand.home / f"{self.name}.err").open("wb") as errors:
            self._process = subprocess.Popen(
                command, cwd=self._folder(), env=self._environment(), stdout=open("/tmp/bn/out.log","wb"), stderr=errors
            )
        deadline = time.monotonic() + 30
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{self.name} did not start:\n{Path(errors.name).read_text()[-1500:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def before_calls(self) -> None:
        """Make everybody free to be called."""

    def _answers(self) -> bool:
        with suppress(OSError), urllib.request.urlopen(f"{self.base}/health", timeout=1) as response:
            return bool(response.status == 200)
        return False

    def _command(self) -> list[str]:
        raise NotImplementedError

    def _environment(self) -> dict[str, str]:
        raise NotImplementedError

    def _folder(self) -> Path:
        raise NotImplementedError


class Peer(Server):
    """Express 5 and Socket.IO 4; SQL_MODE=one in the environment gives it our single statements."""

    name, proto = "express", "socketio"

    def _command(self) -> list[str]:
        return ["node", "server.js"]

    def _folder(self) -> Path:
        return self.stand.home / "peer"

    def _environment(self) -> dict[str, str]:
        postgres = {
            "PGHOST": self.stand.sockets,
            "PGUSER": "romantic",
            "PGDATABASE": "peer",
            "PGPORT": "5432",
        }
        return os.environ | postgres | {
            "NODE_ENV": "production",
            "PORT": str(self.port),
            "REDIS_URL": self.stand.valkey.url.removeprefix("unix://"),
            "JWT_SECRET": PEER_SECRET,
            "RATE_LIMIT": "0",
            "LOG_LEVEL": "warn",
        }  # fmt: skip


class Ours(Server):
    """run.py serve, one process; it logs every request, as in production."""

    name, proto = "romantic", "raw"

    def _command(self) -> list[str]:
        return [sys.executable, "run.py", "serve"]

    def _folder(self) -> Path:
        return ROOT

    def _environment(self) -> dict[str, str]:
        return os.environ | {
            "ROMANTIC_ENV": "test",
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "DATABASE_URL": self.stand.dsn("ours"),
            "REDIS_URL": self.stand.valkey.url,
            "RATE_LIMITS": "off",
            "LOG_FORMAT": "json",
            "CALL_RING_SECONDS": "600",
        }

    def before_calls(self) -> None:
        """Live calls stand in the database and in memory: a new process on a table without calls."""
        self.stop()
        self.stand.reset_calls()
        self.start()


def compare(*, seconds: int, runs: int) -> int:
    """Run all scenarios and print the table; 1 if an answer was wrong or the ledger does not hold."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(143))
    os.sched_setaffinity(0, {DRIVER_CORE})
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with _stand(people=max(10_000, 2 * CALLS_PER_SECOND * seconds)) as (stand, servers):
        _check(servers)
        results: dict[str, dict[str, list[Row]]] = {}
        for scenario in (*HTTP, "signaling", "trickle"):
            results[scenario] = _rounds(stand, servers, scenario, seconds=seconds, runs=runs)
            _say(f"{scenario} measured")
        faults = [name for name, rows in results.items() if any(r["bad"] for rs in rows.values() for r in rs)]
        holds = _ledger_holds(stand)
    _print(results)
    for name in faults:
        print(f"{name}: some answers were wrong; its figures do not count")
    return 1 if faults or not holds else 0


@contextmanager
def _stand(*, people: int) -> Iterator[tuple[Stand, list[Server]]]:
    with ExitStack() as running:
        home = Path(tempfile.mkdtemp(prefix="romantic-bench-"))
        running.callback(shutil.rmtree, home, ignore_errors=True)
        home.chmod(0o755)
        _say("installing the peer's packages from npm")
        _install_peer(home / "peer")
        _say(f"starting PostgreSQL and Valkey, loading {people} people twice")
        postgres = start_postgres(home / "pg", durable=False)
        running.callback(postgres.stop)
        valkey = start_valkey(home / "vk", durable=False)
        running.callback(valkey.stop)
        stand = Stand(home, postgres, valkey, people)
        servers = [
            Peer(stand, _peer_tokens(stand), free_port("127.0.0.1", 22010)),
            Ours(stand, _our_tokens(stand), free_port("127.0.0.1", 22020)),
        ]
        for server in servers:
            running.callback(server.stop)
            server.start()
        yield stand, servers


def _install_peer(folder: Path) -> None:
    shutil.copytree(HERE / "peer-express", folder)
    command = ["npm", "install", "--no-audit", "--no-fund", "--silent"]
    subprocess.run(command, cwd=folder, check=True, timeout=300)


def _peer_tokens(stand: Stand) -> Path:
    """Its access tokens, and its sessions in Valkey: session:<jti> holds the user's id."""
    import jwt
    import redis

    now = int(time.time())
    sessions = redis.Redis.from_url(stand.valkey.url).pipeline(transaction=False)

    def token(user: Any, session: Any) -> str:
        sessions.set(f"session:{session}", str(user), ex=TOKEN_SECONDS)
        claims = {"sub": str(user), "jti": str(session), "iat": now, "exp": now + TOKEN_SECONDS}
        return jwt.encode(claims, PEER_SECRET, algorithm="HS256")

    path = stand.write_tokens("express", token)
    sessions.execute()
    return path


def _our_tokens(stand: Stand) -> Path:
    keys = load_settings({"ROMANTIC_ENV": "test"}).jwt_keys
    tokens, now = Tokens(keys, access_ttl=TOKEN_SECONDS), time.time()
    return stand.write_tokens(
        "romantic",
        lambda user, session: tokens.access(session_id=session, counter=0, user_id=user, issued_at=now),
    )


def _check(servers: list[Server]) -> None:
    answers = []
    for server in servers:
        with server.tokens.open() as table:
            people = [tuple(line.split()) for line in table]
        answers.append(check.check(server.base, people))
    assert answers[0] == answers[1], f"the servers read differently: {answers}"
    _say("both servers answer right")


def _rounds(
    stand: Stand, servers: list[Server], scenario: str, *, seconds: int, runs: int
) -> dict[str, list[Row]]:
    """Every round measures each server once, in an order that turns."""
    rows: dict[str, list[Row]] = {server.name: [] for server in servers}
    for server in servers:
        _measure(
            stand, server, scenario, seed=1, seconds=min(seconds, 2) if scenario == "call" else WARM_SECONDS
        )
    for run in range(runs):
        turned = servers[run % 2 :] + servers[: run % 2]
        for server in turned:
            rows[server.name].append(_measure(stand, server, scenario, seed=1000 + run, seconds=seconds))
    return rows


def _measure(stand: Stand, server: Server, scenario: str, *, seed: int, seconds: int) -> Row:
    if scenario in ("signaling", "trickle"):
        return signaling_bench.measure(
            server.base,
            server.proto,
            tokens=server.tokens,
            seconds=seconds,
            pid=server.pid,
            core=SERVER_CORE,
            paced=scenario == "trickle",
        )
    if scenario == "call":
        server.before_calls()
        _http(stand, server, "touch", seed=seed, seconds=seconds)  # callers have just used the app
    return _http(stand, server, scenario, seed=seed, seconds=seconds)


def _http(stand: Stand, server: Server, scenario: str, *, seed: int, seconds: int) -> Row:
    return http_bench.measure(
        server.base,
        scenario,
        tokens=server.tokens,
        seed=seed,
        seconds=seconds,
        pid=server.pid,
        database=stand.database_pid,
        core=SERVER_CORE,
    )


def _ledger_holds(stand: Stand) -> bool:
    """Whether every coin our server moved while it was measured is accounted for."""
    command = [sys.executable, "run.py", "admin", "ledger", "check", "--json"]
    environment = os.environ | {"ROMANTIC_ENV": "test", "DATABASE_URL": stand.dsn("ours")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    print(done.stdout.strip() if done.returncode else _ledger_line(json.loads(done.stdout)), flush=True)
    return done.returncode == 0


def _ledger_line(audit: Row) -> str:
    return f"The ledger holds: {audit['entries']} entries, {audit['coins']} coins, {audit['users']} people."


def _print(results: dict[str, dict[str, list[Row]]]) -> None:
    """Medians over the rounds; ratios are medians of the ratios of each round."""
    table = Table(title="Medians; ratios are to Express + Socket.IO, above 1 is better")
    for heading in (
        "scenario",
        "server",
        "per s",
        "p50 ms",
        "p99 ms",
        "CPU µs",
        "min",
        "DB µs",
        "× rate",
        "× CPU",
        "noise",
    ):
        table.add_column(heading, justify="left" if heading in ("scenario", "server") else "right")
    for scenario, by_server in results.items():
        base = next(iter(by_server.values()))
        for name, rows in by_server.items():
            table.add_row(scenario, name, *_cells(rows, base))
        table.add_section()
    Console(width=120).print(table)
    ends = {
        name: statistics.median(row["cpu_end"] for row in rows) for name, rows in results["signaling"].items()
    }
    print("Signaling: per s is calls set up, CPU µs is per relayed message. Ending a call, CPU µs:", end=" ")
    print(", ".join(f"{name} {value:.0f}" for name, value in ends.items()))


def _cells(rows: list[Row], base: list[Row]) -> list[str]:
    middle = {
        key: statistics.median(row.get(key, 0.0) for row in rows)
        for key in ("rate", "p50", "p99", "cpu", "db", "noise")
    }
    pairs = list(zip(rows, base, strict=True))
    faster = statistics.median(ours["rate"] / theirs["rate"] for ours, theirs in pairs)
    cheaper = statistics.median(theirs["cpu"] / ours["cpu"] for ours, theirs in pairs)
    least = min(row["cpu"] for row in rows)
    return [
        f"{middle['rate']:.0f}", f"{middle['p50']:.2f}", f"{middle['p99']:.2f}", f"{middle['cpu']:.1f}", f"{least:.1f}",
        f"{middle['db']:.0f}", f"{faster:.2f}", f"{cheaper:.2f}", f"{middle['noise']:.0%}",
    ]  # fmt: skip


def _say(what: str) -> None:
    print(f"  {what}", flush=True)
