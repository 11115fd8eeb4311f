"""What one client may ask of the server, and what one that does not read costs the others."""

import asyncio
from uuid import UUID

import psutil
import pytest

from romantic.realtime import HUB, Event, Kind
from tests.calls.stage import until
from tests.realtime.conftest import DeafPhone, elsewhere, from_a_fresh_address, refused, socket_of


@pytest.fixture
async def strict(make_client):
    return await make_client(rate_limits="on", trusted_proxies="127.0.0.0/8")


@pytest.fixture
async def limited(strict, make_person, connect):
    """A phone on a server that counts."""
    person = elsewhere(await make_person(), strict)
    return await connect(person, headers=person.auth | from_a_fresh_address())


async def test_sixty_first_frame_of_a_burst_is_told_when_to_come_back(limited):
    for n in range(80):
        await limited.ws.send_json({"event": "app-state", "data": {"state": "background"}, "id": n})

    frames = [await limited.ws.receive_json() for _ in range(80)]
    refusals = [frame["data"] for frame in frames if frame["event"] == "error"]
    assert frames[59]["event"] == "ack"
    assert {refusal["code"] for refusal in refusals} == {"RATE_LIMITED"}
    assert all(0 < refusal["retryAfterMs"] <= 1000 and refusal["retryable"] for refusal in refusals)


async def test_frame_refused_for_its_rate_is_served_when_it_is_sent_again(limited):
    for n in range(80):
        await limited.ws.send_json({"event": "app-state", "data": {"state": "background"}, "id": n})
    frames = [await limited.ws.receive_json() for _ in range(80)]
    late = next(frame["id"] for frame in frames if frame["event"] == "error")

    async def served():
        await limited.ws.send_json({"event": "app-state", "data": {"state": "background"}, "id": late})
        return (await limited.ws.receive_json())["event"] == "ack"

    async with asyncio.timeout(5):
        while not await served():
            await asyncio.sleep(0.05)


async def test_candidates_have_a_rate_of_their_own(limited):
    room = f"room_{UUID(int=1)}"
    for _ in range(150):
        await limited.emit("ice-candidate", roomId=room, candidate="x")

    codes = {(await limited.ws.receive_json())["data"]["code"] for _ in range(150)}

    assert codes == {"NOT_IN_CALL"}
    assert await limited.ask("app-state", state="background") == {}


async def test_burst_does_not_drown_in_its_own_answers(make_person, connect):
    """All of it is in the server's buffer before the first is served."""
    phone = await connect(await make_person())

    for n in range(600):
        await phone.ws._writer.send_frame(b'{"event":"ping","id":%d}' % n, 1)

    answers = [await phone.ws.receive_json() for _ in range(1200)]
    assert [answer["id"] for answer in answers if answer["event"] == "ack"] == list(range(600))


async def test_flood_ends_the_socket(limited):
    for _ in range(500):
        await limited.ws.send_str('{"event":"app-state","data":{"state":"background"}}')

    assert await limited.closed() == 4029


async def test_the_same_id_over_and_over_is_a_flood_too(limited):
    for _ in range(500):
        await limited.ws.send_str('{"event":"app-state","data":{"state":"background"},"id":1}')

    assert await limited.closed() == 4029


async def test_control_frames_are_counted_too(limited):
    for _ in range(100):
        await limited.ws.ping()

    assert await limited.closed() == 4029


async def test_sixth_socket_of_a_person_is_refused_and_the_five_stay(make_person, connect, dial):
    person = await make_person()
    phones = [await connect(person) for _ in range(5)]

    sixth = await dial(headers=person.auth)

    assert await refused(sixth) == (None, 4429)
    assert [await phone.ask("app-state", state="background") for phone in phones] == [{}] * 5


async def test_place_of_a_socket_that_left_is_free(make_person, connect):
    person = await make_person()
    phones = [await connect(person) for _ in range(5)]
    await phones[0].close()

    assert (await connect(person)).ready["userId"] == person.id


async def test_same_device_takes_the_place_of_its_older_socket(client, make_person, connect):
    person = await make_person()
    old = await connect(person, path="/ws?deviceId=d1")
    other = await connect(person, path="/ws?deviceId=d2")

    new = await connect(person, path="/ws?deviceId=d1")

    assert await old.closed() == 4409
    assert [await phone.ask("app-state", state="background") for phone in (other, new)] == [{}] * 2
    assert len(client.app[HUB].sockets_of(UUID(person.id))) == 2


async def test_same_device_of_somebody_else_is_left_alone(make_person, connect):
    ann = await connect(await make_person(), path="/ws?deviceId=d1")

    await connect(await make_person(), path="/ws?deviceId=d1")

    assert await ann.ask("app-state", state="background") == {}


@pytest.fixture
async def deaf(client, make_person):
    phone = DeafPhone(client, await make_person())
    await phone.open()
    yield phone
    phone.socket.close()


async def test_slow_reader_is_closed_and_nobody_else_notices(client, deaf, make_person, connect, monkeypatch):
    monkeypatch.setattr("romantic.realtime.socket.CLOSE_SECONDS", 0.5)
    healthy = [await connect(await make_person()) for _ in range(5)]
    hub, slow = client.app[HUB], UUID(deaf._person.id)
    end = hub.sockets_of(slow)[0]
    before = psutil.Process().memory_info().rss

    for n in range(3000):
        hub.send(slow, Event("balance", {"balance": n, "pad": "x" * 8000}))
        for phone in healthy if n % 100 == 0 else ():
            assert await phone.ask("app-state", state="background") == {}
        await asyncio.sleep(0)
    await until(lambda: not hub.is_online(slow), 8)

    assert (end.closed_by, end.counts["max_queue"] <= 256) == (4008, True)
    assert psutil.Process().memory_info().rss - before < 20 * 2**20
    assert [await phone.ask("app-state", state="background") for phone in healthy] == [{}] * 5


async def test_slow_reader_that_wakes_up_in_time_reads_why(client, deaf):
    hub, slow = client.app[HUB], UUID(deaf._person.id)
    end = hub.sockets_of(slow)[0]
    while end.closed_by is None:
        hub.send(slow, Event("balance", {"pad": "x" * 8000}))
        await asyncio.sleep(0)

    farewell = b"\x88\x0f" + (4008).to_bytes(2, "big") + b"slow consumer"

    seen = await asyncio.wait_for(deaf.read_until(farewell), 5)

    assert seen.endswith(farewell)


async def test_volatile_frames_are_the_first_to_go(client, deaf):
    hub, slow = client.app[HUB], UUID(deaf._person.id)
    end = hub.sockets_of(slow)[0]

    while not end.counts["dropped"]:
        hub.send(slow, Event("typing", {"pad": "x" * 8000}, Kind.VOLATILE))
        await asyncio.sleep(0)
    hub.send(slow, Event("balance", {"balance": 1}))

    await until(lambda: end._queue[-1].startswith(b'{"event":"balance"'))
    assert end.closed_by is None


async def test_write_that_hangs_ends_the_socket_without_an_overflow(client, deaf, monkeypatch):
    monkeypatch.setattr("romantic.realtime.socket.STUCK_SECONDS", 0.2)
    hub, slow = client.app[HUB], UUID(deaf._person.id)
    end = hub.sockets_of(slow)[0]

    while end.writing_since is None:
        hub.send(slow, Event("typing", {"pad": "x" * 8000}, Kind.VOLATILE))
        await asyncio.sleep(0)
    await until(lambda: end.closed_by is not None)

    assert end.closed_by == 4008


async def test_frames_of_a_socket_that_is_being_closed_are_not_served(client, make_person, connect):
    phone = await connect(await make_person())
    end = socket_of(phone, client)

    for text in (b"{", b"{", b"{", b'{"event":"app-state","data":{"state":"background"}}'):
        await phone.ws._writer.send_frame(text, 1)

    assert await phone.closed() == 4400
    assert end.in_foreground is True
