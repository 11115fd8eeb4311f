"""How the ladder is climbed, whatever its steps do: late, broken, stubborn, stopped."""

import asyncio
from contextlib import suppress
from time import monotonic

import pytest

from romantic.cli.probe.figures import THRESHOLDS, judge
from romantic.cli.probe.ladder import Ladder, Step
from romantic.cli.probe.outcome import Found, LeftOut, Outcome, Status, Trouble, status_of, worst

LIMITS = {one.name: one for one in THRESHOLDS}


async def fine():
    return Found("fine")


async def broken():
    raise Trouble("it broke", "Mend it.")


async def endless():
    await asyncio.sleep(600)


async def stubborn():
    """For two seconds it does not want to hear that it is over."""
    end = monotonic() + 2
    while monotonic() < end:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0.1)


async def buggy():
    raise ZeroDivisionError("a bug of ours")


def raising(error):
    async def step():
        raise error

    return step


def ladder(*steps, seconds=30.0, **options):
    return Ladder(steps, LIMITS, seconds=seconds, **options)


async def outcomes(*steps, **options):
    return {rung.name: rung for rung in await ladder(*steps, **options).climb()}


async def test_a_failed_step_skips_those_that_need_it_and_no_others():
    found = await outcomes(
        Step("base", broken, 1),
        Step("on base", fine, 1, ("base",)),
        Step("on that", fine, 1, ("on base",)),
        Step("apart", fine, 1),
    )

    assert [rung.outcome for rung in found.values()] == ["fail", "skip", "skip", "ok"]
    assert (found["base"].cause, found["base"].advice) == ("it broke", "Mend it.")
    assert found["on base"].facts == "needs base, which failed"
    assert found["on that"].facts == "needs on base, which is missing"


async def test_a_step_that_has_nothing_to_do_hinders_others_only_if_it_says_so():
    found = await outcomes(
        Step("tls", raising(LeftOut("plain http", harmless=True)), 1),
        Step("auth", raising(LeftOut("nobody")), 1, ("tls",)),
        Step("health", fine, 1, ("tls",)),
        Step("socket", fine, 1, ("auth",)),
    )

    assert [rung.outcome for rung in found.values()] == ["skip", "skip", "ok", "skip"]


async def test_what_is_left_out_on_purpose_hinders_others_unless_it_is_optional():
    steps = (Step("tls", fine, 1, optional=True), Step("ice", fine, 1), Step("dtls", fine, 1, ("ice",)))

    found = await outcomes(*steps, Step("health", fine, 1, ("tls",)), left_out=("tls", "ice"))

    assert {name: str(rung.outcome) for name, rung in found.items()} == {
        "tls": "skip",
        "ice": "skip",
        "dtls": "skip",
        "health": "ok",
    }
    assert found["tls"].facts == found["ice"].facts == "left out by --skip"


async def test_figures_fail_their_step_and_hinder_no_other():
    async def slow():
        return Found("slow", {"rtt": 700.0, "jitter": 40.0, "mos": 4.0})

    found = await outcomes(Step("data", slow, 1), Step("next", fine, 1, ("data",)))

    assert (found["data"].outcome, found["next"].outcome) == ("fail", "ok")
    assert found["data"].cause == (
        "RTT to the server 700 ms is above 600 ms; jitter to the server 40 ms is above 30 ms"
    )


@pytest.mark.parametrize("step", [endless, stubborn])
async def test_no_step_takes_longer_than_it_may(step):
    began = monotonic()

    found = await outcomes(Step("slow", step, 0.05), Step("next", fine, 1))

    assert monotonic() - began < 30
    assert (found["slow"].outcome, found["slow"].cause) == ("fail", "not done within 0.05 s")
    assert found["next"].outcome == "ok"


async def test_when_the_time_of_the_run_is_over_only_the_last_step_is_tried():
    cleaned = asyncio.Event()

    async def clean():
        cleaned.set()
        return Found("clean")

    found = await outcomes(
        Step("slow", endless, 60), Step("next", fine, 1), Step("cleanup", clean, 5, always=True), seconds=0.1
    )

    assert [rung.outcome for rung in found.values()] == ["fail", "skip", "ok"]
    assert found["next"].facts == "the run had its 0.1 s: --timeout"
    assert cleaned.is_set()


async def test_told_to_stop_it_leaves_the_step_and_puts_things_in_order_and_told_twice_not_even_that():
    async def stopped(times, last):
        climbing = ladder(
            Step("talk", endless, 60), Step("next", fine, 1), Step("cleanup", last, 60, always=True)
        )
        task = asyncio.create_task(climbing.climb())
        for _ in range(times):
            await asyncio.sleep(0.05)
            climbing.stop()
        return [(rung.outcome, rung.facts) for rung in await asyncio.wait_for(task, 30)]

    once = await stopped(1, fine)
    twice = await stopped(2, endless)

    assert once == [("skip", "the run was stopped"), ("skip", "the run was stopped"), ("ok", "fine")]
    assert [outcome for outcome, _ in twice] == ["skip"] * 3


async def test_a_bug_of_ours_is_a_step_that_failed_and_not_a_traceback():
    found = await outcomes(Step("buggy", buggy, 1))

    assert found["buggy"].outcome == "fail"
    assert "the probe itself failed: ZeroDivisionError" in found["buggy"].cause


@pytest.mark.parametrize(
    ("name", "value", "outcome"),
    [
        ("rtt", 300, "ok"), ("rtt", 300.1, "warn"), ("rtt", 600, "warn"), ("rtt", 600.1, "fail"),
        ("mos", 3.6, "ok"), ("mos", 3.59, "warn"), ("mos", 2.99, "fail"),
        ("certificate", 21, "ok"), ("certificate", 20.9, "warn"), ("certificate", -1, "fail"),
        ("audio-loss", 5.1, "warn"), ("billed", 1e9, "ok"),
    ],
)  # fmt: skip
def test_a_limit_itself_is_still_within_it(name, value, outcome):
    assert judge(name, value, LIMITS).outcome == outcome


def test_what_is_known_to_be_broken_outweighs_what_is_not_known():
    assert worst({Status.OK, Status.UNKNOWN, Status.CRITICAL}) is Status.CRITICAL
    assert worst({Status.WARNING, Status.UNKNOWN}) is Status.UNKNOWN
    assert worst({Status.OK, Status.WARNING}) is Status.WARNING
    assert status_of({Outcome.OK, Outcome.SKIP}) is Status.OK
