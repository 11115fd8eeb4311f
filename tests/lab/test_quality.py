"""What a monitor makes of a line: beats of a real peer, over lines that lose nothing, some and much."""

import asyncio

import pytest

from romantic.calls.leg import Leg
from romantic.rtc import Peers
from romantic.rtc.client import MonitorClient
from tests.lab.fixtures import sockets_in_world
from tests.lab.networks import SERVER
from tests.waiting import until

LINES = ["open", "loss", "heavy-loss"]
BEATS = 110  # at 20 a second: as many as the loss is taken over


@pytest.fixture
async def peers(lab, monkeypatch):
    sockets_in_world(lab, monkeypatch)
    # Beats are twenty times as fast here, and so is the verdict that one is lost.
    monkeypatch.setattr("romantic.rtc.beats.LATE_SECONDS", 0.3)
    keeper = Peers(SERVER, interval=0.05)
    await keeper.start()
    yield keeper
    await keeper.close()


async def test_a_call_sounds_as_good_as_its_line_is(lab, peers):
    home, legs, finished = asyncio.get_running_loop(), {}, asyncio.Event()

    async def monitor(line):
        """A phone on its line; the server's side of it stays on our own loop."""
        phone = MonitorClient(hosts=[lab.host(line).address])
        offer = await phone.offer()
        answer = asyncio.run_coroutine_threadsafe(answered(line, offer), home)
        await phone.accept(await asyncio.wrap_future(answer))
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(finished.wait(), home))
        await phone.close()

    async def answered(line, offer):
        leg = Leg()
        leg.peer = await peers.answer(offer, on_beat=lambda _: None, on_state=lambda _: None)
        legs[line] = leg
        return leg.peer.answer_sdp

    async def is_measured():
        return len(legs) == len(LINES) and all(leg.peer.beats.sent >= BEATS for leg in legs.values())

    async with asyncio.TaskGroup() as group:
        for line in LINES:
            group.create_task(lab.host(line).run(lambda line=line: monitor(line)))
        await until(is_measured, within=40)
        found = [legs[line].quality() for line in LINES]
        finished.set()

    words = [quality.level for quality in found]
    assert words[0] == "excellent"
    assert words[1] in ("good", "poor")
    assert words[2] in ("poor", "lost")
    assert found[0].mos > found[1].mos > found[2].mos
    assert found[0].loss_pct < found[1].loss_pct < found[2].loss_pct
