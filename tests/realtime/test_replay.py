"""What a phone missed is told in order and once, and only what may still be told."""

import asyncio
from uuid import UUID

import pytest

from romantic.realtime import HUB, Event, Kind
from tests.calls.stage import Call, initiate
from tests.phone import Phone
from tests.realtime.comeback import back, cut, gone, kept, numbered, send, seqs, values
from tests.realtime.conftest import DeafPhone, another_device, elsewhere
from tests.waiting import until


@pytest.fixture
async def ann(client, make_person):
    return await make_person("Ann")


async def test_the_other_node_knows_what_was_missed_when_one_has_died(make_client, make_person, connect):
    a, b = await make_client(), await make_client()
    ann = await make_person(at=a)
    phone = await connect(ann)
    cut(phone)
    await a.close()
    for n in range(30):
        send(b, ann, n)
    await kept(b, ann, 30)

    again, answer = await back(phone, seq=phone.ready["seq"], person=elsewhere(ann, b))

    assert (answer["recovered"], answer["replayed"]) == (True, 30)
    assert values(await numbered(again, 30)) == list(range(30))


async def test_what_happens_during_the_replay_comes_after_it(make_client, make_person, connect):
    a, b = await make_client(), await make_client()
    ann = await make_person(at=a)
    phone = await connect(ann)
    await gone(phone, a)
    for n in range(200):
        send(a, ann, n)
    await kept(a, ann, 200)
    stop = asyncio.Event()

    async def flood():
        n = 0
        while not stop.is_set():
            send((a, b)[n % 2], ann, 1000 + n)
            n += 1
            await asyncio.sleep(0.002)
        return n

    flooding = asyncio.create_task(flood())
    again, answer = await back(phone, seq=phone.ready["seq"], person=elsewhere(ann, b))
    frames = await numbered(again, 240)
    stop.set()
    frames += await numbered(again, 200 + await flooding - len(frames))

    assert answer["recovered"] is True
    assert values(frames[:200]) == list(range(200))
    assert seqs(frames) == list(range(phone.ready["seq"] + 1, phone.ready["seq"] + 1 + len(frames)))


async def test_an_event_between_ready_and_resume_waits_for_its_turn(client, ann, connect):
    phone = await connect(ann)
    await gone(phone, client)
    send(client, ann, 1)
    await kept(client, ann, 1)
    again = Phone(ann, await client.ws_connect("/ws", headers=ann.auth))
    again.ready = await again.expect("ready")
    send(client, ann, 2)
    await kept(client, ann, 2)

    place = {"sessionId": phone.ready["sessionId"], "epoch": phone.ready["epoch"], "seq": phone.ready["seq"]}
    await again.emit("resume", **place)

    answer = await again.expect("resumed")
    assert answer["recovered"] is True
    assert values(await numbered(again, 2)) == [1, 2]
    await again.hears_nothing_of("balance")


@pytest.mark.parametrize("says", ["nothing", "something else"])
async def test_who_comes_back_without_resuming_hears_what_is_new(client, ann, connect, says):
    phone = await connect(ann)
    await gone(phone, client)
    send(client, ann, 1)
    await kept(client, ann, 1)
    again = await connect(ann)
    send(client, ann, 2)
    if says != "nothing":
        await again.ask("app-state", state="foreground")

    assert values(await numbered(again, 1)) == [2]


async def test_volatile_events_and_those_of_other_sessions_are_not_replayed(client, ann, connect, outside):
    phone, tablet = await connect(ann), await connect(await another_device(client, outside, ann))
    own = next(
        end.session_id
        for end in client.app[HUB].sockets_of(UUID(ann.id))
        if end.session_secret == phone.ready["sessionId"]
    )
    cut(phone)
    send(client, ann, 1, but_session=own)
    send(client, ann, 2, Kind.VOLATILE)
    client.app[HUB].send_to_session(UUID(ann.id), own, Event("balance", {"balance": 3}))
    send(client, ann, 4)
    await kept(client, ann, 3)

    again, answer = await back(phone, seq=phone.ready["seq"])

    assert (answer["recovered"], answer["replayed"]) == (True, 2)
    assert values(await numbered(again, 2)) == [3, 4]
    assert sorted(values(await numbered(tablet, 2))) == [1, 4]


async def test_what_comes_from_somebody_blocked_meanwhile_is_left_out(make_client, make_person, connect):
    client = await make_client(messaging_policy="open")
    ann, bob, cat = [await make_person(name, at=client) for name in ("Ann", "Bob", "Cat")]
    phone = await connect(ann)
    await gone(phone, client)
    for writer in (bob, cat, bob):
        body = {"receiverId": str(ann.id), "messageText": "Hi", "messageType": "text"}
        assert (await writer.post("/api/messages/send", body)).status == 200
    await kept(client, ann, 3)
    assert (await ann.post("/api/users/block", {"targetUserId": str(bob.id)})).status == 200

    again, answer = await back(phone, seq=phone.ready["seq"])

    assert (answer["recovered"], answer["replayed"]) == (True, 1)
    [frame] = await numbered(again, 1)
    assert frame["data"]["senderId"] == str(cat.id)
    await again.hears_nothing_of("message")


async def test_the_words_of_a_call_that_is_over_are_left_out_and_its_end_is_not(
    client, make_person, connect, sql
):
    ann, bob = await make_person("Ann"), await make_person("Bob", coins=500)
    phone = await connect(ann)
    await gone(phone, client)
    calls = []
    for is_over in (True, False):
        call = Call(bob, ann, (await initiate(bob, ann)).data["callId"], sql)
        client.app[HUB].send(
            UUID(str(ann.id)), Event("call-meter", {"callId": call.id, "state": "billing"}, Kind.WITH_CALL)
        )
        if is_over:
            await call.end()
        calls.append(call.id)
    await kept(client, ann, 6)

    again, answer = await back(phone, seq=phone.ready["seq"])
    frames = await numbered(again, answer["replayed"])

    told = [(frame["event"], frame["data"]["callId"]) for frame in frames if "callId" in frame["data"]]
    assert ("incoming-call", calls[0]) in told
    assert ("call-missed", calls[0]) in told
    assert [call for name, call in told if name == "call-meter"] == [calls[1]]


async def test_old_words_of_a_call_are_left_out(client, make_person, connect, monkeypatch):
    monkeypatch.setattr("romantic.calls.wiring.CALL_EVENT_SECONDS", -1.0)
    ann, bob = await make_person("Ann"), await make_person("Bob", coins=500)
    call_id = (await initiate(bob, ann)).data["callId"]
    phone = await connect(ann)
    await gone(phone, client)
    client.app[HUB].send(UUID(str(ann.id)), Event("call-meter", {"callId": call_id}, Kind.WITH_CALL))
    send(client, ann, 1)
    await kept(client, ann, 3)

    again, answer = await back(phone, seq=phone.ready["seq"])

    assert (answer["recovered"], answer["replayed"]) == (True, 1)
    assert values(await numbered(again, 1)) == [1]


async def test_two_sockets_that_resume_at_once_both_get_everything(client, ann, connect):
    phone = await connect(ann)
    await gone(phone, client)
    for n in range(50):
        send(client, ann, n)
    await kept(client, ann, 50)

    both = await asyncio.gather(*(back(phone, seq=phone.ready["seq"]) for _ in range(2)))
    send(client, ann, 50)

    for again, answer in both:
        assert (answer["recovered"], answer["replayed"]) == (True, 50)
        assert values(await numbered(again, 51)) == list(range(51))


async def test_a_replay_waits_for_its_reader(client, ann, connect):
    phone = await connect(ann)
    await gone(phone, client)
    for n in range(500):
        send(client, ann, n)
    await kept(client, ann, 500)

    again, answer = await back(phone, seq=phone.ready["seq"])
    [end] = client.app[HUB].sockets_of(UUID(str(ann.id)))

    assert (answer["recovered"], answer["replayed"]) == (True, 500)
    assert values(await numbered(again, 500)) == list(range(500))
    assert end.counts["max_queue"] <= 128


async def test_a_reader_that_stops_during_its_replay_is_closed_within_its_limits(
    client, ann, connect, monkeypatch
):
    monkeypatch.setattr("romantic.realtime.socket.STUCK_SECONDS", 0.3)
    phone = await connect(ann)
    await gone(phone, client)
    for n in range(400):
        client.app[HUB].send(UUID(str(ann.id)), Event("balance", {"balance": n, "pad": "x" * 8000}))
        if n % 40 == 39:
            await kept(client, ann, n + 1)
    deaf = DeafPhone(client, ann)
    await deaf.open()
    [end] = client.app[HUB].sockets_of(UUID(str(ann.id)))
    place = {"sessionId": phone.ready["sessionId"], "epoch": phone.ready["epoch"], "seq": phone.ready["seq"]}
    await deaf.say({"event": "resume", "data": place})

    async def is_closed():
        return end.closed_by is not None

    await until(is_closed)
    deaf.socket.close()

    assert end.closed_by == 4008
    assert end.counts["max_queue"] <= 128
