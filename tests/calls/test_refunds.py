"""What is given back, to whom, and how often."""

import pytest

from tests.calls.stage import connected, negotiate

KEPT, GIVEN_BACK = (50, 0, 25), (50, 50, 0)


async def test_rejected_call_is_given_back(stage, connect):
    ann, bea = await stage.pair()
    phone = await connect(ann)
    call = await stage.ring(ann, bea)

    await call.reject()

    told = await phone.expect("call-rejected")
    assert (call.money, stage.moved(ann)) == (GIVEN_BACK, 200)
    assert told == {"callId": call.id, "reason": "declined", "refunded": 50, "newBalance": 200}


async def test_ring_timeout_is_swept_to_missed_and_given_back(make_stage, connect):
    stage = await make_stage(call_ring_seconds=0.3)
    ann, bea = await stage.pair()
    caller, receiver = await connect(ann), await connect(bea)
    call = await stage.ring(ann, bea)

    outcome = await call.over()

    assert (outcome, call.money) == (("missed", "timeout"), GIVEN_BACK)
    assert (await caller.expect("call-missed"))["newBalance"] == 200
    assert (await receiver.expect("call-cancelled"))["reason"] == "timeout"
    assert await receiver.expect("call-missed") == {"callId": call.id, "role": "receiver"}


async def test_accept_after_the_ring_deadline_is_refused(stage):
    call = await stage.ring(*await stage.pair())
    stage.sql("UPDATE calls SET ring_deadline = now()")

    answer = await call.accept()

    assert (answer.status, answer.code) == (409, "INVALID_CALL_STATE")
    assert await call.over() == ("missed", "timeout")


async def test_cancelled_call_is_given_back(stage, connect):
    ann, bea = await stage.pair()
    phone = await connect(bea)
    call = await stage.ring(ann, bea)

    await call.end()

    assert (call.outcome, call.money) == (("missed", "caller_cancelled"), GIVEN_BACK)
    assert (await phone.expect("call-cancelled"))["reason"] == "caller_cancelled"


async def test_call_that_never_connects_is_given_back_at_its_deadline(make_stage, connect):
    stage = await make_stage(call_connect_seconds=0.3)
    ann, bea = await stage.pair()
    phone = await connect(ann)
    call = await stage.answered(ann, bea)

    outcome = await call.over()

    assert (outcome, call.money) == (("ended", "not_connected"), GIVEN_BACK)
    assert (await phone.expect("call-ended"))["refunded"] == 50


async def test_fourth_short_call_of_a_pair_in_a_day_is_kept(make_stage):
    stage = await make_stage(call_min_billable_seconds=10)
    ann, bea = await stage.pair(coins=200)
    calls = []

    for _ in range(4):
        calls.append(call := await stage.answered(ann, bea))
        await call.end()

    assert [call.money for call in calls] == [GIVEN_BACK] * 3 + [KEPT]


async def test_short_calls_count_for_the_pair_whoever_rings(make_stage):
    stage = await make_stage(call_min_billable_seconds=10)
    ann, bea = await stage.person(), await stage.person("Bea")
    calls = []

    for caller, receiver in ((ann, bea), (bea, ann), (ann, bea), (bea, ann)):
        calls.append(call := await stage.answered(caller, receiver))
        await call.end()

    assert [call.money[1] for call in calls] == [50, 50, 50, 0]


async def test_short_calls_with_others_do_not_count(make_stage):
    stage = await make_stage(call_min_billable_seconds=10)
    ann = await stage.person()
    friends = [await stage.person(coins=0) for _ in range(4)]
    calls = []

    for friend in friends:
        calls.append(call := await stage.answered(ann, friend))
        await call.end()

    assert [call.money[1] for call in calls] == [50] * 4


async def test_call_of_ten_seconds_is_not_short(make_stage):
    stage = await make_stage(call_min_billable_seconds=10)
    call = await stage.answered(*await stage.pair())
    call.set("started_at = started_at - interval '10.01 seconds'")

    await call.end()

    assert call.money == KEPT


async def test_ice_failure_soon_after_the_start_is_given_back_three_times_a_day(stage):
    ann, bea = await stage.pair()
    calls = []

    for _ in range(4):
        calls.append(call := await stage.answered(ann, bea))
        await call.end(reason="ice_failed")

    assert [call.outcome[1] for call in calls] == ["ice_failed"] * 3 + ["user_hangup"]
    assert [call.money for call in calls] == [GIVEN_BACK] * 3 + [KEPT]


async def test_ice_failure_after_half_a_minute_is_an_ordinary_end(stage):
    call = await stage.answered(*await stage.pair())
    call.set("started_at = started_at - interval '31 seconds'")

    await call.end(reason="ice_failed")

    assert (call.outcome, call.money) == (("ended", "user_hangup"), KEPT)


async def test_ice_failure_after_a_side_said_it_was_connected_is_an_ordinary_end(stage, connect):
    ann, bea = await stage.pair()
    caller, receiver = await connect(ann), await connect(bea)
    call = await stage.answered(ann, bea)
    await connected(call, caller, receiver)

    await receiver.emit("call-stats", callId=call.id, sample={"iceConnectionState": "connected"})
    await receiver.ask("ping")
    await call.end(reason="ice_failed")

    assert (call.outcome, call.money) == (("ended", "user_hangup"), KEPT)


async def test_other_reasons_of_a_client_do_not_count(stage):
    call = await stage.answered(*await stage.pair())

    await call.end(reason="banned")

    assert (call.outcome, call.money) == (("ended", "user_hangup"), KEPT)


async def test_end_before_the_two_connect_is_given_back(stage, connect):
    ann, bea = await stage.pair()
    caller, receiver = await connect(ann), await connect(bea)
    call = await stage.ring(ann, bea)
    await negotiate(call, caller, receiver)
    await receiver.ask("leave-room", roomId=call.room_id)
    await call.accept()

    ended = await call.end()

    assert ended.data.items() >= {"endReason": "not_connected", "duration": 0, "refunded": 50}.items()


@pytest.mark.parametrize(("super_lover", "earned"), [(True, 25), (False, 0)])
async def test_only_a_super_lover_earns_half(stage, super_lover, earned):
    ann, bea = await stage.pair(super_lover=super_lover)
    call = await stage.answered(ann, bea)

    answers = [await call.end(by=ann), await call.end(by=bea)]

    assert [answer.data["coinsEarned"] for answer in answers] == [earned, earned]
    assert [answer.data["newBalance"] for answer in answers] == [150, earned]


async def test_share_is_what_it_was_when_it_rang(make_stage):
    stage = await make_stage()
    call = await stage.answered(*await stage.pair(super_lover=False))
    stage.sql("UPDATE users SET is_super_lover = TRUE WHERE id = %s", call.receiver.id)
    other = await make_stage(super_lover_share=1.0)
    call.caller.client = other.host

    ended = await call.end()

    assert ended.data["coinsEarned"] == 0
