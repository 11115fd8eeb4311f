"""Who is online: as long as the node they are connected to lives."""

import asyncio
import os
import subprocess
from uuid import UUID

import pytest

from romantic.db import DATABASE
from romantic.realtime import HUB
from romantic.users.presence import PRESENCE
from tests.phone import Phone
from tests.realtime.conftest import elsewhere
from tests.waiting import until


@pytest.fixture
def online(sql):
    """Wait until the database says so."""

    async def wait(person, wanted):
        async def holds():
            return sql("SELECT is_online FROM users WHERE id = %s", person.id) == [(wanted,)]

        await until(holds)

    return wait


async def test_the_first_socket_brings_somebody_online_and_the_last_takes_them_off(
    make_person, connect, sql, online
):
    ann = await make_person("Ann")
    one, other = await connect(ann), await connect(ann)
    await online(ann, True)

    await one.close()
    await other.ask("ping")
    still = sql("SELECT is_online FROM users WHERE id = %s", ann.id)
    await other.close()

    await online(ann, False)
    assert still == [(True,)]
    assert sql("SELECT count(*) FROM presences") == [(0,)]


async def test_whoever_comes_back_within_the_grace_was_never_gone(make_client, make_person, connect, sql):
    client = await make_client(presence_grace_seconds=30)
    ann, watcher = await make_person("Ann", at=client), await make_person("Watcher", at=client)
    first, eyes = await connect(ann), await connect(watcher)
    await until_online(sql, ann)
    await eyes.ask("presence-subscribe", userIds=[ann.id])

    await first.close()
    await until(lambda: _true(not client.app[HUB].is_online(UUID(ann.id))))
    await connect(ann)
    await client.app[PRESENCE]._write_departures()

    assert sql("SELECT is_online FROM users WHERE id = %s", ann.id) == [(True,)]
    await eyes.hears_nothing_of("presence")


async def _true(value):
    return value


async def until_online(sql, person):
    await until(lambda: _true(sql("SELECT is_online FROM users WHERE id = %s", person.id) == [(True,)]))


async def test_last_seen_is_when_they_left_not_when_it_was_written(make_person, connect, sql, online):
    ann = await make_person("Ann")
    phone = await connect(ann)
    await online(ann, True)

    await phone.close()
    await online(ann, False)

    [(ago,)] = sql("SELECT extract(EPOCH FROM now() - last_seen)::float FROM users WHERE id = %s", ann.id)
    assert ago >= 0.3  # the grace of the tests


async def test_people_of_a_dead_node_are_offline_and_those_of_a_living_one_are_not(
    make_client, make_person, connect, sql, online
):
    """A server that was killed cannot say that its people left: its lease runs out."""
    client = await make_client(presence_lease_seconds=1.5)
    left_behind, here = await make_person("Left behind", at=client), await make_person("Here", at=client)
    eyes = await connect(here)
    sql("INSERT INTO presence_nodes VALUES ('far:1:ffffff', now() + interval '1 second')")
    for person in (left_behind, here):
        sql("INSERT INTO presences VALUES (%s, 'far:1:ffffff')", person.id)
    sql("UPDATE users SET is_online = TRUE WHERE id = %s", left_behind.id)
    answer = await eyes.ask("presence-subscribe", userIds=[left_behind.id])

    event = await eyes.expect("presence")

    assert answer["presences"][0]["isOnline"] is True
    assert (event["userId"], event["isOnline"]) == (left_behind.id, False)
    await online(here, True)
    await until(lambda: _true(sql("SELECT 1 FROM presence_nodes WHERE node = 'far:1:ffffff'") == []))


async def test_a_node_that_was_given_up_says_again_who_is_there(
    make_client, make_person, connect, sql, online
):
    client = await make_client(presence_lease_seconds=1.5)
    ann = await make_person("Ann", at=client)
    await connect(ann)
    await online(ann, True)

    sql("DELETE FROM presences")
    sql("DELETE FROM presence_nodes")
    sql("UPDATE users SET is_online = FALSE")

    await online(ann, True)


async def test_a_restart_gives_the_people_of_the_life_before_only_the_grace(make_client, sql):
    gone = subprocess.Popen(["true"])  # noqa: ASYNC220 - its number belonged to a process that ended
    gone.wait()
    host = os.uname().nodename[:20]
    for pid in (gone.pid, os.getppid()):
        sql("INSERT INTO presence_nodes VALUES (%s, now() + interval '1 hour')", f"{host}:{pid}:aa")

    await make_client(presence_grace_seconds=5)

    async def noticed():
        rows = sql("SELECT node FROM presence_nodes WHERE dies_at < now() + interval '6 seconds'")
        return rows == [(f"{host}:{gone.pid}:aa",)]

    await until(noticed)


async def test_two_nodes_share_a_person(make_client, make_person, connect, sql, online):
    """Leaving one node is not leaving: the other's row keeps them online."""
    a, b = await make_client(), await make_client()
    ann = await make_person("Ann", at=a)
    at_a = await connect(ann)
    ws = await b.ws_connect("/ws", headers=ann.auth)
    at_b = Phone(elsewhere(ann, b), ws)
    await at_b.expect("ready")
    await until(lambda: _true(sql("SELECT count(*) FROM presences") == [(2,)]))

    await at_a.close()
    await until(lambda: _true(sql("SELECT count(*) FROM presences") == [(1,)]))
    still = sql("SELECT is_online FROM users WHERE id = %s", ann.id)
    await ws.close()

    await online(ann, False)
    assert still == [(True,)]


async def test_a_stop_leaves_the_people_their_grace_to_come_back_elsewhere(
    make_client, make_person, connect, sql
):
    a = await make_client(presence_grace_seconds=20)
    ann = await make_person("Ann", at=a)
    await connect(ann)
    await until_online(sql, ann)

    await a.close()

    assert sql("SELECT is_online FROM users WHERE id = %s", ann.id) == [(True,)]
    [(seconds,)] = sql(
        "SELECT extract(EPOCH FROM dies_at - now())::float FROM presence_nodes NATURAL JOIN presences"
    )
    assert 0 < seconds <= 20


async def test_a_row_held_by_money_neither_blocks_nor_loses_an_arrival(
    client, make_person, connect, sql, online
):
    held, free = await make_person("Held"), await make_person("Free")
    async with client.app[DATABASE].transaction() as conn:
        await conn.command(f"SELECT FROM users WHERE id = '{held.id}' FOR UPDATE")
        await asyncio.gather(connect(held), connect(free))
        await online(free, True)
        assert sql("SELECT is_online FROM users WHERE id = %s", held.id) == [(False,)]

    await online(held, True)


async def test_a_hundred_arrivals_and_departures_are_a_few_statements(client, make_person, sql, monkeypatch):
    """People by the batch: what is written does not grow with who comes."""
    people = [await make_person() for _ in range(3)]
    ids = [UUID(person.id) for person in people]
    statements = []
    own = client.app[PRESENCE]
    monkeypatch.setattr(own, "_announce", lambda rows: statements.append(len(list(rows))))

    own._came |= dict.fromkeys(ids, 0)
    await own._write_arrivals()
    await until(lambda: _true(sum(statements) == 3))

    assert statements == [3]
