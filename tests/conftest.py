"""Real PostgreSQL, real Valkey, real sockets; only WhatsApp is a stand-in, reached through the real client."""

import itertools
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from romantic import logs
from romantic.app import create_app
from romantic.auth import service as auth
from romantic.auth.schemas import RegisterBody
from romantic.auth.service import Device
from romantic.auth.sessions import TOKENS
from romantic.coins import service as coins
from romantic.db import DATABASE, Database, transaction
from romantic.db.migrations import migrate
from romantic.dev.embedded import Postgres, Valkey, start_postgres, start_valkey
from romantic.http.hardening import RUNNER_OPTIONS
from romantic.rtc import tune_gc
from romantic.settings import SETTINGS, Settings, load_settings
from tests.canonical import faults_of
from tests.docs.conformance import watch
from tests.folders import open_folder
from tests.outside import Outside
from tests.phone import Person, Phone
from tests.secrecy import DETECTOR, TEE, HeardSink

#: Short intervals instead of mocked clocks.
QUICK = {
    "romantic_env": "test",
    "rate_limits": "off",
    "database_acquire_seconds": 10,  # a busy machine is no fault; who tests a database that is away says so
    "otp_resend_seconds": 0,
    "otp_per_hour": 1000,
    "otp_per_day": 1000,
    "otp_per_hour_per_ip": 100_000,
    "otp_per_hour_per_prefix": 100_000,
    "otp_per_hour_in_all": 100_000,
    "call_tick_seconds": 0.05,
    "call_snapshot_seconds": 0.2,
    "ws_call_ping_seconds": 0.2,
    "monitor_beat_seconds": 0.1,
    "call_min_billable_seconds": 0,
    "presence_grace_seconds": 0.3,
}

LOUD = load_settings({"ROMANTIC_ENV": "test", "LOG_LEVEL": "debug"})

_numbers = itertools.count(2_000_000)


def pytest_collection_finish() -> None:
    """Nobody walks what is loaded again and again, in production neither."""
    tune_gc()


@pytest.fixture(scope="session", autouse=True)
def _nothing_left() -> Iterator[None]:
    """What servers and browsers that a test kills leave in their temporary folder goes with the tests."""
    with open_folder() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        patch.setattr(tempfile, "tempdir", None)
        yield


@pytest.fixture(scope="session")
def servers() -> Iterator[tuple[Postgres, Valkey]]:
    """A PostgreSQL and a Valkey of our own, gone when the tests are."""
    with open_folder() as home:
        postgres = start_postgres(home / "pg", durable=False)
        valkey = start_valkey(home / "vk", durable=False)
        yield postgres, valkey
        postgres.stop()
        valkey.stop()


@pytest.fixture(scope="session")
def postgres(servers: tuple[Postgres, Valkey]) -> str:
    migrate(servers[0].dsn)
    return str(servers[0].dsn)


@pytest.fixture(scope="session")
def valkey(servers: tuple[Postgres, Valkey]) -> str:
    return str(servers[1].url)


@pytest.fixture
def own_valkey() -> Iterator[Valkey]:
    """A Valkey that a test may freeze or kill."""
    with open_folder() as home:
        server = start_valkey(home / "vk", durable=False)
        yield server
        with suppress(ProcessLookupError):
            os.kill(pid_of(server), signal.SIGCONT)
        server.stop()


def pid_of(server: Valkey) -> int:
    return int(server._process.pid)


class Housekeeper:
    """Empties the database between tests, and looks into its books; one connection, for it is there all the time."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._conn: Any = None
        tables = self._ask("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        emptied = "; ".join(f'DELETE FROM "{table}"' for (table,) in tables if table != "schema_migrations")
        # Immutable rows go with their triggers asleep.
        self._emptying = f"SET session_replication_role = replica; {emptied}"

    def empty(self) -> None:
        self._ask(self._emptying)

    def drifting(self) -> list[tuple[Any, ...]]:
        """Whose balance is not the sum of its entries."""
        return self._ask(coins.sql.list_drifting_users.statement)

    def _ask(self, statement: str) -> list[tuple[Any, ...]]:
        try:
            return self._run(statement)
        except psycopg2.OperationalError:  # a test has killed every connection
            self._conn = None
            return self._run(statement)

    def _run(self, statement: str) -> list[tuple[Any, ...]]:
        if self._conn is None:
            self._conn = psycopg2.connect(self._dsn)
            self._conn.autocommit = True
        with self._conn.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def leave(self) -> None:
        if self._conn is not None:
            self._conn.close()


@pytest.fixture(scope="session")
def housekeeper(postgres: str) -> Iterator[Housekeeper]:
    housekeeper = Housekeeper(postgres)
    yield housekeeper
    housekeeper.leave()


@pytest.fixture(scope="session", autouse=True)
def _heard() -> Iterator[None]:
    """Whoever reads lines from a stream of their own: they are heard here as well."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logs, "_Sink", HeardSink)
        yield


@pytest.fixture(autouse=True)
def watched() -> Iterator[None]:
    """Whatever is logged, as production renders it: no secret in any line, and the agreed fields in the canonical ones."""
    DETECTOR.begin()
    logs.configure_logs(LOUD)
    structlog.configure(logger_factory=lambda *_: TEE)
    yield
    assert DETECTOR.leaks() == []
    assert {fault for line in DETECTOR.lines for fault in faults_of(line)} == set()


@pytest.fixture(autouse=True)
def clean(request: pytest.FixtureRequest) -> Iterator[None]:
    """An empty database for every test that has one.

    Afterwards, when its servers have stopped, every balance must still be the sum of its entries.
    """
    if "postgres" not in request.fixturenames:
        yield
        return
    housekeeper = request.getfixturevalue("housekeeper")
    housekeeper.empty()
    yield
    if "behind_the_ledger" not in request.fixturenames:  # those drift on purpose
        assert housekeeper.drifting() == []


@pytest.fixture(scope="session")
async def whole_outside() -> AsyncIterator[Outside]:
    outside = Outside()
    await outside.start()
    yield outside
    await outside.stop()


@pytest.fixture
def outside(whole_outside: Outside) -> Outside:
    whole_outside.forget()
    return whole_outside


@pytest.fixture
def settings(postgres: str, valkey: str, outside: Outside) -> Settings:
    """What every application of the tests starts from; override with `settings_with`."""
    return settings_with(postgres, valkey, outside)


def settings_with(postgres: str, valkey: str, outside: Outside, **overrides: Any) -> Settings:
    environ = {"ROMANTIC_ENV": "test"}
    stores = {"database_url": postgres, "redis_url": valkey}
    world = {
        "whatsapp_api_base_url": outside.url,
        "stripe_api_base": outside.stripe.url,
        "admob_keys_url": outside.admob.url,
    }
    return load_settings(environ, **(QUICK | stores | world | overrides))


MakeApp = Callable[..., Awaitable[TestClient[Any, Any]]]


@pytest.fixture
async def make_client(postgres: str, valkey: str, outside: Outside) -> AsyncIterator[MakeApp]:
    """Start an application of its own, with settings of its own; several may run at once."""
    async with AsyncExitStack() as running:

        async def make(**overrides: Any) -> TestClient[Any, Any]:
            app = create_app(settings_with(postgres, valkey, outside, **overrides))
            return await start(running, app)

        yield make


class Server(TestServer):
    """As in production, a handler outlives its client; the test server of aiohttp would cancel it."""

    async def _make_runner(self, **kwargs: Any) -> web.AppRunner:
        return web.AppRunner(self.app, **(kwargs | {"handler_cancellation": False}))


class Client(TestClient[Any, Any]):
    """What phones send is secret where its name says so."""

    async def _request(self, method: str, path: Any, **kwargs: Any) -> Any:
        DETECTOR.tell_body(kwargs.get("json"))
        return await super()._request(method, path, **kwargs)


async def start(running: AsyncExitStack, app: web.Application) -> TestClient[Any, Any]:
    options = {name: value for name, value in RUNNER_OPTIONS.items() if name != "access_log"}
    differing = watch(app)
    client: TestClient[Any, Any] = Client(Server(app), auto_decompress=True)
    await client.server.start_server(shutdown_timeout=1.0, **options)
    running.callback(_conforms, differing)
    running.push_async_callback(client.close)
    return client


def _conforms(differing: list[str]) -> None:
    """Whatever a test is about: its servers have answered as the document says."""
    assert differing == []


@pytest.fixture
async def client(make_client: MakeApp) -> TestClient[Any, Any]:
    return await make_client()


@pytest.fixture
def database(client: TestClient[Any, Any]) -> Database:
    return client.app[DATABASE]  # type: ignore[no-any-return, union-attr]


@pytest.fixture
async def conn(database: Database) -> AsyncIterator[Any]:
    async with database.connection() as conn:
        yield conn


@pytest.fixture
def sql(postgres: str) -> Iterator[Callable[..., list[tuple[Any, ...]]]]:
    """Look at, or arrange, the database behind the application's back."""
    raw = psycopg2.connect(postgres)
    raw.autocommit = True

    def run(statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with raw.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

    yield run
    raw.close()


def new_number() -> str:
    number = f"+1555{next(_numbers):07d}"
    DETECTOR.tell(number)
    return number


async def prove(client: TestClient[Any, Any], outside: Outside, phone_number: str) -> dict[str, Any]:
    """Send and verify a code: the data of verify-otp."""
    sent = await client.post("/api/auth/send-otp", json={"phoneNumber": phone_number})
    assert sent.status == 200, await sent.text()
    body = {"phoneNumber": phone_number, "otpCode": outside.code_for(phone_number)}
    verified = await client.post("/api/auth/verify-otp", json=body)
    answer = await verified.json()
    assert verified.status == 200, answer
    return dict(answer["data"])


async def sign_up(app: web.Application, phone_number: str, name: str) -> tuple[str, str, dict[str, str]]:
    """A registered person's id, number and tokens."""
    body = {"phoneNumber": phone_number, "fullName": name, "age": 25, "gender": "female"}
    world, device = (app[SETTINGS], app[TOKENS]), Device("127.0.0.1", "tests")
    async with transaction(app) as conn:
        grant = await auth.open_session(conn, *world, phone_number=phone_number, device=device)
        whole = {"session_id": grant.session_id, **RegisterBody().load(body)}
        grant, welcome = await auth.register(conn, *world, **whole)
    if welcome is not None:
        coins.log_entry(welcome)
    tokens = {"accessToken": grant.access_token, "refreshToken": grant.refresh_token}
    return str(grant.user_id), phone_number, tokens


MakePerson = Callable[..., Awaitable[Person]]


@pytest.fixture
def make_person(client: TestClient[Any, Any], sql: Callable[..., list[tuple[Any, ...]]]) -> MakePerson:
    """Register somebody; `coins` is their balance, `super_lover` as an operator would.

    By the services behind the front door, which tests/auth opens: thousands of tests want somebody to be there.
    """

    async def make(
        name: str = "Ann",
        *,
        coins: int = 50,
        super_lover: bool = False,
        at: TestClient[Any, Any] | None = None,
    ) -> Person:
        host, number = at or client, new_number()
        person = Person(host, *await sign_up(host.app, number, name))  # type: ignore[arg-type]
        set_balance(sql, person, coins)
        if super_lover:
            sql(
                "UPDATE users SET is_super_lover = TRUE, super_lover_status = 'ready' WHERE id = %s",
                person.id,
            )
        return person

    return make


def set_balance(sql: Callable[..., list[tuple[Any, ...]]], person: Person, coins: int) -> None:
    """Bring a fresh balance of 50 welcome coins to `coins`, by an entry like any other."""
    difference = coins - 50
    if difference:
        kind = "earn" if difference > 0 else "spend"
        sql(
            "SELECT id FROM add_entry(%s, %s, %s, %s, 'test', NULL, NULL)",
            person.id, kind, abs(difference), f"test:{person.id}",
        )  # fmt: skip


Connect = Callable[..., Awaitable[Phone]]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Open a socket for a person and wait until it is ready."""
    phones: list[Phone] = []

    async def open_socket(person: Person, *, path: str = "/ws", **kwargs: Any) -> Phone:
        headers = kwargs.pop("headers", person.auth)
        ws = await person.client.ws_connect(path, headers=headers, **kwargs)
        phone = Phone(person, ws)
        phones.append(phone)
        phone.ready = await phone.expect("ready")
        return phone

    yield open_socket
    for phone in phones:
        await phone.close()


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).parent.parent


@pytest.fixture(scope="session")
def in_ci() -> bool:
    return os.environ.get("CI") == "true"
