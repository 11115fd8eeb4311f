"""Coins of test calls: they move by the rules of every call, and are back when it is over."""

import asyncio

import pytest

from tests.calls.stage import Stage, alive, assert_books_are_straight, connected, initiate
from tests.robots import COINS, make_robot


@pytest.fixture
def make_scene(make_client, outside, sql):
    """A stage, and two robots on it."""

    async def make(**settings):
        stage = Stage(await make_client(**settings), outside, sql)
        return stage, *[await make_robot(stage.host, name) for name in ("east", "west")]

    return make


def entries(sql, robot):
    """(type of reference, type, amount), oldest first, without the coins it started with."""
    rows = sql(
        "SELECT reference_type, transaction_type, amount FROM coin_transactions WHERE user_id = %s ORDER BY seq",
        robot.id,
    )
    return rows[1:]


async def balances(*robots):
    return [await robot.balance() for robot in robots]


async def test_a_paid_call_is_charged_earned_and_then_returned(make_scene, sql):
    stage, east, west = await make_scene()
    call = await stage.answered(east, west)
    during = await balances(east, west)

    over = await call.end()

    assert during == [COINS - 50, COINS]
    assert (over.data["coinsSpent"], over.data["coinsEarned"], over.data["newBalance"]) == (50, 25, COINS)
    assert await balances(east, west) == [COINS, COINS]
    assert entries(sql, east) == [("call", "spend", 50), ("probe", "refund", 50)]
    assert entries(sql, west) == [("call", "earn", 25), ("probe", "spend", 25)]
    assert_books_are_straight(sql)


async def test_both_robots_hear_of_what_was_returned(make_scene, connect):
    stage, east, west = await make_scene(call_meter="wallclock")
    phones = [await connect(robot) for robot in (east, west)]
    call = await stage.answered(east, west)

    await call.end()

    told = [[await phone.expect("balance") for _ in range(2)] for phone in phones]
    assert [(one["referenceType"], one["delta"], one["balance"]) for one in told[0]] == [
        ("call", -50, COINS - 50),
        ("probe", 50, COINS),
    ]
    assert [(one["referenceType"], one["delta"], one["balance"]) for one in told[1]] == [
        ("call", 25, COINS + 25),
        ("probe", -25, COINS),
    ]


async def test_however_often_and_from_both_sides_it_is_ended_coins_return_once(make_scene, sql):
    stage, east, west = await make_scene()
    call = await stage.answered(east, west)

    await asyncio.gather(*(call.end(by=robot) for robot in (east, west) * 5))

    assert await balances(east, west) == [COINS, COINS]
    assert len(entries(sql, east)) == len(entries(sql, west)) == 2


@pytest.mark.parametrize("ending", ["reject", "cancel"])
async def test_a_call_that_never_was_is_refunded_and_nothing_more(make_scene, sql, ending):
    stage, east, west = await make_scene()
    call = await stage.ring(east, west)

    await (call.reject() if ending == "reject" else call.end())

    assert entries(sql, east) == [("call", "spend", 50), ("call", "refund", 50)]
    assert entries(sql, west) == []
    assert_books_are_straight(sql)


async def test_robots_that_died_in_the_middle_have_their_coins_when_the_server_ends_their_call(
    make_scene, connect, sql
):
    stage, east, west = await make_scene(call_suspect_seconds=0.3, call_disconnect_seconds=0.6)
    phones = [await connect(robot) for robot in (east, west)]
    call = await stage.answered(east, west)
    await connected(call, *phones)
    for phone in phones:
        await phone.close()

    outcome = await call.over()

    assert outcome == ("ended", "disconnected")
    assert call.money[0] == 50 + 25  # charged, and given back by who had earned
    assert await balances(east, west) == [COINS, COINS]
    assert_books_are_straight(sql)


async def test_each_block_of_a_metered_call_returns(make_scene, connect, sql):
    stage, east, west = await make_scene(
        call_billing="metered",
        call_block_seconds=0.3,
        call_price_per_minute_video=2000,
        call_tick_seconds=0.02,
    )
    phones = [await connect(robot) for robot in (east, west)]
    call = await stage.answered(east, west)
    await connected(call, *phones)
    async with alive(*phones):
        for _ in range(2):  # the charges of the first block and of the second
            await phones[0].expect("balance")
        await call.end()

    spent = sum(
        amount for reference, kind, amount in entries(sql, east) if (reference, kind) == ("call", "spend")
    )
    assert spent >= 20
    assert await balances(east, west) == [COINS, COINS]
    assert_books_are_straight(sql)


async def test_a_person_gets_nothing_back(make_scene, sql):
    stage, *_ = await make_scene()
    ann, bea = await stage.pair()
    call = await stage.answered(ann, bea)

    await call.end()

    assert (stage.moved(ann), stage.moved(bea)) == (150, 25)
    assert (
        sql(
            "SELECT id FROM coin_transactions WHERE user_id = ANY(%s::uuid[]) AND reference_type = 'probe'",
            [ann.id, bea.id],
        )
        == []
    )


async def test_a_robot_without_coins_cannot_call(make_scene):
    stage, _, west = await make_scene()
    poor = await make_robot(stage.host, coins=0)

    answer = await initiate(poor, west)

    assert (answer.status, answer.code) == (402, "INSUFFICIENT_COINS")
