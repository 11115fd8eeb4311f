"""call-ringing, call-accept, call-reject: a call that rings on every device, and is answered on one."""

import pytest

from tests.realtime.conftest import another_device


async def code(phone, event, **data):
    return (await phone.ask(event, **data))["error"]["code"]


@pytest.fixture
async def ringing(stage, connect, outside):
    """A call that rings on three devices."""
    caller, receiver = await stage.pair()
    ann = await connect(caller)
    people = [receiver, *[await another_device(stage.host, outside, receiver) for _ in range(2)]]
    devices = [await connect(person) for person in people]
    call = await stage.ring(caller, receiver)
    return call, ann, devices


async def test_every_device_rings_and_the_caller_learns_of_it(ringing):
    call, ann, devices = ringing

    rings = [await device.expect("incoming-call") for device in devices]
    await devices[0].ask("call-ringing", callId=call.id)

    assert rings[0] == rings[1] == rings[2]
    assert set(rings[0]) == {"callId", "roomId", "callType", "caller", "expiresAt", "ringSecondsLeft"}
    assert set(rings[0]["caller"]) == {"id", "fullName", "profileImageUrl", "isVerified"}
    assert await ann.expect("call-ringing") == {"callId": call.id, "deviceCount": 3}
    assert call.outcome[0] == "ringing"


async def test_accepting_on_one_device_silences_the_others(ringing):
    call, ann, (first, second, third) = ringing

    ack = await first.ask("call-accept", callId=call.id)

    accepted = await ann.expect("call-accepted")
    assert set(accepted) == {"callId", "roomId", "iceServers", "byDevice"}
    assert ack["roomId"] == accepted["roomId"] == call.room_id
    elsewhere = {"callId": call.id, "reason": "answered_elsewhere"}
    assert [await device.expect("call-cancelled") for device in (second, third)] == [elsewhere] * 2
    await first.hears_nothing_of("call-cancelled")
    assert await code(second, "call-accept", callId=call.id) == "INVALID_CALL_STATE"


async def test_accepting_over_rest_spares_the_socket_of_the_same_session(ringing):
    call, _ann, (first, second, third) = ringing

    await call.accept(by=second.person)

    elsewhere = {"callId": call.id, "reason": "answered_elsewhere"}
    assert [await device.expect("call-cancelled") for device in (first, third)] == [elsewhere] * 2
    await second.hears_nothing_of("call-cancelled")


async def test_declining_on_one_device_silences_the_others(ringing):
    call, ann, (first, second, third) = ringing

    ack = await first.ask("call-reject", callId=call.id, reason="busy")

    rejected = await ann.expect("call-rejected")
    assert (ack, rejected["reason"], rejected["refunded"], rejected["newBalance"]) == ({}, "busy", 50, 200)
    elsewhere = {"callId": call.id, "reason": "declined_elsewhere"}
    assert [await device.expect("call-cancelled") for device in (second, third)] == [elsewhere] * 2
    await first.hears_nothing_of("call-cancelled")


async def test_caller_neither_rings_nor_accepts_nor_declines(ringing):
    call, ann, _ = ringing

    codes = [await code(ann, event, callId=call.id) for event in ("call-accept", "call-reject")]
    await ann.ask("call-ringing", callId=call.id)

    assert codes == ["FORBIDDEN"] * 2
    assert call.outcome[0] in ("initiated", "ringing")


async def test_hanging_up_early_silences_every_device(ringing):
    call, ann, devices = ringing

    ended = await ann.ask("call-end", roomId=call.room_id)

    assert (ended["status"], ended["refunded"], ended["newBalance"]) == ("missed", 50, 200)
    cancelled = {"callId": call.id, "reason": "caller_cancelled"}
    assert [await device.expect("call-cancelled") for device in devices] == [cancelled] * 3
    assert [(await device.expect("call-missed"))["role"] for device in devices] == ["receiver"] * 3
