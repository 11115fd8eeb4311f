"""A phone comes back: it hears all it missed, or that it cannot and the state as it is now."""

import asyncio

import pytest

from romantic.redis import REDIS
from tests.realtime.comeback import back, gone, kept, numbered, send, seqs, values
from tests.realtime.conftest import another_device
from tests.waiting import until


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
