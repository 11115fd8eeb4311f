"""Two thousand spends while PostgreSQL is killed: none lost, none doubled, the balance is the sum."""

import asyncio
import os
import random
import signal
import tempfile
from contextlib import closing
from functools import partial
from pathlib import Path
from uuid import uuid4

import psycopg2
import pytest
from aiohttp import ClientError
from structlog.testing import capture_logs

from romantic.db.migrations import migrate
from romantic.dev.embedded import start_postgres
from tests.conftest import new_number, prove
from tests.waiting import until

SPENDS, COINS, CLIENTS = 2000, 1500, 50


@pytest.fixture
def own_postgres():
    """A PostgreSQL that a test may kill; what it confirmed outlives its processes, if not a power cut."""
    home = Path(tempfile.mkdtemp(prefix="romantic-"))
    home.chmod(0o755)
    server = start_postgres(home / "pg", durable=False)
    ask(server.dsn, "ALTER DATABASE romantic SET synchronous_commit = on")
    migrate(server.dsn)
    yield server.dsn
    server.stop()


def ask(dsn, statement, *parameters):
    with closing(psycopg2.connect(dsn)) as conn, conn.cursor() as cursor:
        conn.autocommit = True
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


async def somebody(client, outside, dsn):
    number = new_number()
    proof = await prove(client, outside, number)
    headers = {"Authorization": f"Bearer {proof['accessToken']}"}
    body = {"phoneNumber": number, "fullName": "Ann", "age": 25, "gender": "female"}
    response = await client.post("/api/auth/register", json=body, headers=headers)
    data = (await response.json())["data"]
    ask(dsn, "SELECT add_entry(%s, 'earn', %s, 'fund', '', NULL, NULL)", data["user"]["id"], COINS - 50)
    return data["user"]["id"], {"Authorization": f"Bearer {data['accessToken']}"}


async def spend(client, headers, key):
    """Retry under the same key until the answer is final, as a phone does."""
    body = {"amount": 1, "action": "gift", "referenceId": str(uuid4())}
    while True:
        try:
            response = await client.post(
                "/api/coins/spend", json=body, headers=headers | {"Idempotency-Key": key}
            )
            await response.read()
        except (ClientError, TimeoutError):
            response = None
        if response is not None and response.status in (200, 402):
            return response.status
        assert response is None or response.status in (409, 503), await response.text()
        await asyncio.sleep(random.uniform(0.02, 0.2))


async def has_done(done, part):
    return len(done) >= part


async def kill_backends(dsn, done, *, times):
    """kill -9 one serving process when a part of the work is done; PostgreSQL restarts all of them."""
    for n in range(times):
        await until(partial(has_done, done, SPENDS * (n + 1) // (times + 2)), within=50)
        ((pid,),) = ask(
            dsn,
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'romantic' ORDER BY random() LIMIT 1",
        )
        os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.timeout(55)  # less than the minute an idempotency key may stay locked
async def test_spends_survive_killed_backends(make_client, outside, own_postgres):
    client = await make_client(
        database_url=own_postgres, gift_cost=1, database_acquire_seconds=5, database_lock_seconds=5,
        database_statement_seconds=10,
    )  # fmt: skip
    user_id, headers = await somebody(client, outside, own_postgres)
    keys, done = [str(uuid4()) for _ in range(SPENDS)], []

    async def work(n):
        for key in keys[n::CLIENTS]:
            done.append(await spend(client, headers, key))

    # Thousands of lines nobody reads would cost more than the spends.
    with capture_logs():
        async with asyncio.TaskGroup() as group:
            group.create_task(kill_backends(own_postgres, done, times=2))
            for n in range(CLIENTS):
                group.create_task(work(n))

    ((balance, entries),) = ask(
        own_postgres,
        "SELECT coins_balance, (SELECT count(*) FROM coin_transactions WHERE transaction_type = 'spend')"
        " FROM users WHERE id = %s",
        user_id,
    )
    assert (done.count(200), done.count(402)) == (COINS, SPENDS - COINS)
    assert (balance, entries) == (0, COINS)
