"""Evidence: who falls silent is noticed, who comes back goes on, and silence is not billed.

A phone that nobody reads from answers no ping: that is what silence is here.
"""

from tests.calls.stage import alive, connected, until

WATCHFUL = {"call_suspect_seconds": 0.5, "call_disconnect_seconds": 1.2}


async def stage_with_call(make_stage, connect, **settings):
    stage = await make_stage(**(WATCHFUL | settings))
    ann, bea = await stage.pair()
    caller, receiver = await connect(ann), await connect(bea)
    call = await stage.answered(ann, bea)
    await connected(call, caller, receiver)
    return stage, call, caller, receiver


async def test_silent_phone_is_reported_and_then_the_call_is_disconnected(make_stage, connect):
    _, call, caller, receiver = await stage_with_call(make_stage, connect)

    async with alive(caller):
        reconnecting = await caller.expect("peer-reconnecting")
        outcome = await call.over()

    assert reconnecting["userId"] == str(receiver.person.id)
    assert 0 < reconnecting["graceMs"] <= 1200
    assert outcome == ("ended", "disconnected")
    assert (call.column("gaps"), call.column("evidence_level")) == (1, "E1")
    assert call.money == (50, 0, 25)


async def test_dead_phone_is_billed_to_its_last_evidence_only(make_stage, connect):
    stage, call, caller, receiver = await stage_with_call(make_stage, connect)
    async with alive(caller, receiver):
        await until(lambda: stage.live(call).meter.billable(at=0.0) > 1.0)

    await receiver.close()
    async with alive(caller):
        await call.over()

    billed = call.column("duration_seconds")
    evidence = call.column("extract(epoch FROM last_evidence_receiver - started_at)::float")
    lasted = call.column("extract(epoch FROM ended_at - started_at)::float")
    assert 1 <= billed <= evidence + 0.5
    assert lasted - evidence > 1.0


async def test_phone_that_comes_back_in_time_carries_on_and_its_gap_is_not_billed(make_stage, connect):
    stage, call, caller, receiver = await stage_with_call(make_stage, connect, call_disconnect_seconds=8)

    async with alive(caller):
        await caller.expect("peer-reconnecting")
        silent_from = stage.live(call).meter.billable(at=0.0)
        await until(lambda: call.column("now() - last_evidence_receiver > interval '1.5 seconds'"))
        await receiver.emit("ping")
        reconnected = await caller.expect("peer-reconnected")
        billed = stage.live(call).meter.billable(at=0.0)
        ended = await call.end()

    assert reconnected["userId"] == str(receiver.person.id)
    assert billed - silent_from < 1.0
    assert ended.data["endReason"] == "user_hangup"
    caller_heard = [frame["event"] for frame in caller.heard]
    assert caller_heard.count("peer-reconnecting") + caller_heard.count("peer-reconnected") == 0


async def test_short_silence_within_the_lease_is_billed_and_never_reported(make_stage, connect):
    _, call, caller, receiver = await stage_with_call(make_stage, connect, call_suspect_seconds=12)

    async with alive(caller):
        await until(lambda: call.column("clock_timestamp() - started_at > interval '1.1 seconds'"))
    ended = await call.end()

    assert ended.data["duration"] >= 1
    assert call.column("gaps") == 0
    await receiver.hears_nothing_of("peer-reconnecting")


async def test_rest_call_about_the_call_is_evidence(make_stage, connect):
    stage, call, caller, _ = await stage_with_call(make_stage, connect, call_disconnect_seconds=8)

    async with alive(caller):
        await caller.expect("peer-reconnecting")
        await call.receiver.get(f"/api/calls/{call.id}")
        await caller.expect("peer-reconnected")

    assert stage.live(call).meter.gaps >= 1


async def test_more_than_six_gaps_end_the_call(make_stage, connect):
    _, call, caller, receiver = await stage_with_call(
        make_stage, connect, call_suspect_seconds=0.15, call_disconnect_seconds=8
    )

    async with alive(caller):
        for _ in range(6):
            await caller.expect("peer-reconnecting")
            await receiver.emit("ping")
            await caller.expect("peer-reconnected")
        outcome = await call.over()

    assert outcome == ("ended", "unstable")
