"""Redis frozen or gone: comfort goes on, what guards money and codes is counted in PostgreSQL."""

import os
import signal
import time

import pytest

from romantic.http.limits import AUTH, MONEY
from tests.conftest import pid_of
from tests.waiting import until


@pytest.fixture
async def node(make_client, own_valkey):
    return await make_client(redis_url=own_valkey.url, rate_limits="on")


@pytest.fixture
def frozen(own_valkey, node):
    os.kill(pid_of(own_valkey), signal.SIGSTOP)
    return node


async def state_of(node):
    return (await (await node.get("/health/ready")).json())["data"]["checks"]["redis"]


async def test_open_classes_wait_once_and_then_go_on(make_person, own_valkey, node):
    person = await make_person(at=node)
    os.kill(pid_of(own_valkey), signal.SIGSTOP)
    started = time.monotonic()

    answers = [await person.get("/api/coins/balance") for _ in range(20)]

    assert {response.status for response in answers} == {200}
    assert time.monotonic() - started < 3  # twenty waits of a quarter second would be five


async def test_closed_classes_are_counted_in_postgres(make_person, own_valkey, node, sql):
    person = await make_person(at=node)
    os.kill(pid_of(own_valkey), signal.SIGSTOP)

    answers = [await person.post("/api/coins/spend", {}) for _ in range(MONEY.hits * 2 + 1)]

    assert answers[-1].status == 429
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    assert sql("SELECT sum(hits) FROM rate_counters WHERE subject = %s", f"money:{person.id}") == [
        (len(answers),)
    ]


async def test_nodes_without_redis_still_count_closed_classes_together(make_client, frozen, own_valkey):
    other = await make_client(redis_url=own_valkey.url, rate_limits="on")

    answers = [
        await (frozen, other)[n % 2].post("/api/auth/login", json={}) for n in range(AUTH.hits * 2 + 1)
    ]

    assert answers[-1].status == 429


async def test_readiness_is_degraded_and_recovers_without_a_restart(own_valkey, node):
    assert await state_of(node) == "ok"
    os.kill(pid_of(own_valkey), signal.SIGSTOP)

    frozen = await node.get("/health/ready")
    os.kill(pid_of(own_valkey), signal.SIGCONT)

    async def is_well():
        return await state_of(node) == "ok"

    assert (frozen.status, (await frozen.json())["data"]["status"]) == (200, "degraded")
    await until(is_well)


async def test_revoked_session_is_refused_although_no_node_could_be_told(
    make_client, make_person, own_valkey, node
):
    there = await make_client(redis_url=own_valkey.url, rate_limits="on")
    person = await make_person(at=node)
    assert (await there.get("/api/coins/balance", headers=person.auth)).status == 200
    os.kill(pid_of(own_valkey), signal.SIGSTOP)
    await person.post("/api/auth/logout")

    async def is_refused():
        return (await there.get("/api/coins/balance", headers=person.auth)).status == 401

    await until(is_refused, within=2.0)


async def test_signing_in_needs_no_redis(frozen, make_person):
    person = await make_person(at=frozen)

    assert (await person.get("/api/coins/balance")).status == 200
