"""Processes that die and databases that go away: no coin is lost, no call is stuck."""

import asyncio
from time import monotonic

import pytest

from romantic.calls.live import LIVE
from romantic.calls.metering import LOOPS
from tests.calls.stage import alive, connected, initiate, send, until

KILL = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'romantic'"


async def die(stage):
    """As after kill -9: loops stop between two statements, memory is gone, nothing is written."""
    for task in stage.app[LOOPS]:
        task.cancel()
    for live in stage.app[LIVE]:
        stage.app[LIVE].forget(live.id)


async def insist(move):
    """Retry as a phone does: until there is an answer that is not a 5xx."""
    for _ in range(400):
        answer = await move()
        if answer.status < 500:
            return answer
        await asyncio.sleep(0.05)
    raise TimeoutError("only 5xx")


async def test_backends_killed_while_calls_begin_and_end_lose_no_coin(stage):
    pairs = [await stage.pair(coins=100) for _ in range(10)]

    async def one_call(caller, receiver):
        await insist(lambda: initiate(caller, receiver))
        active = await insist(lambda: get(caller, "/api/calls/active"))
        call_id = active.data["call"]["id"]
        await insist(lambda: send(receiver, f"/api/calls/{call_id}/accept"))
        return await insist(lambda: send(caller, f"/api/calls/{call_id}/end", {}))

    async def killer():
        for _ in range(4):
            await asyncio.to_thread(stage.sql, KILL)
            await asyncio.sleep(0.1)

    *answers, _ = await asyncio.gather(*(one_call(*pair) for pair in pairs), killer())

    assert [answer.status for answer in answers] == [200] * 10
    assert {answer.data["coinsSpent"] - answer.data["refunded"] for answer in answers} <= {0, 50}
    assert stage.sql("SELECT count(*) FROM calls WHERE ended_at IS NULL") == [(0,)]
    assert stage.sql("SELECT count(*) FROM calls") == [(10,)]


async def get(person, path):
    response = await person.get(path)
    return type("Got", (), {"status": response.status, "data": (await response.json()).get("data")})


async def test_call_is_forgotten_although_another_process_ended_it(make_stage, connect):
    one, other = await make_stage(), await make_stage()
    ann, bea = await one.pair()
    caller, receiver = await connect(ann), await connect(bea)
    call = await one.answered(ann, bea)
    await connected(call, caller, receiver)

    ann.client = other.host
    ended = await call.end()
    told = await receiver.expect("call-ended")

    assert told["coinsSpent"] == ended.data["coinsSpent"] == 50
    await until(lambda: one.live(call) is None)


async def test_connection_that_cannot_be_written_is_written_later(stage, connect):
    ann, bea = await stage.pair()
    caller, receiver = await connect(ann), await connect(bea)
    call = await stage.answered(ann, bea)
    stage.sql("ALTER TABLE calls ADD CONSTRAINT no_start CHECK (started_at IS NULL) NOT VALID")
    refused_until = monotonic() + 0.5

    started = asyncio.create_task(connected(call, caller, receiver))
    await until(lambda: monotonic() > refused_until)
    stage.sql("ALTER TABLE calls DROP CONSTRAINT no_start")
    await started

    assert call.column("started_at") is not None
    assert call.column("meter")["state"] == "billing"


async def test_end_of_the_meter_that_cannot_be_written_is_written_later(make_stage, connect):
    stage = await make_stage(call_suspect_seconds=0.3, call_disconnect_seconds=0.5)
    ann, bea = await stage.pair()
    caller, receiver = await connect(ann), await connect(bea)
    call = await stage.answered(ann, bea)
    await connected(call, caller, receiver)
    stage.sql("ALTER TABLE calls ADD CONSTRAINT no_end CHECK (ended_at IS NULL) NOT VALID")

    await receiver.close()
    live = stage.live(call)
    await until(lambda: live.meter.state == "ended")
    stage.sql("ALTER TABLE calls DROP CONSTRAINT no_end")

    assert await call.over() == ("ended", "disconnected")


async def test_ringing_call_of_a_dead_process_is_swept_by_another(make_stage):
    one = await make_stage(call_ring_seconds=0.4)
    call = await one.ring(*await one.pair())
    await die(one)

    await make_stage(call_ring_seconds=0.4)

    assert (await call.over(), call.money) == (("missed", "timeout"), (50, 50, 0))


async def test_running_call_of_a_dead_process_is_settled_at_the_last_proof_written(make_stage, connect):
    one = await make_stage(call_rejoin_seconds=1.0)
    ann, bea = await one.pair()
    caller, receiver = await connect(ann), await connect(bea)
    call = await one.answered(ann, bea)
    await connected(call, caller, receiver)
    async with alive(caller, receiver):
        await until(lambda: call.column("(meter ->> 'billed_seconds')::float") > 1.0)
    await die(one)
    proven = call.column("(meter ->> 'billed_seconds')::float")

    await make_stage(call_rejoin_seconds=1.0)
    outcome = await call.over()

    assert outcome == ("ended", "disconnected")
    assert call.column("duration_seconds") == int(proven)
    assert call.column("evidence_level") == "E1"
    assert call.money == (50, 0, 25)


async def test_both_coming_back_on_another_process_carry_the_call_on(make_stage, connect):
    one = await make_stage(call_rejoin_seconds=8.0, call_keeper_seconds=1.0)
    ann, bea = await one.pair()
    phones = await connect(ann), await connect(bea)
    call = await one.answered(ann, bea)
    await connected(call, *phones)
    await until(lambda: call.column("meter ->> 'state'") == "billing")
    await die(one)
    written = call.column("(meter ->> 'billed_seconds')::float")
    gap_began = monotonic()
    other = await make_stage(call_rejoin_seconds=8.0, call_keeper_seconds=1.0)
    ann.client = bea.client = other.host
    await until(lambda: monotonic() - gap_began > 2.0)

    back = monotonic()
    caller, receiver = await connect(ann), await connect(bea)
    await caller.ask("join-room", roomId=call.room_id)
    await receiver.ask("join-room", roomId=call.room_id)
    await caller.expect("peer-reconnected")
    ended = await call.end()

    assert caller.ready["activeCall"]["callId"] == call.id
    assert ended.data["endReason"] == "user_hangup"
    assert ended.data["duration"] <= int(written + (monotonic() - back) + 0.5)


@pytest.mark.parametrize("started", ["now()", "now() - interval '1 minute'"])
async def test_wall_clock_call_of_a_dead_process_ends_at_the_maximum(make_stage, started):
    one = await make_stage(call_max_seconds=60.5)
    call = await one.answered(*await one.pair())
    await die(one)
    call.set(f"started_at = {started}, next_tick_at = now()")

    await make_stage()

    assert (await call.over(), call.money) == (("ended", "max_duration"), (50, 0, 25))


async def test_end_that_waited_for_the_answer_counts_no_negative_seconds(stage):
    call = await stage.answered(*await stage.pair())
    call.set("started_at = now() + interval '0.5 seconds'")

    ended = await call.end()

    assert (ended.status, ended.data["duration"]) == (200, 0)
