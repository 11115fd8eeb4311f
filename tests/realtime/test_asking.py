"""Questions between nodes: answered, refused, too late, or asked of nobody; and what is known of their clocks."""

import asyncio
import os
import signal
from time import monotonic

import pytest

from romantic.errors import Forbidden, RateLimited, Unavailable
from romantic.realtime.asking import Asking, NodeAway
from romantic.realtime.clock import WINDOW_SECONDS, Clock
from tests.conftest import pid_of
from tests.realtime.test_bus import heard, make_bus, meet  # noqa: F401 - a fixture


@pytest.fixture
async def desks(make_bus):  # noqa: F811
    """Two nodes that have met, each with a desk."""
    one, other = await make_bus(), await make_bus()
    await meet(one, other)
    return Asking(one), Asking(other), other.node


async def test_node_is_asked_and_its_answer_comes_back(desks):
    one, other, node = desks

    async def answer(question):
        await asyncio.sleep(0)
        return {"twice": 2 * question["n"]}

    other.answer("double", answer)

    assert await asyncio.gather(*(one.ask(node, "double", {"n": n}) for n in range(3))) == [
        {"twice": 2 * n} for n in range(3)
    ]


async def test_refusal_is_raised_where_it_was_asked_with_all_it_says(desks):
    one, other, node = desks

    def refuse(_):
        raise RateLimited("Not so fast.", limit=3, retry_after=1.5)

    async def forbid(_):
        raise Forbidden("Not you.")

    other.answer("now", refuse)
    other.answer("later", forbid)

    with pytest.raises(RateLimited, match="Not so fast") as refusal:
        await one.ask(node, "now", {})
    with pytest.raises(Forbidden, match="Not you"):
        await one.ask(node, "later", {})
    assert (refusal.value.meta, refusal.value.retry_after) == ({"limit": 3}, 1.5)


async def test_fault_of_the_answerer_is_told_as_unavailable(desks):
    one, other, node = desks
    other.answer("broken", lambda _: {}["no such key"])

    with pytest.raises(Unavailable):
        await one.ask(node, "broken", {})


async def test_questions_are_served_in_their_order(desks):
    one, other, node = desks
    served = []

    def note(question):
        served.append(question["n"])
        return {}

    other.answer("note", note)

    await asyncio.gather(*(one.ask(node, "note", {"n": n}) for n in range(500)))

    assert served == list(range(500))


async def test_node_that_is_gone_is_known_at_once_and_a_silent_one_by_the_deadline(desks):
    one, other, node = desks
    other.answer("silence", lambda _: asyncio.sleep(60))
    began = monotonic()

    with pytest.raises(NodeAway, match="nobody listens"):
        await one.ask("host:1:dead", "anything", {}, within=30)
    took = monotonic() - began
    with pytest.raises(NodeAway, match="does not answer"):
        await one.ask(node, "silence", {}, within=0.05)

    assert took < 15


async def test_node_that_says_it_is_not_the_one_counts_as_away(desks):
    one, other, node = desks

    def not_mine(_):
        raise NodeAway("not kept here")

    other.answer("mine", not_mine)

    with pytest.raises(NodeAway, match="not kept here"):
        await one.ask(node, "mine", {})


async def test_without_redis_everybody_else_is_away_and_is_back_with_it(make_bus, own_valkey):  # noqa: F811
    one, other = await make_bus(own_valkey.url), await make_bus(own_valkey.url)
    await meet(one, other)
    asker, answerer = Asking(one), Asking(other)
    answerer.answer("tea", lambda _: {"kind": "green"})

    os.kill(pid_of(own_valkey), signal.SIGSTOP)
    with pytest.raises(NodeAway):
        await asker.ask(other.node, "tea", {}, within=0.5)
    os.kill(pid_of(own_valkey), signal.SIGCONT)

    async with asyncio.timeout(20):
        while True:
            try:
                answer = await asker.ask(other.node, "tea", {})
                break
            except NodeAway:
                await asyncio.sleep(0.1)
    assert answer == {"kind": "green"}


async def test_no_more_than_so_many_questions_are_open(desks, monkeypatch):
    one, other, node = desks
    monkeypatch.setattr("romantic.realtime.asking.MAX_OPEN", 2)
    other.answer("silence", lambda _: asyncio.sleep(60))
    waiting = [asyncio.ensure_future(one.ask(node, "silence", {}, within=30)) for _ in range(2)]
    await asyncio.sleep(0)

    with pytest.raises(Unavailable):
        await one.ask(node, "silence", {})

    for one_asked in waiting:
        one_asked.cancel()


async def test_our_instant_on_another_nodes_clock_is_never_too_late(make_bus):  # noqa: F811
    """Both clocks are this machine's: the truth is known."""
    one, other = await make_bus(), await make_bus()
    await meet(one, other)

    at = monotonic()
    there = one.on_clock_of(other.node, at)

    assert there is not None
    assert at - 5 < there <= at
    assert one.on_clock_of("host:1:unknown", at) is None


def test_clock_believes_the_quickest_message():
    clock = Clock()

    clock.heard(1000.0, now=5.0)  # 3 s on its way
    clock.heard(1003.0, now=5.5)  # half a second
    clock.heard(1000.5, now=6.0)  # overtaken by the one before

    assert clock.read(5.0, now=6.0) == 1002.5


def test_clock_forgets_what_was_long_ago():
    clock = Clock()
    clock.heard(1000.0, now=0.0)
    clock.heard(1000.0 + WINDOW_SECONDS, now=WINDOW_SECONDS + 1.0)  # its clock has fallen behind by a second

    assert clock.read(0.0, now=WINDOW_SECONDS + 2.0) == 1000.0  # still
    clock.heard(1000.0 + 2 * WINDOW_SECONDS, now=2 * WINDOW_SECONDS + 2.0)

    assert clock.read(0.0, now=2 * WINDOW_SECONDS + 3.0) == 999.0
    assert clock.read(0.0, now=5 * WINDOW_SECONDS) is None
