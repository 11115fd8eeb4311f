"""Bad weather: noise on some sockets beside healthy ones, and phones that come and go without a word."""

import asyncio
import random
import time
from collections import Counter
from contextlib import suppress
from uuid import UUID, uuid4

import orjson
import psutil
import pytest
from aiohttp import ClientConnectionError, ClientSession, TCPConnector

from romantic.app import EVENTS
from romantic.auth.sessions import TOKENS
from romantic.db import Connection
from romantic.realtime import HUB, Event
from romantic.users.presence import PRESENCE
from tests.calls.stage import until

NAMES = [event.name for event in EVENTS] + ["nonsense", "", "ready", "__class__"]
KEYS = (
    "roomId",
    "callId",
    "userId",
    "targetUserId",
    "offer",
    "answer",
    "candidate",
    "sdp",
    "n",
    "sample",
    "token",
)


def noise(rng):
    """Some value of any type."""
    leaf = (
        None,
        True,
        -1,
        2**63,
        1.5,
        "",
        "x" * 3000,
        "room_",
        f"room_{uuid4()}",
        str(uuid4()),
        "\u202e",
        "'; --",
    )
    value = rng.choice(leaf)
    return rng.choice((value, value, [value], {"sdp": value}, {"type": "offer", "sdp": value}))


def frame(rng):
    """Mostly well-formed nonsense; one in fifty is not even JSON."""
    if rng.random() < 0.02:
        return rng.choice(("{", "[]", "\x00", "nul", '{"event":', '{"event":"ping","id":{}}'))
    data = {key: noise(rng) for key in rng.sample(KEYS, rng.randrange(5))}
    return orjson.dumps({"event": rng.choice(NAMES), "data": data, "id": rng.choice((1, "a", None))}).decode()


async def rave(client, person, *, seed, frames):
    """Send noise, come back when hung up on; every error code that was heard."""
    rng, codes, left = random.Random(seed), set(), frames
    while left > 0:
        ws = await client.ws_connect("/ws", headers=person.auth)
        listening = asyncio.create_task(listen(ws, codes))
        with suppress(ClientConnectionError):
            while left > 0 and not ws.closed:
                left -= 1
                await ws.send_str(frame(rng))
                await asyncio.sleep(0)
        await ws.close()
        await listening
    return codes


async def listen(ws, codes):
    async for message in ws:
        codes.add(orjson.loads(message.data)["data"].get("code"))


async def test_ten_thousand_bad_frames_disturb_nobody(client, make_person, connect):
    ravers = [await make_person() for _ in range(5)]
    healthy = [await connect(await make_person()) for _ in range(5)]
    raves = [
        asyncio.create_task(rave(client, person, seed=seed, frames=2000))
        for seed, person in enumerate(ravers)
    ]

    answers = []
    while not all(each.done() for each in raves):
        answers += await asyncio.gather(*(phone.ask("app-state", state="background") for phone in healthy))
    codes = set().union(*await asyncio.gather(*raves))

    assert len(answers) > 50
    assert all(answer == {} for answer in answers)
    assert {"BAD_FRAME", "UNKNOWN_EVENT", "VALIDATION_ERROR", "NOT_IN_CALL"} <= codes
    assert "INTERNAL" not in codes


async def come_and_go(client, person, times):
    """Connect, and vanish without a close frame; every third time before signing in."""
    for n in range(times):
        ws = await client.ws_connect("/ws", headers=person.auth if n % 3 else {})
        if n % 3:
            assert (await ws.receive_json())["event"] == "ready"
        ws._response.connection.transport.abort()
        await ws.close()


PEOPLE = """
    INSERT INTO users (id, phone_number, phone_hash, full_name, age, gender)
    SELECT md5('storm' || n)::uuid, '+1777' || lpad(n::text, 7, '0'), sha256(n::text::bytea), 'P', 25, 'other'
    FROM generate_series(1, %(count)s) AS n;
    INSERT INTO user_preferences (user_id) SELECT id FROM users ON CONFLICT DO NOTHING;
    INSERT INTO user_sessions (id, user_id, phone_number, expires_at)
    SELECT md5(id::text)::uuid, id, phone_number, now() + interval '1 day' FROM users
"""


@pytest.fixture
def crowd(sql):
    """Headers of that many people, with sessions but without the front door."""

    def make(client, count):
        sql(PEOPLE.replace("%(count)s", str(count)))
        access, now = client.app[TOKENS].access, time.time()
        rows = sql("SELECT user_id::text, id::text FROM user_sessions")
        tokens = (
            access(session_id=UUID(session), counter=0, user_id=UUID(user), issued_at=now)
            for user, session in rows
        )
        return [{"Authorization": f"Bearer {token}"} for token in tokens]

    return make


@pytest.fixture
def statements(monkeypatch):
    """How often each query was sent."""
    sent = Counter()
    execute = Connection._execute

    def counted(self, query, parameters):
        sent[query.name] += 1
        return execute(self, query, parameters)

    monkeypatch.setattr(Connection, "_execute", counted)
    return sent


async def test_everybody_back_at_once_is_no_storm_on_the_database(make_client, crowd, statements):
    """After a network fault all come back together: a few reads each, and nothing is written for it."""
    client = await make_client(presence_grace_seconds=60)
    headers = crowd(client, 250)
    session = ClientSession(connector=TCPConnector(limit=0))

    async def arrive(one):
        ws = await session.ws_connect(client.make_url("/ws"), headers=one)
        assert (await ws.receive_json())["event"] == "ready"
        return ws

    sockets = await asyncio.gather(*map(arrive, headers))
    await until(lambda: not client.app[PRESENCE]._came)
    first = Counter(statements)
    statements.clear()
    for ws in sockets:
        ws._response.connection.transport.abort()
    await until(lambda: client.app[HUB].count == 0)
    back = await asyncio.gather(*map(arrive, headers))
    again = Counter(statements)
    await asyncio.gather(*(ws.close() for ws in back))
    await session.close()

    assert first["presence.arrive"] <= len(headers) // 4  # gathered, however long it takes them
    assert again["presence.arrive"] == again["presence.depart"] == 0
    assert sum(again.values()) <= 3 * len(headers) + 50, again


async def test_everybody_asking_for_what_they_missed_is_no_storm_on_the_database(
    make_client, crowd, statements
):
    """What they missed is read from Redis."""
    client = await make_client(presence_grace_seconds=60)
    headers = crowd(client, 80)
    session = ClientSession(connector=TCPConnector(limit=0))
    hub, gate = client.app[HUB], asyncio.Semaphore(30)  # a busy machine must not turn anybody away

    async def arrive(one):
        async with gate:
            ws = await session.ws_connect(client.make_url("/ws"), headers=one)
            return ws, (await ws.receive_json())["data"]

    async def come_back(one, ready):
        async with gate:
            return await ask_what_was_missed(one, ready)

    async def ask_what_was_missed(one, ready):
        ws = await session.ws_connect(client.make_url("/ws"), headers=one)
        place = {"sessionId": ready["sessionId"], "epoch": ready["epoch"], "seq": ready["seq"]}
        await ws.send_json({"event": "resume", "data": place})
        frames = [await ws.receive_json() for _ in range(22)]
        await ws.close()
        return frames

    first = await asyncio.gather(*map(arrive, headers))
    await until(lambda: not client.app[PRESENCE]._came)
    for ws, _ in first:
        ws._response.connection.transport.abort()
    await until(lambda: hub.count == 0)
    statements.clear()
    for n in range(20):
        for _, ready in first:
            hub.send(UUID(ready["userId"]), Event("balance", {"balance": n}))
        await asyncio.sleep(0)
    await until(lambda: not hub.delivery._pending)
    heard = await asyncio.gather(
        *(come_back(one, ready) for one, (_, ready) in zip(headers, first, strict=True))
    )
    await session.close()

    for _, resumed, *missed in heard:
        assert (resumed["data"]["recovered"], resumed["data"]["replayed"]) == (True, 20)
        assert [frame["data"]["balance"] for frame in missed] == list(range(20))
    assert sum(statements.values()) <= 3 * len(headers) + 50, statements


@pytest.mark.slow
async def test_reconnect_storm_leaves_nothing_behind(make_client, make_person):
    host = await make_client(ws_max_sockets=100)
    people = [await make_person(at=host) for _ in range(5)]
    await come_and_go(host, people[0], 3)
    hub, process = host.app[HUB], psutil.Process()
    await until(lambda: hub.count == 0)
    tasks, files = len(asyncio.all_tasks()), process.num_fds()

    await asyncio.gather(*(come_and_go(host, person, 10) for person in people * 20))

    await until(lambda: hub.count == 0)
    await until(lambda: len(asyncio.all_tasks()) <= tasks)
    await until(lambda: process.num_fds() <= files + 10)  # the pool of the database may have grown
    assert (hub._by_user, hub._next_ping) == ({}, {})
    assert (hub.delivery.lines, hub.delivery._pending) == ({}, {})
