"""The pool: who waits how long, what a refusal looks like, and how it recovers when the server was gone."""

import asyncio
import os
import resource
import signal
import time
from contextlib import AsyncExitStack, ExitStack

import aiopg
import pytest

from romantic.db import DATABASE, Database, DatabaseBusy, DatabaseRefusal, Query, QueryTimeout, UniqueConflict
from romantic.db.migrations import migrate
from romantic.dev.embedded import start_postgres
from tests.folders import open_folder
from tests.waiting import until

SLEEP = Query("test.sleep", "SELECT pg_sleep(30)", frozenset())
NAP = Query("test.nap", "SELECT 'rested' FROM pg_sleep(0.2)", frozenset())
ONE = Query("test.one", "SELECT 1", frozenset())
BACKEND = Query("test.backend", "SELECT pg_backend_pid()", frozenset())
BACKENDS = Query(
    "test.backends",
    "SELECT array_agg(pid) FROM pg_stat_activity WHERE backend_type = 'client backend'",
    frozenset(),
)
REFUSE = Query(
    "test.refuse",
    "SELECT (add_entry(%(user)s, 'spend', 1000, 'k', '', NULL, NULL)).id",
    frozenset({"user"}),
)
ADD = Query(
    "test.add",
    "INSERT INTO rate_counters (subject, window_start, hits) VALUES (%(s)s, 'epoch', 1)",
    frozenset({"s"}),
)

COUNT = Query("test.count", "SELECT count(*) FROM rate_counters", frozenset())


async def test_full_pool_is_a_503_within_about_a_second_while_the_process_is_alive(make_client, make_person):
    client = await make_client(database_pool_max=2, database_acquire_seconds=0.5, session_cache_seconds=60)
    person = await make_person(at=client)
    database = client.app[DATABASE]

    async with database.connection(), database.connection():
        started = time.monotonic()
        busy = await person.get("/api/coins/balance")
        waited = time.monotonic() - started
        live = await client.get("/health/live")
    after = await person.get("/api/coins/balance")

    assert (busy.status, (await busy.json())["error"]["code"]) == (503, "UNAVAILABLE")
    assert busy.headers["Retry-After"] == "1"
    assert 0.4 < waited < 5
    assert (live.status, after.status) == (200, 200)


async def test_waiters_that_gave_up_leave_their_place(make_client):
    client = await make_client(database_pool_max=1, database_acquire_seconds=0.1)
    database = client.app[DATABASE]
    async with database.connection():
        results = await asyncio.gather(*(value(database, ONE) for _ in range(10)), return_exceptions=True)

    assert {type(result) for result in results} == {DatabaseBusy}
    assert await value(database, ONE) == 1


async def value(database, query, **parameters):
    async with database.connection() as conn:
        return await conn.value(query, **parameters)


async def test_statement_that_takes_too_long_is_a_timeout_and_the_pool_goes_on(make_client):
    client = await make_client(database_statement_seconds=0.2)
    database = client.app[DATABASE]

    with pytest.raises(QueryTimeout):
        await value(database, SLEEP)

    assert await value(database, ONE) == 1


async def test_statement_that_takes_too_long_is_a_503_in_the_envelope(make_client, make_person, sql):
    client = await make_client(database_statement_seconds=0.3, database_lock_seconds=0.2)
    person = await make_person(at=client)
    body = {"amount": 20, "action": "boost", "referenceId": "00000000-0000-4000-8000-000000000001"}

    sql("BEGIN")
    sql("SELECT FROM users WHERE id = %s FOR UPDATE", person.id)
    refused = await person.post("/api/coins/spend", body)
    sql("ROLLBACK")
    again = await person.post("/api/coins/spend", body)

    assert (refused.status, (await refused.json())["error"]["code"]) == (503, "UNAVAILABLE")
    assert (again.status, await person.balance()) == (200, 30)


async def test_cancelled_request_stops_its_statement_and_is_cancelled(client, sql):
    database = client.app[DATABASE]
    task = asyncio.create_task(value(database, SLEEP))
    running = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(30)' AND state = 'active'"

    async def is_running():
        return sql(running) == [(1,)]

    async def is_over():
        return sql(running) == [(0,)]

    await until(is_running)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    await until(is_over)


async def test_transaction_is_undone_by_any_exception(client):
    database = client.app[DATABASE]

    async def fail():
        async with database.transaction() as conn:
            await conn.run(ADD, s="undone")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await value(database, COUNT) == 0


async def test_swallowed_refusal_does_not_pass_for_a_commit(client):
    database = client.app[DATABASE]

    async def swallow():
        async with database.transaction() as conn:
            await conn.run(ADD, s="lost")
            with pytest.raises(UniqueConflict) as conflict:
                await conn.run(ADD, s="lost")
            assert conflict.value.constraint == "rate_counters_pkey"

    with pytest.raises(DatabaseBusy, match="lost"):
        await swallow()
    assert await value(database, COUNT) == 0


async def test_killed_connection_of_a_transaction_is_busy_and_the_next_one_is_fresh(client, sql):
    database = client.app[DATABASE]

    async def be_killed():
        async with database.transaction() as conn:
            sql("SELECT pg_terminate_backend(%s)", await conn.value(BACKEND))
            await conn.run(ADD, s="lost")

    with pytest.raises(DatabaseBusy):
        await be_killed()
    assert await value(database, COUNT) == 0


async def test_idle_connections_cut_by_the_server_are_not_handed_out(client, sql):
    database = client.app[DATABASE]
    pids = await asyncio.gather(*(value(database, BACKEND) for _ in range(8)))

    sql("SELECT pg_terminate_backend(pid, 5000) FROM unnest(%s) AS pid", list(set(pids)))

    assert await asyncio.gather(*(value(database, ONE) for _ in range(16))) == [1] * 16


@pytest.fixture
async def own_pool(settings):
    """A pool that nobody else uses."""
    database = Database(settings)
    await database.start()
    yield database
    await database.stop()


async def test_connection_that_dies_idle_while_another_is_made_is_not_handed_out(own_pool, sql, monkeypatch):
    is_connecting, may_connect = asyncio.Event(), asyncio.Event()

    async def connect(*args, **options):
        is_connecting.set()
        await may_connect.wait()
        return await aiopg_connect(*args, **options)

    aiopg_connect = aiopg.connect
    async with AsyncExitStack() as held:
        lent = [await held.enter_async_context(own_pool.connection()) for _ in range(2)]
        monkeypatch.setattr(aiopg, "connect", connect)
        late = asyncio.create_task(value(own_pool, ONE))
        await asyncio.wait_for(is_connecting.wait(), 10)
        pids = [await conn.value(BACKEND) for conn in lent]
    sql("SELECT pg_terminate_backend(pid, 5000) FROM unnest(%s) AS pid", pids)
    may_connect.set()

    assert (await late, await value(own_pool, ONE)) == (1, 1)


async def test_connection_that_takes_for_ever_to_make_holds_up_nobody_else(own_pool, monkeypatch):
    is_connecting = asyncio.Event()

    async def connect(*_args, **_options):
        is_connecting.set()
        await asyncio.Event().wait()

    async with own_pool.connection():
        monkeypatch.setattr(aiopg, "connect", connect)
        stuck = asyncio.create_task(value(own_pool, ONE))
        await asyncio.wait_for(is_connecting.wait(), 10)
    answer = await asyncio.wait_for(value(own_pool, ONE), 10)
    stuck.cancel()
    await asyncio.wait([stuck], timeout=10)

    assert (answer, stuck.cancelled()) == (1, True)
    assert own_pool.connections() == {"used": 0, "idle": 1}


async def test_pool_that_stops_lets_the_running_finish_refuses_the_new_and_leaves_no_connection(
    settings, sql
):
    database = Database(settings)
    await database.start()
    names = "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(%s)"
    async with AsyncExitStack() as held:
        quick, slow = [await held.enter_async_context(database.connection()) for _ in range(2)]
        pids = [await quick.value(BACKEND), await slow.value(BACKEND)]
        running = asyncio.create_task(quick.value(NAP))
        endless = asyncio.create_task(slow.value(SLEEP))
        await asyncio.sleep(0)
        stopping = asyncio.create_task(database.stop(grace=1.0))
        await asyncio.sleep(0)
        with pytest.raises(DatabaseBusy, match="closed"):
            await value(database, ONE)
        assert await running == "rested"
        with pytest.raises(DatabaseBusy):
            await endless
        await stopping

    async def are_gone():
        return sql(names, pids) == [(0,)]

    await until(are_gone)
    assert database.connections() == {"used": 0, "idle": 0}


@pytest.fixture
def own_postgres():
    with open_folder() as home:
        server = start_postgres(home / "pg", durable=False)
        migrate(server.dsn)
        yield home / "pg", server
        start_postgres(home / "pg", durable=False).stop()


async def test_restarted_database_is_found_again_without_a_restart_of_ours(make_client, own_postgres):
    home, server = own_postgres
    client = await make_client(database_url=server.dsn)
    assert (await client.get("/health/ready")).status == 200

    server.stop()
    gone = await client.get("/health/ready")
    refused = await client.post("/api/auth/send-otp", json={"phoneNumber": "+15550001111"})
    live = await client.get("/health/live")
    start_postgres(home, durable=False)

    async def is_ready():
        return (await client.get("/health/ready")).status == 200

    assert (gone.status, (await gone.json())["error"]["meta"]["checks"]["database"]) == (503, "down")
    assert (refused.status, (await refused.json())["error"]["code"]) == (503, "UNAVAILABLE")
    assert live.status == 200
    await until(is_ready)


async def test_frozen_database_is_a_503_and_not_a_hang(make_client, own_postgres):
    _, server = own_postgres
    client = await make_client(
        database_url=server.dsn, database_statement_seconds=0.3, database_acquire_seconds=0.5
    )
    pids = await value(client.app[DATABASE], BACKENDS)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)

    async with asyncio.timeout(20):
        answer = await client.post("/api/auth/send-otp", json={"phoneNumber": "+15550001111"})
    for pid in pids:
        os.kill(pid, signal.SIGCONT)

    assert answer.status == 503
    assert (await answer.json())["error"]["retryable"]


async def test_refusal_on_a_descriptor_above_1023_is_a_refusal(make_client, make_person):
    """select() takes no such descriptor, and the driver calls it on its way to an error."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    person, client = await make_person(), await make_client()
    with ExitStack() as files:
        for _ in range(1100):
            files.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        with pytest.raises(DatabaseRefusal) as refusal:
            await value(client.app[DATABASE], REFUSE, user=person.id)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert (refusal.value.code, refusal.value.facts) == ("RM402", {"required": 1000, "balance": 50})
