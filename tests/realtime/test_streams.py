"""Events reach every socket of a person on every node, in one order, whatever Redis does meanwhile."""

import asyncio
import os
import signal
from uuid import UUID

import pytest

from romantic.realtime import BUS, HUB, Event, Kind
from romantic.redis import REDIS
from tests.conftest import pid_of
from tests.realtime.conftest import another_device, elsewhere
from tests.waiting import until


@pytest.fixture
async def nodes(make_client):
    """Two nodes that know of each other."""
    a, b = await make_client(), await make_client()
    await have_met(a, b)
    return a, b


async def have_met(*nodes):
    async def all_know_all():
        return all(len(node.app[BUS].peers) == len(nodes) - 1 for node in nodes)

    await until(all_know_all)


def send(node, person, n, kind=Kind.RECOVERABLE, **kwargs):
    node.app[HUB].send(UUID(str(person.id)), Event("balance", {"balance": n}, kind), **kwargs)


async def hear(phone, count):
    """The numbers and the data of the next events."""
    frames = [await phone.expect_frame("balance", within=10) for _ in range(count)]
    return [frame.get("seq") for frame in frames], [frame["data"]["balance"] for frame in frames]


async def test_an_event_sent_at_one_node_reaches_the_sockets_at_all(nodes, make_person, connect):
    a, b = nodes
    ann = await make_person(at=a)
    here, there = await connect(ann), await connect(elsewhere(ann, b))

    for n in range(20):
        send((a, b)[n % 2], ann, n)

    seqs, data = await hear(here, 20)
    assert (seqs, data) == await hear(there, 20)
    assert sorted(data) == list(range(20))
    assert seqs == list(range(seqs[0], seqs[0] + 20))


async def test_ready_names_the_place_from_which_everything_comes(nodes, make_person, connect):
    a, b = nodes
    ann = await make_person(at=a)
    first = await connect(ann)
    for n in range(3):
        send(b, ann, n)
    seqs, _ = await hear(first, 3)
    later = await connect(elsewhere(ann, b))

    send(a, ann, 3)

    assert later.ready["seq"] == seqs[-1] == first.ready["seq"] + 3
    assert later.ready["epoch"] == first.ready["epoch"]
    assert await hear(later, 1) == ([seqs[-1] + 1], [3])


async def test_volatile_events_cross_nodes_without_a_number(nodes, make_person, connect):
    a, b = nodes
    ann = await make_person(at=a)
    here, there = await connect(ann), await connect(elsewhere(ann, b))

    send(a, ann, 1, Kind.VOLATILE)

    assert await hear(here, 1) == await hear(there, 1) == ([None], [1])
    await here.hears_nothing_of("balance")


async def test_what_is_not_for_a_session_is_not_for_it_at_any_node(nodes, make_person, connect, outside):
    a, b = nodes
    ann = await make_person(at=a)
    tablet = await another_device(a, outside, ann)
    phone, other = await connect(ann), await connect(elsewhere(tablet, b))
    [end] = a.app[HUB].sockets_of(UUID(ann.id))

    for kind in (Kind.RECOVERABLE, Kind.VOLATILE):
        send(a, ann, 1, kind, but_session=end.session_id)
        send(b, ann, 2, kind, but_session=end.session_id)
    b.app[HUB].send_to_session(UUID(ann.id), end.session_id, Event("balance", {"balance": 3}))

    assert sorted((await hear(other, 4))[1]) == [1, 1, 2, 2]
    assert (await hear(phone, 1))[1] == [3]
    await other.hears_nothing_of("balance")


async def test_an_event_for_one_socket_skips_the_others_of_its_session(client, make_person, connect):
    ann = await make_person()
    one, two = await connect(ann), await connect(ann)
    hub = client.app[HUB]
    own = {end.session_secret: end for end in hub.sockets_of(UUID(ann.id))}

    hub.send_to(own[one.ready["sessionId"]], Event("balance", {"balance": 1}))
    send(client, ann, 2)

    assert (await hear(one, 2))[1] == [1, 2]
    assert (await hear(two, 1))[1] == [2]


async def test_events_from_several_nodes_come_in_one_order_to_all(make_client, make_person, connect):
    nodes = [await make_client() for _ in range(3)]
    ann = await make_person(at=nodes[0])
    phones = [await connect(elsewhere(ann, node)) for node in nodes]

    async def burst(at):
        for n in range(100):
            send(nodes[at], ann, at * 1000 + n)
            if n % 7 == at:
                await asyncio.sleep(0)

    await asyncio.gather(*map(burst, range(3)))

    heard = [await hear(phone, 300) for phone in phones]
    seqs, data = heard[0]
    assert heard[1] == heard[2] == heard[0]
    assert seqs == list(range(seqs[0], seqs[0] + 300))
    for at in range(3):
        assert [n % 1000 for n in data if n // 1000 == at] == list(range(100))


async def come_back(redis_of, *nodes):
    async def healed():
        return not any(node.app[HUB].delivery.is_behind for node in nodes)

    os.kill(pid_of(redis_of), signal.SIGCONT)
    await until(healed, within=20)


async def test_with_redis_frozen_a_node_goes_on_with_its_own_and_comes_back(
    make_client, make_person, connect, own_valkey
):
    a, b = [await make_client(redis_url=own_valkey.url) for _ in range(2)]
    ann = await make_person(at=a)
    here, there = await connect(ann), await connect(elsewhere(ann, b))
    send(a, ann, 1)
    assert await hear(here, 1) == await hear(there, 1)
    os.kill(pid_of(own_valkey), signal.SIGSTOP)

    for n in range(2, 12):  # the first are on their way when Redis stops to answer
        send(a, ann, n)
    seqs, data = await hear(here, 10)
    late = await connect(ann)
    send(a, ann, 12)

    assert data == list(range(2, 12))
    assert seqs == sorted(set(seqs))
    assert (await hear(here, 1))[1] == (await hear(late, 1))[1] == [12]
    await come_back(own_valkey, a, b)
    send(b, ann, 13)
    # What Redis had already been given may have come to the other node as well, before this.
    last = await there.expect_frame("balance", within=10)
    while last["data"]["balance"] != 13:
        last = await there.expect_frame("balance", within=10)
    assert await hear(here, 1) == await hear(late, 1) == ([last["seq"]], [13])


async def test_an_emptied_redis_costs_an_epoch_and_no_event(make_client, make_person, connect, own_valkey):
    node = await make_client(redis_url=own_valkey.url)
    ann = await make_person(at=node)
    phone = await connect(ann)
    send(node, ann, 1)
    before, _ = await hear(phone, 1)
    await node.app[REDIS].run([("FLUSHALL",), ("SCRIPT", "FLUSH")])

    for n in range(2, 6):
        send(node, ann, n)

    seqs, data = await hear(phone, 4)
    assert data == [2, 3, 4, 5]
    assert before + seqs == sorted(set(before + seqs))


async def test_a_lost_subscription_delays_nothing_of_the_own_node_and_loses_nothing_of_others(
    make_client, make_person, connect, own_valkey
):
    a, b = [await make_client(redis_url=own_valkey.url) for _ in range(2)]
    ann = await make_person(at=a)
    phone = await connect(ann)
    for n in range(40):
        if n % 10 == 5:
            await b.app[REDIS].run([("CLIENT", "KILL", "TYPE", "pubsub")])
        send((a, b)[n % 2], ann, n)

    seqs, data = await hear(phone, 40)
    assert sorted(data) == list(range(40))
    assert seqs == list(range(seqs[0], seqs[0] + 40))
