"""The peer-to-peer leg of a call as a phone has it: real audio and video, trickled candidates, measured."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.contrib.media import MediaBlackhole
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack
from aiortc.sdp import candidate_from_sdp

from romantic.rtc.client import gather_from

Candidate = dict[str, Any]

CLOCK_RATES = {"audio": 48_000, "video": 90_000}  # per second, of Opus and of every video codec in RTP
MEASURE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Measured:
    """What one phone's getStats says; None where nothing was measured yet."""

    bytes_received: int = 0
    bytes_sent: int = 0
    audio_packets: int = 0
    video_packets: int = 0
    rtt_ms: float | None = None
    jitter_ms: float | None = None  # of the audio
    loss_pct: float | None = None
    pair: str | None = None  # types of the two candidates in use, ours first


class Leg:
    """One side of a call: silence and a green picture out, whatever comes in thrown away.

    `hosts` are the addresses to gather; by default every one of the machine and the loopback.
    """

    def __init__(self, *, hosts: Sequence[str] | None = None, video: bool = True) -> None:
        bundled = RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        self._connection = RTCPeerConnection(bundled)
        self._sink = MediaBlackhole()
        self._flowing = asyncio.Event()
        self._early: list[Candidate | None] | None = []  # until there is a description to add them to
        self._watch: asyncio.Task[None] | None = None
        self.measured = Measured()
        self._video = video
        for track in (AudioStreamTrack(), VideoStreamTrack())[: 2 if video else 1]:
            self._connection.addTrack(track)
        self._ice = self._connection.getSenders()[0].transport.transport._connection
        gather_from(self._ice, hosts=hosts)
        self._connection.on("track", self._receive)
        self._connection.on("connectionstatechange", self._state_changed)

    async def offer(self) -> str:
        """Gather, and the offer without its candidates: they follow one by one."""
        await self._connection.setLocalDescription(await self._connection.createOffer())
        return self._bare()

    async def answer(self, offer: str) -> str:
        """Take an offer and return the answer, without its candidates."""
        await self._take("offer", offer)
        await self._connection.setLocalDescription(await self._connection.createAnswer())
        return self._bare()

    async def accept(self, answer: str) -> None:
        """Take the answer; the connection comes up by itself from here."""
        await self._take("answer", answer)

    @property
    def candidates(self) -> list[Candidate | None]:
        """Our candidates as a browser trickles them, null at the end."""
        lines = {line[2:]: None for line in self._lines() if line.startswith("a=candidate:")}
        return [*({"candidate": line, "sdpMid": "0", "sdpMLineIndex": 0} for line in lines), None]

    async def add_candidate(self, candidate: Candidate | None) -> None:
        """Take one of the other side's candidates, also before its description is here."""
        if self._early is not None:
            self._early.append(candidate)
            return
        parsed = None
        if candidate is not None:
            parsed = candidate_from_sdp(candidate["candidate"].removeprefix("candidate:"))
            parsed.sdpMid, parsed.sdpMLineIndex = candidate["sdpMid"], candidate["sdpMLineIndex"]
        await self._connection.addIceCandidate(parsed)

    async def wait_flowing(self, within: float) -> None:
        """Wait until audio, and video where there is any, has come in; TimeoutError if it does not."""
        async with asyncio.timeout(within):
            await self._flowing.wait()

    def counters(self, direction: str) -> dict[str, int]:
        """`rx` or `tx` for the monitor: one bundled transport, so audio counts as video."""
        return {"v": self.measured.bytes_received if direction == "rx" else self.measured.bytes_sent}

    def quality(self) -> dict[str, Any]:
        """`q` for the monitor: what is known of it."""
        names = {"rttMs": "rtt_ms", "lossPct": "loss_pct", "jitterMs": "jitter_ms", "pair": "pair"}
        values = asdict(self.measured)
        return {name: values[ours] for name, ours in names.items() if values[ours] is not None}

    async def close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch
        await self._sink.stop()
        await self._connection.close()

    async def _take(self, kind: str, sdp: str) -> None:
        await self._connection.setRemoteDescription(RTCSessionDescription(sdp=sdp, type=kind))
        await self._sink.start()
        early, self._early = self._early or [], None
        for candidate in early:
            await self.add_candidate(candidate)

    def _lines(self) -> list[str]:
        return str(self._connection.localDescription.sdp).splitlines()

    def _bare(self) -> str:
        ends = ("a=candidate:", "a=end-of-candidates")
        return "".join(f"{line}\r\n" for line in self._lines() if not line.startswith(ends))

    def _receive(self, track: MediaStreamTrack) -> None:
        self._sink.addTrack(track)

    def _state_changed(self) -> None:
        if self._connection.connectionState == "connected" and self._watch is None:
            self._watch = asyncio.create_task(self._measure())

    async def _measure(self) -> None:
        while True:
            self.measured = self._read([*(await self._connection.getStats()).values()])
            if self.measured.audio_packets and (self.measured.video_packets or not self._video):
                self._flowing.set()
            await asyncio.sleep(MEASURE_SECONDS)

    def _read(self, stats: list[Any]) -> Measured:
        inbound = {one.kind: one for one in stats if one.type == "inbound-rtp"}
        trips = [one.roundTripTime for one in stats if one.type == "remote-inbound-rtp"]
        known = [seconds for seconds in trips if seconds]
        transport = next(one for one in stats if one.type == "transport")
        received = sum(one.packetsReceived for one in inbound.values())
        lost = sum(max(0, one.packetsLost) for one in inbound.values())
        audio = inbound.get("audio")
        return Measured(
            bytes_received=transport.bytesReceived,
            bytes_sent=transport.bytesSent,
            audio_packets=audio.packetsReceived if audio else 0,
            video_packets=inbound["video"].packetsReceived if "video" in inbound else 0,
            rtt_ms=round(1000 * min(known), 2) if known else None,
            jitter_ms=round(1000 * audio.jitter / CLOCK_RATES["audio"], 2) if audio else None,
            loss_pct=round(100 * lost / (received + lost), 2) if received else None,
            pair=self._pair(),
        )

    def _pair(self) -> str | None:
        pair = self._ice._nominated.get(1)
        return f"{pair.local_candidate.type}/{pair.remote_candidate.type}" if pair is not None else None
