"""Settling: whole coins, nothing lost, nothing invented."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from romantic.calls.billing import Settlement, give_back, settle


def flat(*, price=50, share="0.5"):
    return {
        "billing": "flat", "price": price, "coins_charged": price, "blocks_charged": 1,
        "block_seconds": 60.0, "share": Decimal(share),
    }  # fmt: skip


def metered(blocks, *, price=10, share="0.5", block_seconds=60.0):
    return {
        "billing": "metered", "price": price, "coins_charged": price * blocks, "blocks_charged": blocks,
        "block_seconds": block_seconds, "share": Decimal(share),
    }  # fmt: skip


def settled(call, seconds, *, least=10.0, lenient=True):
    return settle(call, seconds=seconds, least_seconds=least, lenient=lenient)


@pytest.mark.parametrize("seconds", [10.0, 120.7, 3599.0])
def test_flat_price_stays_whatever_the_length(seconds):
    assert settled(flat(), seconds) == Settlement(int(seconds), refunded=0, earned=25)


@pytest.mark.parametrize(
    ("price", "share", "earned"), [(51, "0.5", 25), (1, "0.5", 0), (50, "0", 0), (7, "1", 7)]
)
def test_share_is_rounded_down(price, share, earned):
    assert settled(flat(price=price, share=share), 60).earned == earned


def test_share_of_thirds_does_not_suffer_from_floats():
    assert settled(flat(price=100, share="0.29"), 60).earned == 29


def test_short_call_is_given_back():
    assert settled(flat(), 9.999) == Settlement(9, refunded=50, earned=0)


def test_short_call_is_kept_once_leniency_is_used_up():
    assert settled(flat(), 9.999, lenient=False) == Settlement(9, refunded=0, earned=25)


@pytest.mark.parametrize(
    ("blocks", "seconds", "refunded"),
    [
        (1, 30, 0),
        (2, 60, 10),
        (2, 60.001, 0),
        (3, 61, 10),
        (3, 120, 10),
        (2, 120.4, 0),
        (2, 0, 10),
        (4, 59, 30),
    ],
)
def test_blocks_that_never_started_are_given_back(blocks, seconds, refunded):
    assert settled(metered(blocks), seconds, least=0).refunded == refunded


def test_two_and_a_half_minutes_for_25_coins_cost_20():
    assert settled(metered(2), 120.5) == Settlement(120, refunded=0, earned=10)


def test_giving_back_leaves_nothing_to_earn():
    assert give_back(metered(3), seconds=70.9) == Settlement(70, refunded=30, earned=0)


@given(
    blocks=st.integers(1, 100),
    price=st.integers(0, 10_000),
    seconds=st.floats(0, 10_000),
    share=st.decimals(0, 1, places=3),
    lenient=st.booleans(),
    billing=st.sampled_from(["flat", "metered"]),
)
def test_coins_are_conserved(blocks, price, seconds, share, lenient, billing):
    call = metered(blocks, price=price) | {"share": share, "billing": billing}

    result = settled(call, seconds, lenient=lenient)

    platform = call["coins_charged"] - result.refunded - result.earned
    assert min(result.refunded, result.earned, platform) >= 0
    assert result.duration == int(seconds)
