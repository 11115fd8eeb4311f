"""The seed's flow by REST alone: no socket anywhere, metered by the server's clock."""

import pytest

from tests.calls.stage import initiate, negotiate

NONSENSE = ["-1", "0", "1e9", '"abc"', "null", "[]", "{}", "true", "1.5", "-1e300", "123456789012345678901"]


async def test_flow_answers_in_the_words_of_the_seed(stage):
    ann, bea = await stage.pair(coins=140)

    ringing = await initiate(ann, bea)
    call_id = ringing.data["callId"]
    accepted = await stage_post(bea, f"/api/calls/{call_id}/accept")
    ended = await stage_post(ann, f"/api/calls/{call_id}/end", {"duration": 120})

    assert ringing.message == "Call initiated successfully"
    assert ringing.data.items() >= {"roomId": f"room_{call_id}", "coinsSpent": 50, "newBalance": 90}.items()
    assert accepted["message"] == "Call accepted"
    assert accepted["data"]["roomId"] == f"room_{call_id}"
    assert ended["message"] == "Call ended successfully"
    assert (
        ended["data"].items()
        >= {"duration": 0, "coinsEarned": 25, "coinsSpent": 50, "newBalance": 90}.items()
    )


async def stage_post(person, path, body=None):
    response = await person.post(path, body)
    assert response.status == 200
    return await response.json()


async def test_rejecting_answers_without_data(stage):
    call = await stage.ring(*await stage.pair())

    answer = await call.reject()

    assert answer.body == {"success": True, "message": "Call rejected"}


async def test_call_rings_without_sockets_and_is_metered_by_the_wall_clock(stage):
    call = await stage.answered(*await stage.pair())
    call.set("answered_at = answered_at - interval '75.9 s', started_at = started_at - interval '75.9 s'")

    ended = await call.end()

    assert ended.data["duration"] == 75
    assert (call.column("metered_by"), call.outcome) == ("wallclock", ("ended", "user_hangup"))


@pytest.mark.parametrize("duration", NONSENSE)
async def test_duration_in_the_body_moves_no_coin(stage, duration):
    call = await stage.answered(*await stage.pair())
    call.set("started_at = started_at - interval '33 seconds'")

    response = await stage.host.post(
        f"/api/calls/{call.id}/end",
        data=f'{{"duration": {duration}}}',
        headers=call.caller.auth | {"Content-Type": "application/json"},
    )

    assert response.status == 200, await response.text()
    assert (call.column("duration_seconds"), call.money) == (33, (50, 0, 25))


async def test_duration_beyond_json_is_refused_and_the_call_goes_on(stage):
    call = await stage.answered(*await stage.pair())

    response = await stage.host.post(
        f"/api/calls/{call.id}/end",
        data='{"duration": 1e400}',
        headers=call.caller.auth | {"Content-Type": "application/json"},
    )

    assert response.status in (200, 400)
    assert call.column("duration_seconds") == 0


async def test_end_without_a_body_ends(stage):
    call = await stage.answered(*await stage.pair())

    response = await call.caller.client.post(f"/api/calls/{call.id}/end", headers=call.caller.auth)

    assert response.status == 200
    assert call.outcome == ("ended", "user_hangup")


async def test_wall_clock_call_ends_at_the_maximum(make_stage):
    stage = await make_stage(call_max_seconds=0.3)
    call = await stage.answered(*await stage.pair())

    outcome = await call.over()

    assert outcome == ("ended", "max_duration")
    assert (call.money, call.column("duration_seconds")) == ((50, 0, 25), 0)


async def test_socket_in_the_middle_switches_to_evidence_and_keeps_what_was_talked(make_stage, connect):
    stage = await make_stage(call_disconnect_seconds=0.6, call_suspect_seconds=0.4)
    call = await stage.answered(*await stage.pair())
    call.set("answered_at = answered_at - interval '60 s', started_at = started_at - interval '60 s'")

    phone = await connect(call.caller)
    outcome = await call.over()

    assert phone.ready["activeCall"]["callId"] == call.id
    assert outcome == ("ended", "disconnected")
    assert call.column("metered_by") == "evidence"
    assert call.column("duration_seconds") == 60
    assert call.money == (50, 0, 25)


async def test_both_sockets_in_the_middle_carry_the_call_on(stage, connect):
    call = await stage.answered(*await stage.pair())
    call.set("answered_at = answered_at - interval '60 s', started_at = started_at - interval '60 s'")

    caller, _ = await connect(call.caller), await connect(call.receiver)
    await caller.expect("peer-reconnected")
    ended = await call.end()

    assert ended.data["duration"] in (60, 61)
    assert ended.data["endReason"] == "user_hangup"


async def test_socket_while_it_rings_asks_for_evidence_of_both(make_stage, connect):
    stage = await make_stage(call_connect_seconds=0.3)
    call = await stage.ring(*await stage.pair())

    await connect(call.caller)
    await call.accept()
    outcome = await call.over()

    assert outcome == ("ended", "not_connected")
    assert call.money == (50, 50, 0)


async def test_offer_posted_before_the_switch_still_waits_in_the_room(stage, connect):
    call = await stage.answered(*await stage.pair())
    offer = {"sdp": "v=0 posted", "roomId": call.room_id}
    await call.caller.post(f"/api/calls/{call.id}/webrtc/offer", offer)

    phone = await connect(call.receiver)
    joined = await phone.ask("join-room", roomId=call.room_id)

    assert [one["event"] for one in joined["pending"]] == ["webrtc-offer"]
    assert joined["pending"][0]["data"]["offer"]["sdp"] == "v=0 posted"


async def test_time_in_the_room_before_the_answer_is_not_billed(stage, connect):
    call = await stage.ring(*await stage.pair())
    caller, receiver = await connect(call.caller), await connect(call.receiver)
    await negotiate(call, caller, receiver)
    created_at = call.column("created_at")

    await call.accept()
    await caller.expect("call-connected")

    assert call.column("started_at >= answered_at") is True
    assert call.column("answered_at") > created_at
