"""The server's seat in a room: it hears what phones are told, answers monitor-offer, and keeps the meter."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict
from time import monotonic
from typing import Any
from uuid import UUID

import structlog

from romantic.calls.evidence import Via
from romantic.calls.meter import Change, Meter
from romantic.calls.quality import Quality, QualityLog
from romantic.realtime import Event
from romantic.rtc import Beat, Beats, MonitorBusy, MonitorPeer, Peers, State, estimated_mos
from romantic.rtc.quality import one_way

log = structlog.get_logger()


class Leg:
    """One party's path to the server: its monitor peer, or beats over the socket where that fails."""

    def __init__(self) -> None:
        self.peer: MonitorPeer | None = None
        self.beats: Beats | None = None  # over the socket
        self.pair: str | None = None  # of the party's peer-to-peer leg, in its own words
        self.reconnects = 0
        self.ping_at = 0.0

    def quality(self) -> Quality | None:
        """Of the transport in use, or of the one before where this one has measured nothing yet."""
        for beats in (self.beats, self.peer.beats if self.peer is not None else None):
            rtt = beats.rtt_median_ms() if beats is not None else None
            if beats is not None and rtt is not None:
                loss = one_way(round_trip_loss=beats.loss)
                mos = estimated_mos(rtt_ms=rtt, jitter_ms=beats.jitter_ms, loss=loss)
                measured = round(rtt, 1), round(beats.jitter_ms, 1), round(100 * beats.loss, 1)
                return Quality(*measured, mos=round(mos, 2))
        return None

    def summary(self) -> dict[str, float | None]:
        """RTT and jitter in ms, loss in percent, estimated MOS; None where nothing was measured."""
        quality = self.quality()
        if quality is None:
            return dict.fromkeys(("rtt_ms", "jitter_ms", "loss_pct", "mos"))
        return asdict(quality)


class Monitor:
    """Turns what it hears in the room, on sockets and on its channels into evidence for the meter.

    `ping` asks a party for a beat over its socket, `judge` tells how good a party's path is whenever the word
    for it changes.
    """

    def __init__(
        self,
        meter: Meter,
        parties: tuple[UUID, UUID],
        *,
        interval: float,
        ping: Callable[[UUID, int], None],
        judge: Callable[[UUID, Quality], None],
    ) -> None:
        self.meter = meter
        self.legs = {party: Leg() for party in parties}
        self.p2p_claimed = False
        self.offered = False
        self.quality = QualityLog(parties, tell=judge)
        self._interval = interval
        self._ping = ping

    def send(self, event: Event) -> None:
        """What the room tells its participants."""
        at = monotonic()
        if event.name == "user-joined":
            self.meter.join(event.data["userId"], at=at)
        elif event.name == "user-left":
            self.meter.leave(event.data["userId"], at=at)
        elif event.name == "webrtc-offer":
            self.offered = True
            self.meter.offer_relayed(at=at)
        elif event.name == "webrtc-answer":
            self.meter.answer_relayed(at=at)

    def touch(self, user_id: UUID, *, at: float) -> None:
        """Evidence E1: a byte of the party came in."""
        self.meter.touch(user_id, at=at)

    async def answer(self, peers: Peers, user_id: UUID, sdp: str) -> MonitorPeer:
        """Answer a party's offer with a new peer in place of the old; raises BadSdp, MonitorBusy."""
        leg = self.legs[user_id]
        try:
            peer = await peers.answer(
                sdp,
                on_beat=lambda beat: self._beat(user_id, beat),
                on_state=lambda state: self._peer_is(user_id, state),
            )
        except MonitorBusy:
            if leg.peer is None or leg.peer.is_over:
                self._fall_back(leg)
            raise
        old, leg.peer = leg.peer, peer
        if old is not None:
            leg.reconnects += 1
            await old.close()
        return peer

    def socket_beat(self, user_id: UUID, body: dict[str, Any]) -> None:
        """The same beat over the socket, where UDP to us does not get through."""
        beats = self.legs[user_id].beats
        beat = beats.take(body, at=monotonic()) if beats is not None else None
        if beat is not None:
            self._beat(user_id, beat, via="ws")

    def hear(self, user_id: UUID, view: Mapping[str, Any], *, at: float) -> None:
        """What a party says of its leg to the other, in numbers that can be: quality, never evidence."""
        leg = self.legs[user_id]
        leg.pair = view.get("pair", leg.pair)
        self.quality.hear(user_id, view, at=at)

    def look(self, user_id: UUID, *, at: float) -> bool:
        """Judge a party's path if that is due; whether it was."""
        if not self.quality.is_due(user_id, at=at):
            return False
        leg = self.legs[user_id]
        self.quality.judge(user_id, leg.quality(), pair=leg.pair, at=at)
        return True

    def conclude(self, *, at: float) -> None:
        """The call is about to end: a party nobody has looked at yet is looked at, for the record."""
        for user_id, leg in self.legs.items():
            if self.quality.is_empty(user_id):
                self.quality.judge(user_id, leg.quality(), pair=leg.pair, at=at, tell=False)

    def tick(self, at: float) -> list[Change]:
        """Judge the evidence so far, and ping the parties whose beats come over the socket."""
        for user_id, leg in self.legs.items():
            if leg.beats is not None and at >= leg.ping_at:
                leg.ping_at = at + self._interval
                self._ping(user_id, leg.beats.ping(at))
            self.look(user_id, at=at)
        return self.meter.tick(at=at)

    async def close(self) -> None:
        peers = [leg.peer for leg in self.legs.values() if leg.peer is not None]
        await asyncio.gather(*(peer.close() for peer in peers))

    def _beat(self, user_id: UUID, beat: Beat, via: Via = "udp") -> None:
        view = beat.quality or {}
        self.hear(user_id, view, at=beat.at)
        self.p2p_claimed = self.p2p_claimed or "pair" in view or bool(beat.rx)
        self.meter.beat(user_id, at=beat.at, rx=beat.rx, via=via)

    def _peer_is(self, user_id: UUID, state: State) -> None:
        log.info("monitor.changed", user_id=str(user_id), state=state)
        leg = self.legs[user_id]
        if state == "open":
            leg.beats = None
        elif state in ("setup-timeout", "lost"):
            self._fall_back(leg)

    @staticmethod
    def _fall_back(leg: Leg) -> None:
        """There is no channel: the same beats go over the socket until there is one."""
        if leg.beats is None:
            leg.beats = Beats()
