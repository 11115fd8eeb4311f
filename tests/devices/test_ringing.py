"""A call rings phones that sleep, and leaves those in peace that need not ring."""

import asyncio
from uuid import UUID

import pytest

from tests.devices.conftest import all_done, call, devices_of, jobs_of, register, say
from tests.realtime.conftest import another_device
from tests.waiting import until


@pytest.fixture
async def pair(make_person):
    """Somebody who calls, and somebody who is called."""
    return await make_person("Ann", coins=200), await make_person("Bea")


def pushed(outside, name, count=1):
    async def holds():
        return len(outside.fcm.of(name)) == count

    return until(holds)


async def leave(phone):
    assert await phone.ask("app-state", state="background") == {}


async def send(person, path):
    return (await person.post(path, {} if path.endswith("/end") else None)).status


async def test_sleeping_phone_is_rung_with_high_priority_for_the_time_that_is_left(pair, outside, sql):
    ann, bea = pair
    device = await register(bea)

    call_id = await call(ann, bea)

    await pushed(outside, "call-incoming")
    (message,) = outside.fcm.messages
    data = message["data"]
    assert message["token"] == device["token"]
    assert data | {"expiresAt": "", "sentAt": ""} == {
        "type": "call-incoming",
        "callId": call_id,
        "roomId": f"room_{call_id}",
        "callType": "video",
        "callerId": str(ann.id),
        "callerName": "Ann",
        "expiresAt": "",
        "sentAt": "",
    }
    assert message["android"]["priority"] == "HIGH"
    assert message["android"]["collapse_key"] == UUID(call_id).hex
    left = int(message["android"]["ttl"].removesuffix("s"))
    assert 1 <= left <= 45
    await all_done(sql, call=1)


async def test_time_to_live_is_what_is_left_when_it_is_sent(make_pushing, make_person, outside, sql):
    """FCM was away for a while: the phone must not ring for longer than the call does."""
    ann, bea = await make_person(coins=200), await make_person("Bea")
    await register(bea)
    outside.fcm.mood = "broken"
    call_id = await call(ann, bea)
    sql("UPDATE calls SET ring_deadline = now() + interval '12.5 seconds' WHERE id = %s", call_id)
    outside.fcm.mood = "ok"

    await pushed(outside, "call-incoming")

    assert int(outside.fcm.messages[0]["android"]["ttl"].removesuffix("s")) <= 12


async def test_every_phone_of_a_person_rings_as_its_platform_wants_it(client, pair, outside):
    ann, bea = pair
    tablet, browser = [await another_device(client, outside, bea) for _ in range(2)]
    await register(bea, platform="android")
    await register(tablet, platform="ios")
    await register(browser, platform="web")

    call_id = await call(ann, bea)
    await pushed(outside, "call-incoming", 3)

    wrapped = {
        kind: m[kind] for m in outside.fcm.messages for kind in ("android", "apns", "webpush") if kind in m
    }
    assert set(wrapped) == {"android", "apns", "webpush"}
    apns, web = wrapped["apns"]["headers"], wrapped["webpush"]["headers"]
    assert (apns["apns-push-type"], apns["apns-priority"]) == ("background", "5")
    assert wrapped["apns"]["payload"] == {"aps": {"content-available": 1}}
    assert web["Urgency"] == "high"
    assert 1 <= int(web["TTL"]) <= 45
    assert apns["apns-collapse-id"] == web["Topic"] == UUID(call_id).hex


async def test_phone_in_front_that_rings_by_its_socket_is_not_pushed_to(pair, connect, outside, sql):
    ann, bea = pair
    await register(bea)
    phone = await connect(bea)
    call_id = await call(ann, bea)
    await phone.expect("incoming-call")
    await phone.ask("call-ringing", callId=call_id)

    await all_done(sql, call=1)

    assert outside.fcm.messages == []


async def test_phone_in_front_that_does_not_say_it_rings_is_pushed_to_after_a_moment(
    pair, connect, outside, sql
):
    """Its network died a moment ago, and nobody has noticed yet."""
    ann, bea = pair
    await register(bea)
    await connect(bea)

    await call(ann, bea)
    await pushed(outside, "call-incoming")

    assert sql("SELECT attempts FROM jobs WHERE kind = 'push.call'") == [(2,)]


async def test_socket_of_an_app_in_the_back_does_not_hold_the_ring_up(
    make_pushing, make_person, connect, outside, sql
):
    host = await make_pushing(push_ring_wait_seconds=3600)
    ann, bea = await make_person(coins=200, at=host), await make_person("Bea", at=host)
    await register(bea)
    await leave(await connect(bea))

    await call(ann, bea)

    await pushed(outside, "call-incoming")
    assert sql("SELECT attempts FROM jobs WHERE kind = 'push.call'") == [(1,)]


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("cancel", "caller_cancelled"),
        ("decline", "declined_elsewhere"),
        ("accept", "answered_elsewhere"),
        ("timeout", "timeout"),
    ],
)
async def test_phones_that_were_rung_are_silenced_but_the_one_that_acted(
    client, pair, outside, sql, how, reason
):
    ann, bea = pair
    tablet = await another_device(client, outside, bea)
    acting, other = await register(bea), await register(tablet)
    call_id = await call(ann, bea)
    await pushed(outside, "call-incoming", 2)

    if how == "timeout":
        sql("UPDATE calls SET ring_deadline = now() WHERE id = %s", call_id)
    elif how == "cancel":
        await send(ann, f"/api/calls/{call_id}/end")
    else:
        await send(bea, f"/api/calls/{call_id}/{'reject' if how == 'decline' else 'accept'}")
    silenced = {other["token"]} if how in ("decline", "accept") else {acting["token"], other["token"]}
    await pushed(outside, "call-cancelled", len(silenced))

    cancels = [m for m in outside.fcm.messages if m["data"]["type"] == "call-cancelled"]
    assert {m["token"] for m in cancels} == silenced
    assert {(m["data"]["callId"], m["data"]["reason"]) for m in cancels} == {(call_id, reason)}
    assert {m["android"]["priority"] for m in cancels} == {"HIGH"}
    assert {m["android"]["collapse_key"] for m in cancels} == {UUID(call_id).hex}


async def test_phone_that_was_not_rung_is_not_silenced(pair, connect, outside, sql):
    ann, bea = pair
    await register(bea)
    phone = await connect(bea)
    call_id = await call(ann, bea)
    await phone.ask("call-ringing", callId=call_id)
    await all_done(sql, call=1)

    await send(ann, f"/api/calls/{call_id}/end")

    assert jobs_of(sql, "push.cancel") == []


async def test_call_that_is_over_before_the_push_goes_out_rings_nobody(pair, outside, sql):
    ann, bea = pair
    await register(bea)
    outside.fcm.mood = "busy"
    call_id = await call(ann, bea)
    await send(ann, f"/api/calls/{call_id}/end")
    outside.fcm.mood = "ok"

    await all_done(sql, call=1)

    assert outside.fcm.of("call-incoming") == []


async def test_ring_whose_time_is_over_is_never_sent(make_pushing, make_person, outside, sql):
    """FCM was away for the whole of it."""
    host = await make_pushing(call_ring_seconds=1.0)
    ann, bea = await make_person(coins=200, at=host), await make_person("Bea", at=host)
    await register(bea)
    outside.fcm.mood = "away"
    await call(ann, bea)

    async def is_over():
        return jobs_of(sql, "push.call")[0] in ("done", "expired")

    await until(is_over)
    outside.fcm.mood = "ok"

    await pushed(outside, "call-missed")
    assert outside.fcm.of("call-incoming") == []


async def test_missed_call_is_told_of_and_of_what_call(pair, outside, sql):
    ann, bea = pair
    await register(bea)
    call_id = await call(ann, bea)
    await send(ann, f"/api/calls/{call_id}/end")

    await pushed(outside, "call-missed")

    (missed,) = [m for m in outside.fcm.messages if m["data"]["type"] == "call-missed"]
    assert missed["android"]["priority"] == "NORMAL"
    assert 86_000 < int(missed["android"]["ttl"].removesuffix("s")) <= 86_400
    assert (missed["data"]["callId"], missed["data"]["callerName"]) == (call_id, "Ann")


async def test_missed_call_is_seen_in_the_app_or_told_of_where_the_app_was_deaf(pair, connect, outside, sql):
    ann, bea = pair
    await register(bea)
    phone = await connect(bea)
    seen = await call(ann, bea)
    await phone.ask("call-ringing", callId=seen)
    await send(ann, f"/api/calls/{seen}/end")
    await all_done(sql, missed=1)
    before = outside.fcm.of("call-missed")

    deaf = await call(ann, bea)
    await pushed(outside, "call-incoming")
    await send(ann, f"/api/calls/{deaf}/end")
    await pushed(outside, "call-missed")

    assert before == []
    assert outside.fcm.of("call-missed")[0]["callId"] == deaf


async def test_somebody_who_wants_no_pushes_gets_none_of_a_call(pair, outside, sql):
    ann, bea = pair
    await register(bea)
    await bea.client.put("/api/preferences", json={"notifications": {"push": False}}, headers=bea.auth)

    call_id = await call(ann, bea)
    await send(ann, f"/api/calls/{call_id}/end")
    await all_done(sql, call=1, cancel=0, missed=1)

    assert outside.fcm.messages == []


async def test_caller_is_never_pushed_to_about_their_own_call(pair, outside, sql):
    ann, bea = pair
    await register(ann)

    call_id = await call(ann, bea)
    await send(ann, f"/api/calls/{call_id}/end")

    assert sql("SELECT count(*) FROM jobs WHERE kind LIKE 'push.%%'") == [(0,)]


async def test_block_ends_the_ring_and_is_not_told_of_as_a_missed_call(pair, outside, sql):
    ann, bea = pair
    await register(bea)
    call_id = await call(ann, bea)
    await pushed(outside, "call-incoming")

    await bea.post("/api/users/block", {"targetUserId": ann.id})
    await pushed(outside, "call-cancelled")
    await all_done(sql, missed=1)

    assert outside.fcm.of("call-cancelled")[0] | {"sentAt": ""} == {
        "type": "call-cancelled",
        "callId": call_id,
        "reason": "timeout",
        "sentAt": "",
    }
    assert outside.fcm.of("call-missed") == []


async def test_phone_that_is_gone_is_forgotten_and_others_still_ring(client, pair, outside, sql):
    ann, bea = pair
    await register(bea)
    outside.fcm.mood = "gone"
    await call(ann, bea)

    async def is_forgotten():
        return devices_of(sql, bea) == []

    await until(is_forgotten)
    await all_done(sql, call=1)


async def test_refused_call_pushes_nothing(pair, outside, sql):
    ann, bea = pair
    await register(bea)
    await bea.post("/api/users/block", {"targetUserId": ann.id})

    response = await ann.post("/api/calls/initiate", {"receiverId": bea.id, "callType": "video"})

    assert response.status == 409
    assert jobs_of(sql, "push.call") == []


async def test_hundred_ends_at_once_silence_a_phone_once(pair, outside, sql):
    ann, bea = pair
    await register(bea)
    call_id = await call(ann, bea)
    await pushed(outside, "call-incoming")

    await asyncio.gather(*(send(ann, f"/api/calls/{call_id}/end") for _ in range(20)))
    await pushed(outside, "call-cancelled")

    assert len(jobs_of(sql, "push.cancel")) == len(jobs_of(sql, "push.missed")) == 1


async def test_phone_that_a_push_can_ring_is_reachable(make_pushing, make_person, outside):
    host = await make_pushing(call_require_reachable="on")
    ann, bea = await make_person(coins=200, at=host), await make_person("Bea", at=host)
    body = {"receiverId": bea.id, "callType": "audio"}

    refused = await ann.post("/api/calls/initiate", body)
    await register(bea)
    rung = await ann.post("/api/calls/initiate", body)

    assert (refused.status, rung.status) == (409, 200)
    await pushed(outside, "call-incoming")


async def test_ring_passes_by_what_waits(pair, outside, sql):
    """FCM is slow, and many messages are to be told of."""
    ann, bea = pair
    device = await register(bea)
    message_id = await say(ann, bea)
    await all_done(sql, message=1)
    outside.fcm.delay = 1.0
    sql(
        "INSERT INTO jobs (kind, key, payload, run_at) SELECT 'push.message', n::text, jsonb_build_object("
        " 'deviceId', %s, 'about', %s, 'until', extract(EPOCH FROM now()) + 60), now()"
        " FROM generate_series(1, 60) AS n",
        device["id"], message_id,
    )  # fmt: skip

    await call(ann, bea)
    await pushed(outside, "call-incoming")

    assert len(outside.fcm.of("message-new")) < 60


async def test_whatever_was_rung_is_silenced_however_close_ring_and_end_are(pair, outside, sql):
    """The end may come before the ring is written down, while it is, while it is sent, or after."""
    ann, bea = pair
    await register(bea)
    calls = 12
    for n in range(calls):
        call_id = await call(ann, bea)
        sql("UPDATE calls SET created_at = now() - interval '1 hour' WHERE id = %s", call_id)
        await asyncio.sleep(n * 0.004)
        await send(ann, f"/api/calls/{call_id}/end")

    await all_done(sql, call=calls)
    rung = {data["callId"] for data in outside.fcm.of("call-incoming")}
    await all_done(sql, cancel=len(rung))
    silenced = {data["callId"] for data in outside.fcm.of("call-cancelled")}
    assert rung == silenced


async def test_end_of_a_ring_is_told_though_the_next_call_rings_the_same_phone(pair, outside, sql):
    """The push service was away in between: the first end is sent after the second ring has begun."""
    ann, bea = pair
    await register(bea)
    first = await call(ann, bea)
    await pushed(outside, "call-incoming")
    outside.fcm.mood = "busy"
    await send(ann, f"/api/calls/{first}/end")

    second = await call(ann, bea)

    async def is_marked():
        return sql("SELECT rung_call_id::text FROM device_tokens") == [(second,)]

    await until(is_marked)
    outside.fcm.mood = "ok"
    await all_done(sql, call=2, cancel=1)
    assert [data["callId"] for data in outside.fcm.of("call-cancelled")] == [first]


async def test_missed_call_of_a_deaf_app_is_told_of_though_the_next_call_rings_the_same_phone(
    pair, connect, outside, sql
):
    """The push service was away in between: what the first call left is sent after the second ring has begun."""
    ann, bea = pair
    await register(bea)
    await connect(bea)
    first = await call(ann, bea)
    await pushed(outside, "call-incoming")
    outside.fcm.mood = "busy"
    await send(ann, f"/api/calls/{first}/end")

    second = await call(ann, bea)

    async def is_marked():
        return sql("SELECT rung_call_id::text FROM device_tokens") == [(second,)]

    await until(is_marked)
    outside.fcm.mood = "ok"
    await pushed(outside, "call-missed")
    assert outside.fcm.of("call-missed")[0]["callId"] == first
