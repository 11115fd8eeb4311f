"""One person on several phones at several nodes: who gives way, who is refused, and who is sent home."""

import asyncio
import os
import signal
from uuid import UUID

import pytest

from romantic.db import transaction
from romantic.realtime import BUS, HUB
from romantic.realtime.presence import PRESENCE
from romantic.redis import REDIS
from romantic.signals import announce_gone
from tests.conftest import pid_of
from tests.realtime.conftest import another_device, elsewhere, refused
from tests.waiting import until


@pytest.fixture
async def nodes(make_client):
    return await make_client(), await make_client()


async def test_a_newer_socket_of_the_device_at_another_node_takes_the_place(nodes, make_person, connect):
    a, b = nodes
    ann = await make_person(at=a)
    old = await connect(ann, path="/ws?deviceId=d1")
    other = await connect(ann, path="/ws?deviceId=d2")

    new = await connect(elsewhere(ann, b), path="/ws?deviceId=d1")

    assert await old.closed() == 4409
    assert [await phone.ask("app-state", state="background") for phone in (other, new)] == [{}] * 2


async def test_of_sockets_of_one_device_that_come_at_once_everywhere_one_stays(nodes, make_person, connect):
    ann = await make_person(at=nodes[0])
    places = [elsewhere(ann, nodes[n % 2]) for n in range(4)]

    phones = await asyncio.gather(
        *(connect(place, path="/ws?deviceId=d1") for place in places), return_exceptions=True
    )

    def left():
        return [end for node in nodes for end in node.app[HUB].sockets_of(UUID(ann.id)) if not end.closed_by]

    async def one_is_left():
        return len(left()) == 1

    await until(one_is_left)
    secret = left()[0].session_secret
    [stays] = [one for one in phones if not isinstance(one, Exception) and one.ready["sessionId"] == secret]
    assert await stays.ask("app-state", state="background") == {}


async def test_the_sixth_phone_is_refused_wherever_the_five_are(nodes, make_person, connect, dial, outside):
    a, b = nodes
    ann = await make_person(at=a)
    devices = [ann, *[await another_device(a, outside, ann) for _ in range(5)]]
    phones = [await connect(elsewhere(one, (a, b)[n % 2])) for n, one in enumerate(devices[:5])]
    await heard_of(b, ann, 5)

    sixth = await dial(at=b, headers=devices[5].auth)

    assert await refused(sixth) == (None, 4429)
    assert [await phone.ask("app-state", state="background") for phone in phones] == [{}] * 5


async def test_five_phones_move_to_another_node_while_their_old_places_are_still_held(
    nodes, make_person, connect, outside
):
    a, b = nodes
    ann = await make_person(at=a)
    devices = [ann, *[await another_device(a, outside, ann) for _ in range(4)]]
    for one in devices:
        await connect(one)
    await heard_of(b, ann, 5)

    moved = [await connect(elsewhere(one, b)) for one in devices]

    assert [await phone.ask("app-state", state="background") for phone in moved] == [{}] * 5


async def heard_of(node, person, count):
    async def all_are_known():
        return len(await node.app[PRESENCE].states_of(UUID(person.id))) == count

    await until(all_are_known)


@pytest.mark.parametrize("how", ["logout", "ban"])
async def test_the_end_of_a_session_closes_its_sockets_at_every_node(nodes, make_person, connect, how):
    a, b = nodes
    ann, bob = await make_person("Ann", at=a), await make_person("Bob", at=a)
    phones = [await connect(ann), await connect(elsewhere(ann, b))]
    other = await connect(elsewhere(bob, b))

    if how == "logout":
        assert (await ann.post("/api/auth/logout")).status == 200
    else:
        async with transaction(a.app) as conn:
            await announce_gone(conn, UUID(ann.id), "banned")

    assert [await phone.closed() for phone in phones] == [{"logout": 4410, "ban": 4403}[how]] * 2
    assert await other.ask("app-state", state="background") == {}


async def test_a_session_that_ended_while_redis_was_away_has_no_socket_left_anywhere(
    make_client, make_person, connect, own_valkey
):
    a, b = [await make_client(redis_url=own_valkey.url) for _ in range(2)]
    ann, bob = await make_person("Ann", at=a), await make_person("Bob", at=a)
    phones = [await connect(ann), await connect(elsewhere(ann, b))]
    other = await connect(elsewhere(bob, b))
    os.kill(pid_of(own_valkey), signal.SIGSTOP)

    async def is_noticed():
        b.app[BUS].run(("PING",))
        return b.app[REDIS].is_away

    await until(is_noticed)
    assert (await ann.post("/api/auth/logout")).status == 200

    assert [await phone.closed(within=10) for phone in phones] == [4410] * 2
    assert await other.ask("app-state", state="background") == {}
