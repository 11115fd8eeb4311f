"""Metered billing: blocks are paid before they start, and a balance ends a call, never goes below zero."""

import pytest

from tests.calls.stage import alive, connected, until

#: A minute of 10 coins, shortened to half a second.
METERED = {
    "call_billing": "metered",
    "call_block_seconds": 0.5,
    "call_price_per_minute_video": 1200,
    "call_tick_seconds": 0.02,
}


@pytest.fixture
async def talking(make_stage, connect):
    """Start a metered call with so many coins: the stage, the call and both phones."""

    async def start(*, coins, **settings):
        stage = await make_stage(**(METERED | settings))
        ann, bea = await stage.pair(coins=coins)
        phones = await connect(ann), await connect(bea)
        call = await stage.answered(ann, bea)
        started = await connected(call, *phones)
        assert started["evidence"] == "E1"
        return stage, call, phones

    return start


async def test_25_coins_last_two_blocks_and_leave_five(talking):
    stage, call, phones = await talking(coins=25)

    async with alive(*phones):
        outcome = await call.over()

    assert outcome == ("ended", "insufficient_coins")
    assert (call.money, stage.moved(call.caller)) == ((20, 0, 10), 5)
    assert 1.0 <= call.column("extract(epoch FROM ended_at - started_at)::float") < 2.5
    assert call.column("blocks_charged") == 2


async def test_warnings_come_at_sixty_and_twenty_seconds_before_the_coins_are_gone(talking):
    _, _, (caller, receiver) = await talking(coins=25)

    async with alive(caller, receiver):
        warnings = [await caller.expect("call-warning") for _ in range(2)]
        ended = await caller.expect("call-ended")

    assert [one["reason"] for one in warnings] == ["low_balance"] * 2
    assert warnings[0]["secondsLeft"] <= 1
    assert ended["endReason"] == "insufficient_coins"
    assert (await receiver.expect("call-ended"))["coinsEarned"] == 10


async def test_next_block_is_paid_before_it_starts(talking):
    _, call, phones = await talking(
        coins=200, call_block_seconds=1.5, call_price_per_minute_video=400, call_tick_seconds=0.2
    )

    async with alive(*phones):
        await until(lambda: call.column("blocks_charged") == 2)
        await call.end()

    paid = "SELECT created_at FROM coin_transactions WHERE idempotency_key = %s"
    ((paid_at,),) = call.sql(paid, f"call:{call.id}:block:1")
    assert (paid_at - call.column("started_at")).total_seconds() < 1.5
    assert call.money[0] - call.money[1] in (10, 20)


async def test_block_paid_ahead_and_never_started_is_given_back(talking):
    stage, call, phones = await talking(coins=200, call_block_seconds=60, call_price_per_minute_video=10)
    stage.live(call).meter.billable = lambda *, at: 59.99

    async with alive(*phones):
        await until(lambda: call.column("blocks_charged") == 2)
        await call.end()

    assert (call.column("duration_seconds"), call.money) == (59, (20, 10, 5))


async def test_charge_nobody_heard_of_does_not_stop_the_next(talking):
    stage, call, phones = await talking(coins=200)
    stage.live(call).blocks_charged = 0

    async with alive(*phones):
        await until(lambda: call.column("blocks_charged") >= 4)
        await call.end()

    charged, refunded, earned = call.money
    assert earned == (charged - refunded) // 2


async def test_rings_and_talks_before_the_answer_cost_the_first_block_only(make_stage, connect):
    stage = await make_stage(**METERED)
    ann, bea = await stage.pair(coins=200)
    call = await stage.ring(ann, bea)

    await call.reject()

    assert (call.money, call.column("price")) == ((10, 10, 0), 10)


@pytest.mark.parametrize("billing", ["flat", "metered"])
async def test_maximum_ends_the_call_with_a_warning(talking, billing):
    settings = {"call_billing": billing, "call_meter": "evidence", "call_cost_video": 10}
    _, call, (caller, receiver) = await talking(
        coins=200, call_max_seconds=0.8, call_block_seconds=60, call_price_per_minute_video=10, **settings
    )

    async with alive(caller, receiver):
        warning = await receiver.expect("call-warning")
        outcome = await call.over()

    assert warning["reason"] == "max_duration"
    assert outcome == ("ended", "max_duration")
    assert call.money == (10, 0, 5)


async def test_metered_call_wants_evidence_without_any_socket(make_stage):
    stage = await make_stage(**METERED, call_connect_seconds=0.3)
    call = await stage.answered(*await stage.pair())

    assert call.column("metered_by") == "evidence"
    assert (await call.over(), call.money) == (("ended", "not_connected"), (10, 10, 0))


async def test_coins_spent_elsewhere_end_the_call_and_never_go_below_zero(talking):
    stage, call, phones = await talking(coins=40)
    left = stage.moved(call.caller)
    stage.sql(
        "SELECT id FROM add_entry(%s, 'spend', %s, 'elsewhere', 'test', NULL, NULL)", call.caller.id, left
    )

    async with alive(*phones):
        outcome = await call.over()

    assert outcome == ("ended", "insufficient_coins")
    assert stage.moved(call.caller) == 0
