"""Consequences of a ban, a deletion and a block: they come though whoever caused them is gone."""

from contextlib import asynccontextmanager
from uuid import UUID

import pytest

from romantic.db import Database
from romantic.jobs.queue import list_jobs
from romantic.signals import PARTED, announce_gone, announce_parted
from tests.conftest import settings_with
from tests.waiting import until


@pytest.fixture
def gone_process(postgres, valkey, outside):
    """A transaction of a process that commits and is never heard of again: it has no worker."""

    @asynccontextmanager
    async def commit():
        database = Database(settings_with(postgres, valkey, outside))
        await database.start()
        async with database.transaction() as conn:
            yield conn
        await database.stop()

    return commit


async def test_ban_by_a_process_that_died_ends_sessions_and_sockets_elsewhere(
    gone_process, make_person, connect, sql
):
    person = await make_person()
    phone = await connect(person)

    async with gone_process() as conn:
        await announce_gone(conn, UUID(person.id), "banned")

    assert await phone.expect("session-revoked") == {"reason": "banned"}
    assert sql("SELECT count(*) FROM user_sessions WHERE user_id = %s AND revoked_at IS NULL", person.id) == [
        (0,)
    ]


async def test_block_by_a_process_that_died_parts_the_two_elsewhere(gone_process, client):
    heard = []

    async def hear(app, one, other):
        heard.append((one, other))

    client.app[PARTED].append(hear)

    async with gone_process() as conn:
        await announce_parted(conn, UUID(int=1), UUID(int=2))

    async def is_heard():
        return heard == [(UUID(int=1), UUID(int=2))]

    await until(is_heard)


async def test_block_that_is_refused_announces_nothing(make_person, database):
    ann = await make_person()

    response = await ann.post("/api/users/block", {"targetUserId": str(UUID(int=9))})

    async with database.connection() as conn:
        rows = await list_jobs(conn, kind="signal.parted")
    assert (response.status, rows) == (404, [])
