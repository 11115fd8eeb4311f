"""Which offers reach the WebRTC stack."""

import asyncio
import threading

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection

from romantic.rtc import BadSdp, passive_offer

from .conftest import until

VIDEO = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n"


def ignore(_: object) -> None:
    return None


def test_candidates_are_stripped_and_nothing_else(offer):
    stripped = passive_offer(offer)

    gone = set(offer.splitlines()) - set(stripped.splitlines())
    assert gone
    assert all(line.startswith(("a=candidate:", "a=end-of-candidates")) for line in gone)
    assert set(stripped.splitlines()) < set(offer.splitlines())


def test_offer_may_come_as_a_description_object(offer):
    assert passive_offer({"type": "offer", "sdp": offer}) == passive_offer(offer)


def twist(offer: str, kind: str) -> object:
    """The offer, made bad in one way."""
    section = offer[offer.index("m=application") :]
    return {
        "video": offer + VIDEO,
        "two applications": offer + section,
        "no section": offer[: offer.index("m=application")],
        "only audio": offer.replace("m=application", "m=audio"),
        "20 kB": offer + "a=x:" + "y" * 20_000 + "\r\n",
        "20 kB in 10 k characters": offer + "a=x:" + "é" * 10_000 + "\r\n",
        "answer": {"type": "answer", "sdp": offer},
        "answer as text": offer.replace("a=setup:actpass", "a=setup:active"),
        "garbage": "\x00\ud800 not a description",
        "garbage in a section": "v=0\r\nm=application nine\r\na=setup:actpass\r\n",
        "no credentials": "\r\n".join(line for line in offer.splitlines() if "ice-" not in line),
        "null": None,
        "list": [offer],
        "number": 7,
        "object without text": {"type": "offer", "sdp": {"v": 0}},
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        "video",
        "two applications",
        "no section",
        "only audio",
        "20 kB",
        "20 kB in 10 k characters",
        "answer",
        "answer as text",
        "garbage",
        "garbage in a section",
        "no credentials",
        "null",
        "list",
        "number",
        "object without text",
    ],
)
async def test_bad_offer_is_refused_and_leaves_nothing(peers, offer, kind):
    states: list[str] = []
    threads = threading.active_count()

    with pytest.raises(BadSdp):
        await peers.answer(twist(offer, kind), on_beat=ignore, on_state=states.append)

    await until(lambda: peers.open_count == peers.mux.legs == 0)
    assert states == []
    assert threading.active_count() <= threads


async def test_offer_of_a_real_video_call_is_refused(peers):
    phone = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    phone.addTransceiver("video")
    await phone.setLocalDescription(await phone.createOffer())

    with pytest.raises(BadSdp):
        await peers.answer(phone.localDescription.sdp, on_beat=ignore, on_state=ignore)

    await phone.close()


class Ear(asyncio.DatagramProtocol):
    """Hears every packet sent to its port."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.heard.append(data)


async def test_no_packet_goes_to_an_address_a_client_lists(peers, offer):
    loop = asyncio.get_running_loop()
    transport, ear = await loop.create_datagram_endpoint(Ear, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    hostile = (
        offer.replace("a=end-of-candidates\r\n", "")
        + f"a=candidate:1 1 udp 2130706431 127.0.0.1 {port} typ host\r\n"
        + f"a=candidate:2 1 udp 1694498815 127.0.0.1 {port} typ srflx raddr 10.0.0.1 rport 9\r\n"
        + "a=candidate:3 1 udp 2130706431 7d4c0f0e.local 9 typ host\r\n"
    )
    states: list[str] = []
    peers._setup_timeout = 0.5

    await peers.answer(hostile, on_beat=ignore, on_state=states.append)
    await until(lambda: states)

    transport.sendto(b"the ear works", ("127.0.0.1", port))
    await until(lambda: ear.heard)
    assert (states, ear.heard) == (["setup-timeout"], [b"the ear works"])
    transport.close()
