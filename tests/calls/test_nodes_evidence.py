"""Evidence across nodes: monitors at the node of each phone, beats over the socket, and Redis gone for a while."""

import asyncio
import os
import signal
from time import monotonic
from uuid import UUID

import pytest

from romantic.calls.live import LIVE
from romantic.realtime import BUS
from tests.calls.real_phone import RealPhone
from tests.calls.stage import alive, connected, until
from tests.calls.test_monitor import answer_pings, code, talk
from tests.calls.test_nodes import kept_by, make_line, make_nodes  # noqa: F401 - fixtures
from tests.conftest import pid_of


@pytest.fixture
async def make_real_line(make_nodes, connect):  # noqa: F811
    """An answered call between two real phones in its room: the caller at the first node, which keeps it."""
    phones = []

    async def make(other_node=None, **settings):
        stages = await make_nodes(each=({}, other_node or {}), **settings)
        ann, bea = await stages[0].pair()
        bea.client = stages[1].host
        sockets = await connect(ann), await connect(bea)
        call = await stages[0].answered(ann, bea)
        line = [RealPhone(socket, call) for socket in sockets]
        phones.extend(line)
        for phone in line:
            await phone.join()
        return stages, call, *line

    yield make
    await asyncio.gather(*(phone.close() for phone in phones))


async def test_monitors_at_two_nodes_prove_both_phones_to_one_meter(make_real_line):
    (one, other), call, ann, bea = await make_real_line(monitor_dead_seconds=1.5, monitor_grace_seconds=1.5)
    await asyncio.gather(ann.open_monitor(), bea.open_monitor())
    started = await talk(ann, bea)
    live = one.live(call)
    await until(lambda: live.levels == ("E2", "E2"))
    await until(lambda: live.meter.billable(at=0.0) > 2.0)  # what is proven lags behind a little
    path = live.legs[live.receiver_id].quality()

    bea.vanish()
    silent_since = monotonic()
    suspect = await ann.socket.expect("peer-reconnecting", within=10)
    outcome = await call.over()

    assert kept_by(call, other) == []
    assert started["evidence"] in ("E1", "E2")
    assert path.mos > 3
    assert suspect["userId"] == str(bea.socket.person.id)
    assert outcome == ("ended", "disconnected")
    assert call.column("evidence_level") == "E2"
    assert 1 <= call.column("duration_seconds") <= live.meter.proven_at - live.meter.started_at + 0.01
    assert live.meter.proven_at - silent_since < 1.0
    assert call.money == (50, 0, 25)


async def test_beats_over_the_socket_of_the_other_node_are_evidence_as_well(make_real_line):
    """That node has no place for a monitor, so it asks for the beats itself and hands them on."""
    (one, other), call, _, bea = await make_real_line(other_node={"rtc_max_peers": 0})
    live = one.live(call)

    refusal = await code(bea, await bea.monitor.offer())
    answering = asyncio.create_task(answer_pings(bea))
    await until(lambda: live.meter.via(live.receiver_id) == "ws")

    assert refusal == "MONITOR_BUSY"
    assert live.meter.level(live.receiver_id) == "E2"
    known = other.app[LIVE].known(UUID(call.id))
    assert known.legs[live.receiver_id].beats is not None
    await until(lambda: live.legs[live.receiver_id].summary()["rtt_ms"] is not None)
    answering.cancel()


async def test_call_outlives_a_redis_that_is_away_and_is_charged_once(
    make_line,  # noqa: F811
    own_valkey,
    monkeypatch,
):
    """The silence of the other node is not held against its phone: it is not billed, and it ends nothing."""
    monkeypatch.setattr("romantic.redis.PING_SECONDS", 0.1)
    (one, other), call, caller, receiver = await make_line(
        redis_url=own_valkey.url,
        call_suspect_seconds=0.8,
        call_disconnect_seconds=1.2,
        monitor_grace_seconds=8.0,
    )
    await connected(call, caller, receiver)
    live = one.live(call)

    async with alive(caller, receiver):
        await until(lambda: live.meter.billable(at=0.0) > 0.5)
        os.kill(pid_of(own_valkey), signal.SIGSTOP)
        await until(lambda: live.meter.state == "suspect")
        gap_began = monotonic()
        billed = live.meter.billable(at=0.0)
        health = await (await caller.person.get("/health/ready")).json()
        refused = await receiver.ask(
            "webrtc-offer", roomId=call.room_id, offer={"type": "offer", "sdp": "v=0"}
        )
        await until(lambda: monotonic() - gap_began > 2.0)
        still = live.meter.state, live.meter.billable(at=0.0), kept_by(call, one, other)
        os.kill(pid_of(own_valkey), signal.SIGCONT)
        await until(lambda: live.meter.state == "billing")
        await until(lambda: one.app[BUS].is_hearing and other.app[BUS].is_hearing)
        ended = await call.end(by=receiver.person)

    assert health["data"]["status"] == "degraded"
    assert refused["error"]["code"] == "UNAVAILABLE"
    assert still == ("suspect", billed, [one])
    assert (ended.status, ended.data["endReason"]) == (200, "user_hangup")
    assert call.column("gaps") == 1
    assert call.money == (50, 0, 25)
