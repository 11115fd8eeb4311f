"""monitor-offer, monitor-beat, and what they prove: two aiortc phones, the server's peer beside each."""

import asyncio
from time import monotonic

import pytest
from structlog.testing import capture_logs

from romantic.rtc import PEERS
from romantic.rtc.client import MonitorClient
from tests.calls.real_phone import LOOPBACK, RealPhone
from tests.calls.stage import negotiate, until

SIDES = ("caller", "receiver")
#: Scaled: a monitor that is silent for this long is no evidence, and ends the call a moment later.
IMPATIENT = {"monitor_dead_seconds": 1.0, "monitor_grace_seconds": 1.5}


@pytest.fixture
async def make_line(make_stage, connect):
    """An answered call between two real phones, both in the room."""
    phones = []

    async def make(**settings):
        stage = await make_stage(**settings)
        caller, receiver = await stage.pair()
        sockets = await connect(caller), await connect(receiver)
        call = await stage.answered(caller, receiver)
        line = [RealPhone(socket, call) for socket in sockets]
        phones.extend(line)
        for phone in line:
            await phone.join()
        return stage, call, *line

    yield make
    await asyncio.gather(*(phone.close() for phone in phones))


async def talk(ann, bea):
    """Media flows both ways, and the clock runs; the data of call-connected."""
    await ann.say("offer", ann.peer.createOffer)
    await bea.hear("offer")
    await bea.say("answer", bea.peer.createAnswer)
    await ann.hear("answer")
    await until(lambda: ann.heard and bea.heard, 20)
    return await ann.socket.expect("call-connected", within=10)


async def answer_pings(phone):
    """What an app does where UDP to the server does not get through."""
    while True:
        ping = await phone.socket.expect("monitor-ping", within=30)
        await phone.socket.emit("monitor-beat", callId=ping["callId"], n=ping["n"], c=ping["n"])


async def code(phone, sdp):
    return (await phone.socket.ask("monitor-offer", callId=phone.call.id, sdp=sdp))["error"]["code"]


async def test_call_of_two_monitored_phones_from_offer_to_summary(make_line):
    stage, call, ann, bea = await make_line()
    acks = [await ann.open_monitor(), await bea.open_monitor()]
    pushed = await ann.socket.expect("monitor-answer")

    connected = await talk(ann, bea)
    live = stage.live(call)
    parties = live.meter._parties.values()
    await until(lambda: all((party.rx or 0) > 0 for party in parties))
    meter = await bea.socket.expect("call-meter")
    quality = await bea.socket.expect("call-quality")
    with capture_logs() as lines:
        await ann.socket.ask("call-end", roomId=call.room_id)

    assert set(acks[0]) == {"monitorId", "sdp", "pingMs", "deadAfterMs", "graceMs", "openWithinMs"}
    assert pushed == acks[0] | {"callId": call.id}
    assert "a=candidate" in acks[0]["sdp"]
    assert connected["evidence"] == "E2"
    people = {ann.socket.person.id, bea.socket.person.id}
    assert (meter["state"], set(meter["levels"].values()), set(meter["via"].values())) == (
        "billing",
        {"E2"},
        {"udp"},
    )
    assert set(meter["levels"]) == people
    assert set(quality) == {"callId", "userId", "level", "score", "rttMs", "lossPct"}
    summary = next(line for line in lines if line["event"] == "call.summary")
    measured = [f"{name}_{side}" for name in ("rtt_ms", "jitter_ms", "loss_pct", "mos") for side in SIDES]
    assert None not in [summary[name] for name in measured]
    assert all(1 <= summary[f"mos_{side}"] <= 4.5 for side in SIDES)
    assert [summary[f"ice_pair_{side}"] for side in SIDES] == ["host/host"] * 2
    assert (summary["evidence_level"], stage.app[PEERS].open_count) == ("E2", 0)
    await asyncio.gather(ann.monitor.closed.wait(), bea.monitor.closed.wait())


async def test_silent_monitor_stops_the_clock_at_its_last_beat_and_ends_the_call(make_line):
    stage, call, ann, bea = await make_line(**IMPATIENT)
    await ann.open_monitor()
    await bea.open_monitor()
    await negotiate(call, ann.socket, bea.socket)
    await ann.socket.expect("call-connected")
    live = stage.live(call)

    silent_since = monotonic()
    bea.monitor.stop_answering()
    reconnecting = await ann.socket.expect("peer-reconnecting", within=10)
    billed = live.meter.billable(at=monotonic())
    meter = await ann.socket.expect("call-meter")
    while meter["state"] != "suspect":
        meter = await ann.socket.expect("call-meter")
    ended = await ann.socket.expect("call-ended", within=10)

    assert reconnecting["userId"] == bea.socket.person.id
    assert 0 < reconnecting["graceMs"] <= 1500
    assert live.meter.proven_at - silent_since < 0.5
    assert live.meter.billable(at=monotonic()) == billed
    assert (ended["endReason"], ended["duration"]) == ("disconnected", int(billed))


async def test_phone_that_dies_abruptly_is_noticed(make_line):
    _, _, ann, bea = await make_line(**IMPATIENT, call_suspect_seconds=2.0)
    await ann.open_monitor()
    await bea.open_monitor()
    await negotiate(ann.call, ann.socket, bea.socket)
    await ann.socket.expect("call-connected")

    bea.vanish()

    missing = await ann.socket.expect("peer-reconnecting", within=10)
    assert missing["userId"] == bea.socket.person.id


async def test_phone_that_comes_back_resumes_the_clock(make_line, connect):
    stage, call, ann, bea = await make_line(monitor_dead_seconds=1.0)
    await ann.open_monitor()
    await bea.open_monitor()
    await negotiate(call, ann.socket, bea.socket)
    await ann.socket.expect("call-connected")
    bea.vanish()
    await ann.socket.expect("peer-reconnecting", within=10)

    bea.socket = await connect(bea.socket.person)
    old, bea.monitor = bea.monitor, MonitorClient(hosts=LOOPBACK)
    await bea.open_monitor()

    assert (await ann.socket.expect("peer-reconnected", within=10))["userId"] == bea.socket.person.id
    assert stage.live(call).meter.state == "billing"
    await old.close()


async def test_second_offer_replaces_the_monitor(make_line):
    stage, call, ann, _ = await make_line()
    await ann.open_monitor()
    first, ann.monitor = ann.monitor, MonitorClient(hosts=LOOPBACK)

    await ann.open_monitor()

    await asyncio.wait_for(first.closed.wait(), 5)
    assert stage.app[PEERS].open_count == 1
    assert stage.live(call).monitor.legs[stage.live(call).caller_id].reconnects == 1
    await first.close()


async def test_no_room_for_a_monitor_means_beats_over_the_socket(make_line):
    stage, call, ann, bea = await make_line(rtc_max_peers=1)
    await ann.open_monitor()

    refusal = await code(bea, await bea.monitor.offer())
    beating = asyncio.create_task(answer_pings(bea))
    await until(lambda: stage.live(call).meter.level(stage.live(call).receiver_id) == "E2")
    beating.cancel()
    live = stage.live(call)

    assert refusal == "MONITOR_BUSY"
    assert [live.meter.via(party) for party in live.parties] == ["udp", "ws"]
    assert live.monitor.legs[live.receiver_id].summary()["rtt_ms"] is not None


async def test_beats_over_the_socket_keep_the_pace_of_the_monitor(make_line):
    _stage, _call, _ann, bea = await make_line(rtc_max_peers=0, monitor_beat_seconds=0.4)
    await code(bea, await bea.monitor.offer())
    began = monotonic()

    for _ in range(4):
        await bea.socket.expect("monitor-ping")

    assert monotonic() - began >= 3 * 0.4 - 0.1


async def test_call_without_any_monitor_is_metered_by_its_sockets(make_line):
    _, call, ann, bea = await make_line(rtc_max_peers=0)

    refusal = await code(ann, await ann.monitor.offer())
    await negotiate(call, ann.socket, bea.socket)

    assert refusal == "MONITOR_BUSY"
    assert (await ann.socket.expect("call-connected"))["evidence"] == "E1"


async def test_channel_that_is_lost_gives_way_to_the_socket(make_line):
    stage, call, _ann, bea = await make_line()
    await bea.open_monitor()

    await bea.monitor.close()
    beating = asyncio.create_task(answer_pings(bea))
    live = stage.live(call)
    await until(lambda: live.meter.via(live.receiver_id) == "ws")
    beating.cancel()

    assert live.meter.level(live.receiver_id) == "E2"


async def test_channel_that_never_opens_gives_way_to_the_socket(make_line):
    _stage, call, _ann, bea = await make_line(monitor_open_seconds=0.3)
    await bea.socket.ask("monitor-offer", callId=call.id, sdp=await bea.monitor.offer())

    ping = await bea.socket.expect("monitor-ping", within=10)

    assert ping == {"callId": call.id, "n": 1}


async def test_open_channel_is_the_only_way(make_line):
    stage, call, _ann, bea = await make_line()
    await bea.open_monitor()

    await bea.socket.emit("monitor-beat", callId=call.id, n=1)

    await bea.socket.hears_nothing_of("error", "monitor-ping")
    assert stage.live(call).meter.via(stage.live(call).receiver_id) == "udp"


@pytest.mark.parametrize("sdp", ["", "nonsense", "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n", "x" * 20_000])
async def test_offer_of_anything_else_is_refused_and_harms_nothing(make_line, sdp):
    stage, call, ann, _ = await make_line()
    await ann.open_monitor()

    assert await code(ann, sdp) == "BAD_SDP"
    assert stage.app[PEERS].open_count == 1
    assert not ann.monitor.closed.is_set()
    assert stage.live(call).monitor.legs[stage.live(call).caller_id].beats is None


async def test_monitors_that_are_switched_off_are_not_offered(make_line):
    _, _, ann, _ = await make_line(monitor_mode="off")

    assert (await ann.join())["monitor"] == {"required": False, "offered": False}
    assert await code(ann, await ann.monitor.offer()) == "MONITOR_BUSY"
    await ann.socket.hears_nothing_of("monitor-ping")


async def test_nothing_is_billed_without_a_monitor_where_one_is_required(make_line):
    _, call, ann, bea = await make_line(monitor_mode="require", call_connect_seconds=1.0)

    joined = await ann.join()
    await ann.open_monitor()
    await negotiate(call, ann.socket, bea.socket)

    assert joined["monitor"] == {"required": True, "offered": True}
    assert await call.over() == ("ended", "not_connected")
    assert call.money == (50, 50, 0)


async def test_server_that_stops_hangs_up_on_every_monitor(make_line):
    stage, _, ann, bea = await make_line()
    await ann.open_monitor()
    await bea.open_monitor()

    await stage.host.close()

    assert stage.app[PEERS].open_count == 0
    await asyncio.gather(ann.monitor.closed.wait(), bea.monitor.closed.wait())
