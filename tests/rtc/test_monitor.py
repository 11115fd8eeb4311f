"""A monitor and its phone, over real ICE, DTLS and SCTP on the loopback."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

import romantic
from romantic.rtc import BadSdp
from romantic.rtc.client import MonitorClient

from .conftest import HOSTS, until

ROOT = Path(romantic.__file__).parents[1]
PHONE = """
import asyncio, json, sys
from romantic.rtc.client import MonitorClient

async def main():
    phone = MonitorClient(rx=lambda: {"a": 7}, hosts=("127.0.0.1",))
    print(json.dumps(await phone.offer()), flush=True)
    await phone.accept(json.loads(sys.stdin.readline()))
    await phone.wait_open()
    await asyncio.to_thread(sys.stdin.readline)
    await phone.close()

asyncio.run(main())
"""


def ignore(_: object) -> None:
    return None


async def test_channel_opens_and_beats_flow(connect):
    received = iter(range(0, 100_000, 1000))
    line = await connect(
        phone={
            "rx": lambda: {"a": next(received), "v": 5},
            "tx": lambda: {"a": 3},
            "quality": lambda: {"rttMs": 41, "pair": "srflx/prflx"},
        }
    )

    await until(lambda: len(line.beats) >= 3)

    first, second, third = line.beats[:3]
    assert [first.n, second.n, third.n] == line.phone.pings[:3]
    assert first.at < second.at < third.at
    assert [first.rx, second.rx, third.rx] == [5, 1005, 2005]
    assert (first.tx, first.quality) == (3, {"rttMs": 41, "pair": "srflx/prflx"})
    assert line.states == ["open"]


async def test_round_trip_jitter_and_loss_are_measured_by_the_server(connect):
    line = await connect()

    await until(lambda: len(line.beats) >= 5)

    assert 0 < line.peer.rtt_ms < 500
    assert 0 <= line.peer.jitter_ms < 500
    assert line.peer.loss == 0.0
    assert line.peer.pair == "host/prflx"
    assert 0 < line.peer.opened_after_ms < 8000


async def test_address_of_the_phone_is_the_one_the_port_saw(connect):
    line = await connect()

    await until(lambda: line.peer.sources)

    assert {host for host, _ in line.peer.sources} == {"127.0.0.1"}


async def test_phone_of_another_process_is_monitored(peers):
    phone = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PHONE, stdin=PIPE, stdout=PIPE, cwd=ROOT
    )
    beats, states = [], []

    offer = json.loads(await phone.stdout.readline())
    peer = await peers.answer(offer, on_beat=beats.append, on_state=states.append)
    phone.stdin.write(json.dumps(peer.answer_sdp).encode() + b"\n")
    await until(lambda: len(beats) >= 3)
    phone.stdin.write(b"bye\n")
    await until(lambda: states == ["open", "lost"])

    assert await phone.wait() == 0
    assert beats[0].rx == 7


@pytest.mark.parametrize(
    "message",
    [
        '{"t":"pong","n":1}',  # replayed: answered already
        '{"t":"pong","n":999}',
        '{"t":"pong","n":true}',
        '{"t":"pong"}',
        '{"t":"ping","n":1}',
        "[1,2]",
        "7",
        "null",
        "",
        "{",
        "[" * 500,
        '{"t":"pong","n":1e999}',
        '{"t":"pong","n":NaN}',
        b"\x00\xff",
        b"",
    ],
)
async def test_message_that_answers_nothing_is_no_evidence_and_no_harm(connect, message):
    line = await connect()
    await until(lambda: line.beats)
    line.phone.stop_answering()
    pings = len(line.phone.pings)
    await until(lambda: len(line.phone.pings) > pings + 2)
    beats, received = len(line.beats), line.peer._received

    line.phone.channel.send(message)
    await until(lambda: line.peer._received > received)

    assert len(line.beats) == beats
    assert (line.peer.state, line.states) == ("open", ["open"])


async def test_phone_that_answers_again_is_heard_again(connect):
    line = await connect()
    line.phone.stop_answering()
    await until(lambda: len(line.phone.pings) > 3)
    beats = len(line.beats)

    line.phone.channel.send(json.dumps({"t": "pong", "n": line.phone.pings[-1]}))

    await until(lambda: len(line.beats) == beats + 1)


async def test_exception_in_a_callback_does_not_close_the_peer(connect):
    beats = []

    def fail(beat):
        beats.append(beat)
        raise RuntimeError("a bug in the meter")

    line = await connect(on_beat=fail, on_state=fail)

    await until(lambda: len(beats) >= 4)
    assert line.peer.state == "open"


async def test_flood_of_messages_closes_the_peer(connect):
    line = await connect()

    for _ in range(400):
        line.phone.channel.send('{"t":"pong","n":0}')

    await until(lambda: line.states == ["open", "closed"])


async def test_message_over_512_bytes_closes_the_peer(connect):
    line = await connect()

    line.phone.channel.send("é" * 257)

    await until(lambda: line.states == ["open", "closed"])


async def test_honest_phone_is_never_taken_for_a_flood(connect):
    line = await connect(
        phone={"rx": lambda: {"a": 2**52, "v": 2**52}, "tx": lambda: {"a": 2**52, "v": 2**52}}
    )

    await until(lambda: len(line.beats) >= 40)

    assert line.states == ["open"]


@pytest.mark.parametrize("label", ["monitor", "other"])
async def test_second_channel_closes_the_peer(connect, label):
    line = await connect()

    line.phone._connection.createDataChannel(label)

    await until(lambda: line.states == ["open", "closed"])


async def test_phone_that_hangs_up_is_lost_and_forgotten(connect, peers):
    line = await connect()

    await line.phone.close()

    await until(lambda: line.states == ["open", "lost"])
    await until(lambda: peers.open_count == peers.mux.legs == peers.mux.sources == 0)
    assert line.peer.pair == "host/prflx"


async def test_phone_that_closes_only_the_channel_is_lost(connect, peers):
    line = await connect()

    line.phone.channel.close()

    await until(lambda: line.states == ["open", "lost"])
    await until(lambda: peers.open_count == 0)


async def test_closing_tells_the_phone_and_reports_once(connect, peers):
    line = await connect()

    await asyncio.gather(line.peer.close(), line.peer.close())
    await line.peer.close()

    assert line.states == ["open", "closed"]
    assert peers.open_count == 0
    await until(line.phone.closed.is_set)


async def test_no_ping_leaves_after_the_end(connect):
    line = await connect()
    await until(lambda: line.beats)

    await line.peer.close()
    sent = line.peer.beats.sent
    line.peer._tick()

    assert line.peer.beats.sent == sent
    assert line.peer._timer.cancelled()


async def test_offer_without_a_phone_behind_it_times_out(peers, offer):
    states = []
    peers._setup_timeout = 0.2

    peer = await peers.answer(offer, on_beat=ignore, on_state=states.append)

    await until(lambda: states == ["setup-timeout"])
    await until(lambda: peers.open_count == peers.mux.legs == 0)
    assert peer.opened_after_ms is None


async def test_caller_that_goes_away_half_way_leaves_no_peer(peers, offer):
    answering = asyncio.ensure_future(peers.answer(offer, on_beat=ignore, on_state=ignore))
    while not peers.open_count:
        await asyncio.sleep(0)

    answering.cancel()

    await until(lambda: peers.open_count == peers.mux.legs == 0)
    assert answering.cancelled()


async def test_new_offer_means_a_new_peer(peers, connect):
    first = await connect()
    second = await connect()

    await first.peer.close()
    beats = len(second.beats)

    await until(lambda: len(second.beats) > beats)
    assert peers.open_count == 1


async def test_certificate_of_the_phone_must_be_the_one_it_announced(peers):
    phone, states = MonitorClient(hosts=HOSTS), []
    offer = await phone.offer()
    before, _, rest = offer.partition("a=fingerprint:sha-256 ")
    forged = f"{before}a=fingerprint:sha-256 {'00:' * 31}00\r\n{rest.partition(chr(10))[2]}"

    peer = await peers.answer(forged, on_beat=ignore, on_state=states.append)
    await phone.accept(peer.answer_sdp)

    await until(lambda: states == ["lost"])
    await phone.close()


async def test_refusal_reaches_callers_with_its_code(peers):
    with pytest.raises(BadSdp) as refusal:
        await peers.answer("v=0", on_beat=ignore, on_state=ignore)

    assert (refusal.value.code, refusal.value.status, refusal.value.retryable) == ("BAD_SDP", 400, False)
