"""The server's seat in a room: it hears what phones are told, answers monitor-offer, and keeps the meter."""

from collections.abc import Callable
from time import monotonic
from typing import Any
from uuid import UUID

import structlog

from romantic.calls.meter import Change, Meter
from romantic.realtime import Event
from romantic.rtc import Beat, Beats, MonitorPeer, Peers, State, estimated_mos
from romantic.rtc.quality import one_way

log = structlog.get_logger()


class Leg:
    """One party's path to the server: its monitor peer, or beats over the socket where that fails."""

    def __init__(self) -> None:
        self.peer: MonitorPeer | None = None
        self.beats: Beats | None = None  # over the socket
        self.pair: str | None = None  # of the party's peer-to-peer leg, in its own words
        self.reconnects = 0

    @property
    def measured(self) -> Beats | None:
        if self.beats is not None:
            return self.beats
        return self.peer.beats if self.peer is not None else None

    def summary(self) -> dict[str, float | None]:
        """RTT and jitter in ms, loss in percent, estimated MOS; None where nothing was measured."""
        beats = self.measured
        rtt = beats.rtt_median_ms() if beats is not None else None
        if beats is None or rtt is None:
            return {"rtt_ms": None, "jitter_ms": None, "loss_pct": None, "mos": None}
        mos = estimated_mos(
            rtt_ms=rtt, jitter_ms=beats.jitter_ms, loss=one_way(round_trip_loss=beats.loss)
        )
        return {
            "rtt_ms": round(rtt, 1),
            "jitter_ms": round(beats.jitter_ms, 1),
            "loss_pct": round(100 * beats.loss, 1),
            "mos": round(mos, 2),
        }


class Monitor:
    """Turns what it hears in the room, on sockets and on its channels into evidence for the meter."""

    def __init__(self, meter: Meter, parties: tuple[UUID, UUID], *, ping: Callable[[UUID, int], None]) -> None:
        self.meter = meter
        self.legs = {party: Leg() for party in parties}
        self.p2p_claimed = False
        self.offered = False
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
        except Exception:
            self._fall_back(leg)
            raise
        old, leg.peer, leg.beats = leg.peer, peer, None
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

    def tick(self, at: float) -> list[Change]:
        """Judge the evidence so far, and ping the parties whose beats come over the socket."""
        for user_id, leg in self.legs.items():
            if leg.beats is not None:
                self._ping(user_id, leg.beats.ping(at))
        return self.meter.tick(at=at)

    async def close(self) -> None:
        for leg in self.legs.values():
            if leg.peer is not None:
                await leg.peer.close()

    def _beat(self, user_id: UUID, beat: Beat, via: str = "udp") -> None:
        pair = (beat.quality or {}).get("pair")
        if pair is not None:
            self.legs[user_id].pair = pair
        self.p2p_claimed = self.p2p_claimed or pair is not None or bool(beat.rx)
        self.meter.beat(user_id, at=beat.at, rx=beat.rx, via="ws" if via == "ws" else "udp")

    def _peer_is(self, user_id: UUID, state: State) -> None:
        log.info("monitor.changed", user_id=str(user_id), state=state)
        if state == "setup-timeout":
            self._fall_back(self.legs[user_id])

    @staticmethod
    def _fall_back(leg: Leg) -> None:
        """No channel came up: the same beats go over the socket from now on."""
        if leg.beats is None:
            leg.beats = Beats()
