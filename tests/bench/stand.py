"""The test stand: stores for both, the peer, our server, people and tokens; all of it gone afterwards."""

import hashlib
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from uuid import UUID

import jwt
import psutil
import psycopg2
import psycopg2.extensions
import redis

from romantic.auth.tokens import Tokens
from romantic.db.migrations import migrate
from romantic.dev.embedded import Postgres, Valkey, free_port, start_postgres, start_valkey
from romantic.settings import load_settings
from tests.folders import open_folder

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
SERVER_CORE, DRIVER_CORE = 0, 1
START_SECONDS = STOP_SECONDS = 30
TOKEN_SECONDS = 86_400
PEER_SECRET = "bench-secret-bench-secret-bench-secret-0001"
TUNING = ("autovacuum = off", "jit = off", "max_wal_size = '2GB'", "checkpoint_timeout = '30min'")


class Stores:
    """One PostgreSQL and one Valkey; each server has a database of its own, with the same people."""

    def __init__(self, home: Path, postgres: Postgres, valkey: Valkey, people: int) -> None:
        self.home, self.postgres, self.valkey = home, postgres, valkey
        children = psutil.Process().children()
        self.database_pid = next(child.pid for child in children if child.name() == "postgres")
        self.people = [(_id("user", n), _id("session", n)) for n in range(1, people + 1)]
        self._run(
            "postgres", *(f"ALTER SYSTEM SET {setting}" for setting in TUNING), "SELECT pg_reload_conf()"
        )
        self._run("postgres", "CREATE DATABASE peer", "CREATE DATABASE ours")
        migrate(self.dsn("ours"))
        for name in ("peer", "ours"):
            self._run(name, f"SET bench.people = {people}", _sql(name), "VACUUM ANALYZE")

    def dsn(self, database: str) -> str:
        return str(self.postgres.dsn).replace("/romantic?", f"/{database}?")

    def forget_calls(self) -> None:
        self._run("ours", _sql("reset"))

    def write_tokens(self, name: str, token: Callable[[UUID, UUID], str]) -> Path:
        """Rows of user id and access token, in the order of the people."""
        path = self.home / f"{name}.tsv"
        path.write_text("".join(f"{user}\t{token(user, session)}\n" for user, session in self.people))
        return path

    def _run(self, database: str, *statements: str) -> None:
        raw = psycopg2.connect(self.dsn(database))
        raw.autocommit = True
        with raw.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        raw.close()


def _id(kind: str, number: int) -> UUID:
    """As db/*.sql make them."""
    return UUID(hashlib.md5(f"{kind}:{number}".encode()).hexdigest())


def _sql(name: str) -> str:
    return (HERE / "db" / f"{name}.sql").read_text("utf-8")


class Server:
    """One of the two, alone on its core."""

    name: str
    proto: str

    def __init__(self, stores: Stores, tokens: Path, port: int) -> None:
        self.stores, self.tokens, self.port = stores, tokens, port
        self.base = f"http://127.0.0.1:{port}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        log = self.stores.home / f"{self.name}.err"
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                ["taskset", "-c", str(SERVER_CORE), *self._command()],
                cwd=self._folder(),
                env=os.environ | self._environment(),
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{self.name} did not start:\n{log.read_text()[-1500:]}")
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

    def free_everybody(self) -> None:
        """From now on nobody is in a call."""

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
    """Express 5 and Socket.IO 4; SQL_MODE=one in our environment gives it single statements."""

    name, proto = "express", "socketio"

    def _command(self) -> list[str]:
        return ["node", "server.js"]

    def _folder(self) -> Path:
        return self.stores.home / "peer"

    def _environment(self) -> dict[str, str]:
        postgres = psycopg2.extensions.parse_dsn(self.stores.dsn("peer"))
        return {
            "NODE_ENV": "production",
            "PORT": str(self.port),
            "PGHOST": postgres["host"],
            "PGPORT": postgres["port"],
            "PGUSER": postgres["user"],
            "PGDATABASE": postgres["dbname"],
            "REDIS_URL": self.stores.valkey.url.removeprefix("unix://"),
            "JWT_SECRET": PEER_SECRET,
            "RATE_LIMIT": "0",
            "LOG_LEVEL": "warn",
        }


class Ours(Server):
    """run.py serve, one process; it logs every request and every entry, as in production."""

    name, proto = "romantic", "raw"

    def _command(self) -> list[str]:
        return [sys.executable, "run.py", "serve"]

    def _folder(self) -> Path:
        return ROOT

    def _environment(self) -> dict[str, str]:
        return {
            "ROMANTIC_ENV": "test",
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "DATABASE_URL": self.stores.dsn("ours"),
            "REDIS_URL": self.stores.valkey.url,
            "RATE_LIMITS": "off",
            "LOG_FORMAT": "json",
            "CALL_RING_SECONDS": "600",
            "DATABASE_ACQUIRE_SECONDS": "10",  # a busy machine is not to be refused: the peer waits for ever
        }

    def free_everybody(self) -> None:
        """Live calls stand in the database and in memory: a new process on a table without calls."""
        self.stop()
        self.stores.forget_calls()
        self.start()


@contextmanager
def stand(*, people: int) -> Iterator[tuple[Stores, list[Server]]]:
    """Both servers, running; PostgreSQL, Valkey and whatever the caller starts share the other core."""
    os.sched_setaffinity(0, {DRIVER_CORE})
    with ExitStack() as running:
        home = running.enter_context(open_folder("romantic-bench-"))
        print("  installing the peer's packages from npm", flush=True)
        _install_peer(home / "peer")
        print(f"  starting PostgreSQL and Valkey, loading {people} people twice", flush=True)
        postgres = start_postgres(home / "pg", durable=False)
        running.callback(postgres.stop)
        valkey = start_valkey(home / "vk", durable=False)
        running.callback(valkey.stop)
        stores = Stores(home, postgres, valkey, people)
        servers = [
            Peer(stores, _peer_tokens(stores), free_port("127.0.0.1", 22010)),
            Ours(stores, _our_tokens(stores), free_port("127.0.0.1", 22060)),
        ]
        for server in servers:
            running.callback(server.stop)
            server.start()
        yield stores, servers


def _install_peer(folder: Path) -> None:
    shutil.copytree(HERE / "peer-express", folder)
    subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=True, timeout=300
    )


def _peer_tokens(stores: Stores) -> Path:
    """Its access tokens, and its sessions in Valkey: session:<jti> holds the user's id."""
    now = int(time.time())
    sessions = redis.Redis.from_url(stores.valkey.url).pipeline(transaction=False)

    def token(user: UUID, session: UUID) -> str:
        sessions.set(f"session:{session}", str(user), ex=TOKEN_SECONDS)
        claims = {"sub": str(user), "jti": str(session), "iat": now, "exp": now + TOKEN_SECONDS}
        return jwt.encode(claims, PEER_SECRET, algorithm="HS256")

    path = stores.write_tokens("express", token)
    sessions.execute()
    return path


def _our_tokens(stores: Stores) -> Path:
    tokens = Tokens(load_settings({"ROMANTIC_ENV": "test"}).jwt_keys, access_ttl=TOKEN_SECONDS)
    now = time.time()
    return stores.write_tokens(
        "romantic",
        lambda user, session: tokens.access(session_id=session, counter=0, user_id=user, issued_at=now),
    )
