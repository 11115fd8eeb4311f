"""The pool, and a connection with one verb per shape of answer. The only module that knows the driver."""

import asyncio
import contextlib
import json
import os
import select
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiopg
import aiopg.connection
import psycopg2
import psycopg2.extensions as pg
import psycopg2.extras
from aiohttp import web

from romantic import metrics
from romantic.db.queries import Query
from romantic.db.tally import note
from romantic.settings import SETTINGS, Settings

Row = dict[str, Any]

psycopg2.extras.register_uuid()  # type: ignore[no-untyped-call]


class _Readiness:
    """Stands in for the select module inside aiopg, which calls select() only to learn whether a
    descriptor is still open; the real one raises on descriptors above 1023 (aiopg issue 668)."""

    @staticmethod
    def select(
        read: list[int], _write: list[int], _error: list[int], _timeout: float | None = None
    ) -> tuple[list[int], list[int], list[int]]:
        for descriptor in read:
            os.fstat(descriptor)
        return [], [], []


aiopg.connection.select = _Readiness  # type: ignore[attr-defined, assignment]


class DatabaseBusy(Exception):
    """PostgreSQL cannot be reached, or no connection came free in time."""


class QueryTimeout(DatabaseBusy):
    """A statement or a lock took longer than its limit; nothing of the transaction remains."""


class DatabaseRefusal(Exception):
    """A rule written in SQL said no: one of our own SQLSTATEs (RMnnn), with its facts."""

    def __init__(self, code: str, facts: dict[str, Any]) -> None:
        super().__init__(code)
        self.code = code
        self.facts = facts


class UniqueConflict(Exception):
    """A row with this unique value exists; `constraint` names the rule."""

    def __init__(self, constraint: str) -> None:
        super().__init__(constraint)
        self.constraint = constraint


class Connection:
    """One PostgreSQL connection; it runs one statement at a time."""

    def __init__(
        self, raw: aiopg.Connection, timeout: float, tell: Callable[[str], None] = lambda _: None
    ) -> None:
        self._raw = raw
        self._timeout = timeout
        self._tell = tell
        self._topics: set[str] = set()

    async def all(self, query: Query, **parameters: Any) -> list[Row]:
        """Every row."""
        async with self._execute(query, parameters) as cursor:
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in await cursor.fetchall()]

    async def one(self, query: Query, **parameters: Any) -> Row | None:
        """The first row, or None."""
        async with self._execute(query, parameters) as cursor:
            row = await cursor.fetchone()
            if row is None:
                return None
            return dict(zip([column.name for column in cursor.description or ()], row, strict=True))

    async def value(self, query: Query, **parameters: Any) -> Any:
        """The first column of the first row, or None."""
        async with self._execute(query, parameters) as cursor:
            row = await cursor.fetchone()
            return row[0] if row else None

    async def run(self, query: Query, **parameters: Any) -> int:
        """The number of rows the statement touched."""
        async with self._execute(query, parameters) as cursor:
            return int(cursor.rowcount)

    @asynccontextmanager
    async def _execute(self, query: Query, parameters: dict[str, Any]) -> AsyncIterator[aiopg.Cursor]:
        if parameters.keys() != query.parameters:
            raise TypeError(f"{query.name} takes {sorted(query.parameters)}, got {sorted(parameters)}")
        began = time.perf_counter()
        # Reading the rows is inside as well: a server that dies now has closed the cursor.
        with _translated():
            async with self._raw.cursor() as cursor:
                try:
                    await cursor.execute(query.statement, _adapted(parameters), timeout=self._timeout)
                finally:
                    note(query.name, time.perf_counter() - began)
                yield cursor

    async def command(self, statement: str) -> str:
        """BEGIN, COMMIT, ROLLBACK: the word PostgreSQL answers."""
        with _translated():
            async with self._raw.cursor() as cursor:
                await cursor.execute(statement, timeout=self._timeout)
                return str(cursor.statusmessage)

    def announce(self, topic: str) -> None:
        """Tell this process's listeners (Database.on_commit) once others can see what was written."""
        if self.in_transaction:
            self._topics.add(topic)
        else:
            self._tell(topic)

    def committed(self) -> None:
        """Tell what was announced; a transaction that rolls back never does."""
        for topic in self._topics:
            self._tell(topic)

    @property
    def in_transaction(self) -> bool:
        return not self._raw.closed and self._raw.raw.get_transaction_status() in (
            pg.TRANSACTION_STATUS_INTRANS,
            pg.TRANSACTION_STATUS_INERROR,
        )


def _adapted(parameters: dict[str, Any]) -> dict[str, Any] | None:
    """Dicts travel as JSON; without parameters psycopg2 must not look for percent signs."""
    if not parameters:
        return None
    return {
        name: psycopg2.extras.Json(value) if isinstance(value, dict) else value
        for name, value in parameters.items()
    }


@contextlib.contextmanager
def _translated() -> Any:
    """Turn what aiopg and psycopg2 raise into what the house knows."""
    try:
        yield
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        # aiopg reports a statement the server cancelled as if our own task had been cancelled.
        if (
            isinstance(error.__context__, pg.QueryCanceledError)
            and task is not None
            and not task.cancelling()
        ):
            raise QueryTimeout("statement timeout") from None
        raise
    except TimeoutError:
        raise QueryTimeout("no answer in time") from None
    except psycopg2.Error as error:
        raise _meaning(error) from error


def _meaning(error: psycopg2.Error) -> Exception:
    code = error.pgcode or ""
    if code.startswith("RM"):
        return DatabaseRefusal(code, json.loads(error.diag.message_detail or "{}"))
    if code == "23505":
        return UniqueConflict(error.diag.constraint_name or "")
    if code in ("55P03", "57014", "40P01", "40001"):
        return QueryTimeout(str(error).strip())
    if isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError):
        return DatabaseBusy(str(error).strip())
    return error


def _is_stale(raw: aiopg.Connection) -> bool:
    """An idle connection that became readable was closed by the server."""
    if raw.closed:
        return True
    poll = select.poll()
    poll.register(raw.raw.fileno(), select.POLLIN | select.POLLHUP)
    return bool(poll.poll(0))


class Database:
    """The pool of one process.

    Not aiopg's own, which connects under the lock that every release needs, loses wake-ups when a waiter is
    cancelled, and fails an assertion when a connection dies idle while it makes another.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._slots = asyncio.Semaphore(settings.database_pool_max)
        self._used: set[aiopg.Connection] = set()
        self._idle: list[aiopg.Connection] = []
        self._is_open = False
        self._listeners: defaultdict[str, list[Callable[[], None]]] = defaultdict(list)

    def on_commit(self, topic: str, act: Callable[[], None]) -> None:
        """Call `act` after each commit of this process that announced the topic."""
        self._listeners[topic].append(act)

    def _tell(self, topic: str) -> None:
        for act in self._listeners[topic]:
            act()

    async def start(self) -> None:
        """Open, once; connections are made as they are needed."""
        self._is_open = True

    async def stop(self, grace: float = 5.0) -> None:
        """Refuse who comes now, let who is here finish (`grace` seconds), and close every connection."""
        self._is_open = False
        while self._idle:
            self._idle.pop().close()
        try:
            async with asyncio.timeout(grace):
                for _ in range(self._settings.database_pool_max):
                    await self._slots.acquire()
        except TimeoutError:
            for raw in self._used:
                raw.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection for single statements; raises DatabaseBusy when none comes free in time."""
        if not self._is_open:
            raise DatabaseBusy("the pool is closed")
        await self._take_slot()
        try:
            raw = await self._take()
            self._used.add(raw)
            try:
                yield Connection(raw, self._settings.database_statement_seconds + 1, self._tell)
            finally:
                self._used.remove(raw)
                self._put_back(raw)
        finally:
            self._slots.release()

    async def _take_slot(self) -> None:
        """A place in the pool; the timer is only worth its cost where there is something to wait for."""
        if not self._slots.locked():
            await self._slots.acquire()
            metrics.DB_WAIT_SECONDS.observe(0.0)
            return
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self._settings.database_acquire_seconds):
                await self._slots.acquire()
        except TimeoutError:
            raise DatabaseBusy("no connection came free in time") from None
        finally:
            metrics.DB_WAIT_SECONDS.observe(time.perf_counter() - began)

    async def _take(self) -> aiopg.Connection:
        """The connection used last whose server has not gone away while it lay idle, or a new one."""
        while self._idle:
            raw = self._idle.pop()
            if not _is_stale(raw):
                return raw
            raw.close()
        limits = self._settings
        options = {
            "statement_timeout": f"{int(limits.database_statement_seconds * 1000)}",
            "lock_timeout": f"{int(limits.database_lock_seconds * 1000)}",
            "idle_in_transaction_session_timeout": "5000",
            "client_connection_check_interval": "1000",
            "timezone": "UTC",
        }
        with _translated():
            return await aiopg.connect(
                limits.database_url,
                timeout=limits.database_acquire_seconds,
                enable_hstore=False,
                application_name="romantic",
                options=" ".join(f"-c {name}={value}" for name, value in options.items()),
            )

    def _put_back(self, raw: aiopg.Connection) -> None:
        """Keep it for the next, unless it is gone, in the middle of something, or nobody comes any more."""
        if raw.closed:
            return
        if self._is_open and raw.raw.get_transaction_status() == pg.TRANSACTION_STATUS_IDLE:
            self._idle.append(raw)
        else:
            raw.close()

    def connections(self) -> dict[str, int]:
        """How many connections are in use, and how many lie idle."""
        return {"used": len(self._used), "idle": len(self._idle)}

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection that commits on success and rolls back on any exception."""
        async with self.connection() as conn:
            await conn.command("BEGIN")
            try:
                yield conn
            except BaseException:
                if conn.in_transaction:
                    with contextlib.suppress(Exception):
                        await conn.command("ROLLBACK")
                raise
            # A swallowed error makes PostgreSQL answer ROLLBACK to a COMMIT without raising.
            if await conn.command("COMMIT") != "COMMIT":
                raise DatabaseBusy("the transaction was lost")
            conn.committed()


DATABASE = web.AppKey("DATABASE", Database)


def connection(app: web.Application) -> contextlib.AbstractAsyncContextManager[Connection]:
    """A connection for reads and for writes of one statement; each statement stands alone."""
    return app[DATABASE].connection()


def transaction(app: web.Application) -> contextlib.AbstractAsyncContextManager[Connection]:
    """A connection that commits on success and rolls back on any exception."""
    return app[DATABASE].transaction()


async def database(app: web.Application) -> AsyncIterator[None]:
    """Open the pool with the application and close it after everything else."""
    app[DATABASE] = Database(app[SETTINGS])
    await app[DATABASE].start()
    yield
    await app[DATABASE].stop()
