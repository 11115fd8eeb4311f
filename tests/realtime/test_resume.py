"""A phone comes back: all it missed, in order and once, or none of it and the state as it is now."""

import asyncio
import os
import signal
from uuid import UUID

import pytest

from romantic.realtime import BUS, HUB, Event, Kind
from romantic.redis import REDIS
from tests.calls.stage import Call, initiate
from tests.conftest import pid_of
from tests.phone import Phone
from tests.realtime.conftest import another_device, elsewhere
from tests.waiting import until

PATIENCE = 15.0


def send(node, person, n, kind=Kind.RECOVERABLE, **kwargs):
    node.app[HUB].send(UUID(str(person.id)), Event("balance", {"balance": n}, kind), **kwargs)


async def kept(node, person, count):
    """Until the stream holds so many events."""

    async def enough():
        key = f"romantic:{{u:{person.id}}}:events"
        return (await node.app[REDIS].run([("XLEN", key)]))[0] >= count

    await until(enough)


def cut(phone):
    """The connection is gone without a word."""
    phone.ws._response.connection.transport.abort()


async def gone(phone, node):
    person = UUID(str(phone.person.id))
    cut(phone)

    async def has_left():
        return not node.app[HUB].is_online(person)

    await until(has_left)


async def back(phone, *, seq, person=None, **changes):
    """A new socket that says first where the old one was; the answer as well."""
    person = person or phone.person
    ws = await person.client.ws_connect("/ws", headers=person.auth)
    again = Phone(person, ws)
    asked = {"sessionId": phone.ready["sessionId"], "epoch": phone.ready["epoch"], "seq": seq} | changes
    await again.emit("resume", **asked)
    again.ready = await again.expect("ready", within=PATIENCE)
    return again, await again.expect("resumed", within=PATIENCE)


async def numbered(phone, count, *names):
    """The next numbered frames, as they come."""
    frames = []
    async with asyncio.timeout(PATIENCE):
        while len(frames) < count:
            frame = phone.heard.pop(0) if phone.heard else await phone.ws.receive_json()
            if "seq" in frame and (not names or frame["event"] in names):
                frames.append(frame)
    return frames


def seqs(frames):
    return [frame["seq"] for frame in frames]


def values(frames):
    return [frame["data"]["balance"] for frame in frames]


@pytest.fixture
async def ann(client, make_person):
    return await make_person("Ann")


async def test_a_hundred_events_while_away_come_all_in_order_and_once(client, ann, connect):
    phone = await connect(ann)
    send(client, ann, 0)
    [last] = await numbered(phone, 1)
    await gone(phone, client)

    for n in range(1, 100):
        send(client, ann, n)
    again, answer = await back(phone, seq=last["seq"])
    send(client, ann, 100)

    assert answer["recovered"] is True
    assert answer["replayed"] == 99
    assert answer["seq"] == last["seq"] + 99
    assert answer["epoch"] == phone.ready["epoch"] == again.ready["epoch"]
    frames = await numbered(again, 100)
    assert values(frames) == list(range(1, 101))
    assert seqs(frames) == list(range(last["seq"] + 1, last["seq"] + 101))
    await again.hears_nothing_of("balance", "sync")


async def test_what_was_written_over_rest_is_replayed_as_well(make_client, make_person, connect):
    client = await make_client(messaging_policy="open")
    ann, bob = await make_person("Ann", at=client), await make_person("Bob", at=client)
    phone = await connect(ann)
    await gone(phone, client)
    body = {"receiverId": str(ann.id), "messageText": "Hi", "messageType": "text"}
    assert (await bob.post("/api/messages/send", body)).status == 200
    await kept(client, ann, 1)

    again, answer = await back(phone, seq=phone.ready["seq"])

    assert (answer["recovered"], answer["replayed"]) == (True, 1)
    [frame] = await numbered(again, 1)
    assert (frame["event"], frame["data"]["messageText"]) == ("message", "Hi")


async def test_nothing_missed_is_recovered(client, ann, connect):
    phone = await connect(ann)
    await gone(phone, client)

    again, answer = await back(phone, seq=phone.ready["seq"])

    assert answer == {
        "recovered": True,
        "replayed": 0,
        "epoch": phone.ready["epoch"],
        "seq": phone.ready["seq"],
    }
    await again.hears_nothing_of("sync")


async def test_away_for_longer_than_the_window_is_told_and_gets_the_state(make_client, make_person, connect):
    client = await make_client(stream_seconds=0.5, messaging_policy="open")
    ann, bob = await make_person("Ann", at=client), await make_person("Bob", at=client)
    phone = await connect(ann)
    await gone(phone, client)
    body = {"receiverId": str(ann.id), "messageText": "Hi", "messageType": "text"}
    assert (await bob.post("/api/messages/send", body)).status == 200
    await asyncio.sleep(0.6)

    again, answer = await back(phone, seq=phone.ready["seq"])
    state = await again.expect("sync")

    assert (answer["recovered"], answer["reason"]) == (False, "window_exceeded")
    assert answer["seq"] == phone.ready["seq"] + 1 == again.ready["seq"]
    assert set(state) == {"activeCall", "balance", "unreadCounts", "serverTime"}
    assert (state["activeCall"], state["balance"]) == (None, 50)
    assert state["unreadCounts"] == {str(bob.id): 1}
    await again.hears_nothing_of("message")


async def test_more_events_than_are_kept_are_told_and_not_half_replayed(make_client, make_person, connect):
    client = await make_client(stream_events=20)
    ann = await make_person(at=client)
    phone = await connect(ann)
    await gone(phone, client)
    for n in range(21):
        send(client, ann, n)

    async def all_came():
        state = f"romantic:{{u:{ann.id}}}:at"
        return int((await client.app[REDIS].run([("HGET", state, "seq")]))[0]) == phone.ready["seq"] + 21

    await until(all_came)
    again, answer = await back(phone, seq=phone.ready["seq"])
    later, exact = await back(phone, seq=phone.ready["seq"] + 1)

    assert (answer["recovered"], answer["reason"]) == (False, "window_exceeded")
    await again.expect("sync")
    await again.hears_nothing_of("balance")
    assert (exact["recovered"], exact["replayed"]) == (True, 20)
    assert values(await numbered(later, 20)) == list(range(1, 21))


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


async def test_a_socket_the_server_still_believes_in_gives_way(make_client, make_person, connect):
    a, b = await make_client(), await make_client()

    async def know_each_other():
        return all(node.app[BUS].has_peers for node in (a, b))

    await until(know_each_other)
    ann = await make_person(at=a)
    here, there = await connect(ann), await connect(ann)

    _, one = await back(here, seq=here.ready["seq"])
    _, other = await back(there, seq=there.ready["seq"], person=elsewhere(ann, b))

    assert one["recovered"] is other["recovered"] is True
    assert await here.closed() == await there.closed() == 4409


async def test_a_secret_of_somebody_else_opens_nothing(client, ann, make_person, connect, outside):
    bob, tablet = await make_person("Bob"), await another_device(client, outside, ann)
    phone = await connect(ann)
    send(client, ann, 1)
    await numbered(phone, 1)

    answers = []
    for person, changes in (
        (bob, {}),
        (tablet, {}),  # the same person in another session
        (ann, {"sessionId": "s_guess"}),
    ):
        again, answer = await back(phone, seq=phone.ready["seq"], person=person, **changes)
        await again.expect("sync")
        answers.append((answer["recovered"], answer["reason"], answer["seq"] == again.ready["seq"]))
        await again.hears_nothing_of("balance")

    assert answers == [(False, "unknown_session", True)] * 3


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"epoch": "another"}, "epoch_changed"),
        ({"seq": 2**53}, "epoch_changed"),
        ({"seq": 0}, "window_exceeded"),
    ],
)
async def test_a_place_that_never_was_is_told(client, ann, connect, changes, reason):
    phone = await connect(ann)
    await gone(phone, client)
    send(client, ann, 1)
    await kept(client, ann, 1)

    again, answer = await back(phone, **({"seq": phone.ready["seq"]} | changes))

    assert (answer["recovered"], answer["reason"]) == (False, reason)
    await again.expect("sync")


@pytest.mark.parametrize(
    "changes",
    [{"seq": -1}, {"seq": "1041"}, {"seq": 1.5}, {"seq": 2**70}, {"seq": None}, {"sessionId": "s" * 65},
     {"epoch": ["a"]}, {"sessionId": None}],
)  # fmt: skip
async def test_nonsense_is_refused_and_the_socket_goes_on(client, ann, connect, changes):
    phone = await connect(ann)
    place = {"sessionId": phone.ready["sessionId"], "epoch": phone.ready["epoch"], "seq": 1}
    other = await connect(ann)

    refused = await other.ask("resume", **(place | changes))
    send(client, ann, 7)

    assert refused["error"]["code"] == "VALIDATION_ERROR"
    assert values(await numbered(other, 1)) == [7]


async def test_resume_comes_before_everything_else(ann, connect):
    phone = await connect(ann)
    place = {"sessionId": phone.ready["sessionId"], "epoch": phone.ready["epoch"], "seq": phone.ready["seq"]}
    other = await connect(ann)
    await other.ask("ping")

    assert (await other.ask("resume", **place))["error"]["code"] == "VALIDATION_ERROR"


async def test_an_emptied_redis_is_another_epoch_for_who_was_away_and_for_who_was_not(
    make_client, make_person, connect, own_valkey
):
    node = await make_client(redis_url=own_valkey.url)
    ann = await make_person(at=node)
    away, here = await connect(ann), await connect(ann)
    await gone_one(away, node)
    await node.app[REDIS].run([("FLUSHALL",), ("SCRIPT", "FLUSH")])
    send(node, ann, 1)

    lapsed = await here.expect("resumed", within=PATIENCE)
    await here.expect("sync")
    assert (lapsed["recovered"], lapsed["reason"]) == (False, "epoch_changed")
    [frame] = await numbered(here, 1, "balance")
    assert frame["seq"] > lapsed["seq"] - 1
    again, answer = await back(away, seq=away.ready["seq"])
    assert (answer["recovered"], answer["reason"]) == (False, "epoch_changed")
    await again.expect("sync")


async def gone_one(phone, node):
    """One of several sockets is cut."""
    cut(phone)

    async def has_left():
        ends = node.app[HUB].sockets_of(UUID(str(phone.person.id)))
        return phone.ready["sessionId"] not in {end.session_secret for end in ends}

    await until(has_left)


async def test_without_redis_a_node_replays_from_memory_and_afterwards_says_what_it_cannot_know(
    make_client, make_person, connect, own_valkey
):
    node = await make_client(redis_url=own_valkey.url)
    ann = await make_person(at=node)
    before = await connect(ann)
    os.kill(pid_of(own_valkey), signal.SIGSTOP)
    send(node, ann, 0)
    assert values(await numbered(before, 1)) == [0]
    phone = await connect(ann)
    await gone_one(phone, node)
    await gone_one(before, node)
    for n in range(1, 40):
        send(node, ann, n)

    again, answer = await back(phone, seq=phone.ready["seq"])
    _, older = await back(before, seq=before.ready["seq"])

    assert (answer["recovered"], answer["replayed"]) == (True, 39)
    assert values(await numbered(again, 39)) == list(range(1, 40))
    assert (older["recovered"], older["reason"]) == (False, "epoch_changed")
    os.kill(pid_of(own_valkey), signal.SIGCONT)
    healed = await again.expect("resumed", within=PATIENCE)
    await again.expect("sync")
    assert (healed["recovered"], healed["reason"]) == (False, "epoch_changed")
    send(node, ann, 40)
    [frame] = await numbered(again, 1, "balance")
    assert frame["seq"] > healed["seq"] > answer["seq"]


async def test_a_frame_sent_again_on_the_new_socket_gets_its_first_answer(
    make_client, make_person, connect, sql
):
    client = await make_client(messaging_policy="open")
    ann, bob = await make_person("Ann", at=client), await make_person("Bob", at=client)
    phone = await connect(ann)
    message = {"receiverId": str(bob.id), "messageText": "Hi", "messageType": "text"}
    first = await phone.ask("message-send", **message)
    await gone(phone, client)

    again, answer = await back(phone, seq=phone.ready["seq"])
    same = await again.ask("message-send", **message)  # under the same id
    again._next_id = 0
    other = await again.ask("message-send", **(message | {"messageText": "Ho"}))

    assert answer["recovered"] is True
    assert same == first
    assert other["message"]["messageText"] == "Hi"
    assert sql("SELECT count(*) FROM messages") == [(1,)]


async def test_another_frame_under_a_number_the_old_socket_used_is_served(
    make_client, make_person, connect, sql
):
    client = await make_client(messaging_policy="open")
    ann, bob = await make_person("Ann", at=client), await make_person("Bob", at=client)
    phone = await connect(ann)
    message = {"receiverId": str(bob.id), "messageText": "Hi", "messageType": "text"}
    await phone.ask("message-send", **message)
    await phone.ask("presence-subscribe", userIds=[str(bob.id)])
    await gone(phone, client)

    again, _ = await back(phone, seq=phone.ready["seq"])
    sent = await again.ask("message-send", **(message | {"messageText": "Ho"}))
    await again.ask("presence-subscribe", userIds=[str(bob.id)])
    watcher = await connect(bob)

    assert sent["message"]["messageText"] == "Ho"
    assert (await again.expect("presence", within=PATIENCE))["isOnline"] is True
    await watcher.close()


async def test_a_phone_that_comes_back_sits_in_its_room_again_and_nobody_notices(
    client, make_person, connect, sql
):
    ann, bob = await make_person("Ann"), await make_person("Bob", coins=500)
    a, b = await connect(ann), await connect(bob)
    call = Call(bob, ann, (await initiate(bob, ann)).data["callId"], sql)
    await a.ask("call-accept", callId=call.id)
    for phone in (a, b):
        await phone.ask("join-room", roomId=call.room_id)
    await b.expect("call-accepted")
    offer = {"type": "offer", "sdp": "v=0"}
    last = a.ready["seq"]
    a.heard.clear()
    b.heard.clear()
    await gone(a, client)
    early = await b.ask("webrtc-offer", roomId=call.room_id, offer=offer)

    again, answer = await back(a, seq=last)
    late = await b.ask("ice-candidate", roomId=call.room_id, candidate={"candidate": "c"})
    told = await again.ask("webrtc-answer", roomId=call.room_id, answer={"type": "answer", "sdp": "v=0"})

    assert answer["recovered"] is True
    assert early == {"delivered": False}
    assert late == told == {"delivered": True}
    assert (await again.expect("webrtc-offer"))["offer"] == offer
    await again.expect("ice-candidate")
    await b.expect("webrtc-answer")
    await b.hears_nothing_of("user-joined", "user-left")
