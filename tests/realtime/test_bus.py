"""What one node tells the others, and how it goes on when Redis is away."""

import asyncio
import os
import signal
from contextlib import AsyncExitStack

import pytest

from romantic.background import running
from romantic.realtime.bus import Bus, new_node_name
from romantic.redis import RedisClient
from tests.conftest import pid_of
from tests.waiting import until


@pytest.fixture
async def make_bus(valkey):
    """Start buses of their own; they end with the test."""
    async with AsyncExitStack() as started:

        async def make(url=valkey):
            client = RedisClient(url)
            started.push_async_callback(client.close)
            bus = Bus(client, new_node_name())
            for job in (bus.listen, bus.write, bus.hello):
                await started.enter_async_context(running(job()))
            return bus

        yield make


@pytest.fixture
async def pair(make_bus):
    one, other = await make_bus(), await make_bus()
    await meet(one, other)
    return one, other


async def meet(one, other):
    async def have_met():
        return other.node in one.peers and one.node in other.peers

    await until(have_met)


async def heard(notes, count=1):
    async def enough():
        return len(notes) >= count

    await until(enough)
    return notes


async def test_a_topic_reaches_every_node_and_the_own_one_at_once(pair):
    one, other = pair
    here, there = [], []
    one.on("tea", here.append)
    other.on("tea", there.append)

    one.publish("tea", {"kind": "green"})

    assert here == [{"kind": "green"}]
    assert await heard(there) == [{"kind": "green"}]


async def test_a_topic_to_one_node_reaches_that_one_only(make_bus, pair):
    one, other = pair
    third = await make_bus()
    await meet(one, third)
    notes, elsewhere = [], []
    other.on("tea", notes.append)
    for bus in (one, third):
        bus.on("tea", elsewhere.append)

    one.publish("tea", {"n": 1}, to=other.node)
    one.publish("tea", {"n": 2}, to=third.node)

    assert await heard(notes) == [{"n": 1}]
    assert await heard(elsewhere) == [{"n": 2}]


async def test_what_is_published_arrives_in_its_order(pair):
    one, other = pair
    notes = []
    other.on("count", notes.append)

    for n in range(2000):
        one.publish("count", {"n": n})

    assert [note["n"] for note in await heard(notes, 2000)] == list(range(2000))


async def test_a_channel_is_heard_by_who_subscribed_until_they_do_not(pair):
    one, other = pair
    notes = []
    assert await other.subscribe("{u:1}", notes.append)
    one.run(("SPUBLISH", "{u:1}", b"hello"))
    await heard(notes)
    other.unsubscribe("{u:1}")

    async def nobody_is_there():
        told = asyncio.get_running_loop().create_future()
        one.run(("SPUBLISH", "{u:1}", b"nobody"), told.set_result)
        return await told == 0

    await until(nobody_is_there)
    assert notes[0] == b"hello"


async def test_a_handler_that_fails_stops_neither_the_next_nor_the_bus(pair):
    one, other = pair
    notes = []

    def fail(_payload):
        raise ValueError

    async def fail_later(_payload):
        raise ValueError

    other.on("tea", fail)
    other.on("tea", fail_later)
    other.on("tea", notes.append)

    one.publish("tea", {"n": 1})
    one.publish("tea", {"n": 2})

    assert await heard(notes, 2) == [{"n": 1}, {"n": 2}]


async def test_a_refused_command_is_told_and_its_neighbours_run(pair):
    one, _ = pair
    loop = asyncio.get_running_loop()
    answers = [loop.create_future() for _ in range(3)]

    for command, answer in zip((("PING",), ("NO-SUCH",), ("PING",)), answers, strict=True):
        one.run(command, answer.set_result)

    assert await asyncio.gather(*answers) == [True, None, True]


async def test_a_frozen_redis_stops_nobody_and_heals_by_itself(make_bus, own_valkey):
    one, other = await make_bus(own_valkey.url), await make_bus(own_valkey.url)
    await meet(one, other)
    here, there, back = [], [], []
    one.on("tea", here.append)
    other.on("tea", there.append)
    other.on_back(lambda: back.append(True))
    os.kill(pid_of(own_valkey), signal.SIGSTOP)

    one.publish("tea", {"n": 1})
    assert here == [{"n": 1}]

    async def is_lost():
        return not other.is_connected

    await until(is_lost)
    os.kill(pid_of(own_valkey), signal.SIGCONT)

    async def is_heard_again():
        one.publish("tea", {"n": 2})
        return {"n": 2} in there

    await until(is_heard_again)
    assert back
