"""The keeper of peers: one port, a cap, nothing left behind."""

import asyncio
import gc
import os
import socket

import aioice
import pytest
import uvloop
from aiortc import RTCCertificate, RTCPeerConnection, rtcicetransport

from romantic.rtc import MonitorBusy, tune_gc
from romantic.rtc import peers as module
from romantic.rtc.client import MonitorClient

from .conftest import HOSTS, Line, running, until


def ignore(_: object) -> None:
    return None


def udp_sockets() -> set[tuple[str, int]]:
    """The addresses of the UDP sockets this process holds."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            with socket.socket(fileno=os.dup(int(name))) as held:
                if held.type == socket.SOCK_DGRAM and held.family != socket.AF_UNIX:
                    found.add(held.getsockname())
        except OSError:  # no socket, or gone by now
            continue
    return found


async def test_all_peers_share_one_udp_socket(offer):
    before = udp_sockets()

    async with running() as keeper:
        answers = [await keeper.answer(offer, on_beat=ignore, on_state=ignore) for _ in range(5)]
        during = udp_sockets()

    assert during - before == {("127.0.0.1", keeper.port)}
    assert udp_sockets() <= before
    assert {line for peer in answers for line in peer.answer_sdp.splitlines() if "candidate:" in line} == {
        f"a=candidate:{aioice.candidate.candidate_foundation('host', 'udp', '127.0.0.1')} 1 udp 2130706431 "
        f"127.0.0.1 {keeper.port} typ host"
    }


async def test_two_keepers_live_side_by_side(peers, connect):
    async with running() as other:
        here, there = await connect(), await connect(keeper=other)
        await until(lambda: here.beats and there.beats)

        assert (peers.open_count, other.open_count) == (1, 1)
        assert peers.port != other.port
    await until(lambda: there.states == ["open", "closed"])

    beats = len(here.beats)
    await until(lambda: len(here.beats) > beats)


async def test_keepers_may_follow_each_other(connect):
    for _ in range(3):
        async with running() as keeper:
            line = await connect(keeper=keeper)
            await until(lambda line=line: line.beats)


async def test_other_peers_of_the_process_are_left_alone(connect):
    await connect()

    assert rtcicetransport.Connection is aioice.Connection
    assert RTCCertificate.generateCertificate() is not RTCCertificate.generateCertificate()
    assert "gather_candidates" not in vars(aioice.Connection(ice_controlling=True))
    stranger = RTCPeerConnection()
    stranger.createDataChannel("own")
    assert len(stranger.sctp.transport.transport._connection.local_username) == 4
    await stranger.close()


@pytest.mark.parametrize("host", ["0.0.0.0", "::1"])
async def test_port_may_be_on_every_address_or_on_ipv6(host):
    keeper = module.Peers(host, interval=0.05)
    await keeper.start()
    line = Line(MonitorClient(hosts=["::1"] if host == "::1" else None))

    await line.dial(keeper)
    await until(lambda: line.beats)

    await line.phone.close()
    await keeper.close()


async def test_taken_port_is_an_os_error(peers):
    with pytest.raises(OSError, match="in use"):
        await module.Peers("127.0.0.1", peers.port).start()


async def test_port_is_free_again_after_the_end(peers):
    port = peers.port
    await peers.close()

    async with running(port=port) as keeper:
        assert keeper.port == port


async def test_offer_over_the_cap_is_refused_as_busy(offer):
    async with running(max_peers=2) as keeper:
        first, _ = [await keeper.answer(offer, on_beat=ignore, on_state=ignore) for _ in range(2)]

        with pytest.raises(MonitorBusy) as refusal:
            await keeper.answer(offer, on_beat=ignore, on_state=ignore)
        await first.close()
        await keeper.answer(offer, on_beat=ignore, on_state=ignore)

    assert (refusal.value.code, refusal.value.status, refusal.value.retryable) == ("MONITOR_BUSY", 503, True)


async def test_cap_holds_for_offers_that_come_at_once(offer):
    async with running(max_peers=3) as keeper:
        answers = await asyncio.gather(
            *(keeper.answer(offer, on_beat=ignore, on_state=ignore) for _ in range(6)), return_exceptions=True
        )

        assert sum(isinstance(answer, MonitorBusy) for answer in answers) == 3
        assert keeper.open_count == 3


async def test_waiting_for_a_slot_ends_as_busy(peers, offer, monkeypatch):
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.1)
    for _ in range(module.SETUPS):
        await peers.answer(offer, on_beat=ignore, on_state=ignore)

    with pytest.raises(MonitorBusy):
        await peers.answer(offer, on_beat=ignore, on_state=ignore)

    assert peers.open_count == module.SETUPS


async def test_client_that_never_comes_gives_its_slot_back_in_time(peers, offer, monkeypatch):
    monkeypatch.setattr(module, "SETUP_SLOT_SECONDS", 0.1)

    for _ in range(2 * module.SETUPS):
        await peers.answer(offer, on_beat=ignore, on_state=ignore)

    assert peers.open_count == 2 * module.SETUPS


async def test_set_up_and_refused_peers_give_their_slots_back(peers, connect):
    lines = [await connect() for _ in range(3)]
    await until(lambda: all(line.states for line in lines))

    await until(lambda: peers._slots._value == module.SETUPS)
    await peers.close()

    assert peers._slots._value == module.SETUPS


async def test_closing_ends_every_peer_and_refuses_new_ones(connect, peers, offer):
    lines = [await connect() for _ in range(4)]

    await peers.close()

    assert [line.states for line in lines] == [["open", "closed"]] * 4
    assert (peers.open_count, peers.mux.legs, peers.mux.sources) == (0, 0, 0)
    with pytest.raises(MonitorBusy):
        await peers.answer(offer, on_beat=ignore, on_state=ignore)


async def test_certificate_is_shared_for_a_day():
    certificate = module.DailyCertificate()

    first, later, next_day = (certificate.get(at=at) for at in (10.0, 86_000.0, 86_500.0))

    assert first is later
    assert next_day is not first


def tracked() -> int:
    for _ in range(3):
        gc.collect()
    return len(gc.get_objects())


async def cycle(keeper) -> None:
    line = Line(MonitorClient(hosts=HOSTS))
    await line.dial(keeper)
    await line.phone.wait_open()
    await until(lambda: line.beats)
    await line.phone.close()
    await until(lambda: "lost" in line.states)


async def cycles(keeper, *, times: int) -> None:
    """So many phones that open, beat once and hang up, ten at a time."""
    for _ in range(times // 10):
        await asyncio.gather(*(cycle(keeper) for _ in range(10)))
    await until(lambda: keeper.open_count == 0)


async def test_two_hundred_cycles_leave_nothing(monkeypatch):
    monkeypatch.setattr(module, "SETUPS", 10)
    async with running() as keeper:
        await cycles(keeper, times=20)
        objects, files = tracked(), len(os.listdir("/proc/self/fd"))

        await cycles(keeper, times=200)

        assert tracked() - objects < 200  # one object a cycle would be a leak
        assert len(os.listdir("/proc/self/fd")) == files
        assert (keeper.mux.legs, keeper.mux.sources, keeper._waiting) == (0, 0, 0)


def test_uvloop_carries_the_port_too():
    async def story() -> None:
        async with running() as keeper:
            await cycle(keeper)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(story())


def test_collector_is_tuned_and_stays_on():
    gc.unfreeze()
    gc.set_threshold(700, 10, 10)

    tune_gc()

    assert gc.isenabled()
    assert gc.get_threshold() == (5000, 20, 50)
    assert gc.get_freeze_count() > 0
