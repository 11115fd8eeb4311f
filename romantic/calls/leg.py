"""The paths of a call's phones to the server: monitor peers, and beats over the socket where those fail."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import asdict
from time import monotonic
from typing import Any
from uuid import UUID

import structlog

from romantic.calls.evidence import Via
from romantic.calls.quality import Quality
from romantic.emodel import estimated_mos, one_way
from romantic.rtc import Beat, Beats, MonitorBusy, MonitorPeer, Peers, State

log = structlog.get_logger()


class Leg:
    """One party's path to this node: its monitor peer, or beats over the socket where that fails."""

    def __init__(self) -> None:
        self.peer: MonitorPeer | None = None
        self.beats: Beats | None = None  # over the socket
        self.pair: str | None = None  # of the party's peer-to-peer leg, in its own words
        self.reconnects = 0
        self.ping_at = 0.0
        self.reported: Quality | None = None  # by the node the phone is connected to

    def quality(self) -> Quality | None:
        """Of the transport in use, or of the one before where this one has measured nothing yet."""
        for beats in (self.beats, self.peer.beats if self.peer is not None else None):
            rtt = beats.rtt_median_ms() if beats is not None else None
            if beats is not None and rtt is not None:
                loss = one_way(round_trip_loss=beats.loss)
                mos = estimated_mos(rtt_ms=rtt, jitter_ms=beats.jitter_ms, loss=loss)
                measured = round(rtt, 1), round(beats.jitter_ms, 1), round(100 * beats.loss, 1)
                return Quality(*measured, mos=round(mos, 2))
        return self.reported

    def summary(self) -> dict[str, float | None]:
        """RTT and jitter in ms, loss in percent, estimated MOS; None where nothing was measured."""
        quality = self.quality()
        if quality is None:
            return dict.fromkeys(("rtt_ms", "jitter_ms", "loss_pct", "mos"))
        return asdict(quality)


class Legs:
    """Both parties' paths to this node. They outlive a change of the call's keeper: `hear` is told the beats.

    `ping` asks a party for a beat over its socket.
    """

    def __init__(
        self, parties: tuple[UUID, UUID], *, interval: float, ping: Callable[[UUID, int], None]
    ) -> None:
        self.hear: Callable[[UUID, Beat, Via], None] = _unheard
        self._legs = {party: Leg() for party in parties}
        self._interval = interval
        self._ping = ping

    def __getitem__(self, user_id: UUID) -> Leg:
        return self._legs[user_id]

    def __iter__(self) -> Iterator[tuple[UUID, Leg]]:
        return iter(self._legs.items())

    async def answer(self, peers: Peers, user_id: UUID, sdp: str) -> MonitorPeer:
        """Answer a party's offer with a new peer in place of the old; raises BadSdp, MonitorBusy."""
        leg = self._legs[user_id]
        try:
            peer = await peers.answer(
                sdp,
                on_beat=lambda beat: self.hear(user_id, beat, "udp"),
                on_state=lambda state: self._peer_is(user_id, state),
            )
        except MonitorBusy:
            if leg.peer is None or leg.peer.is_over:
                self.fall_back(user_id)
            raise
        old, leg.peer = leg.peer, peer
        if old is not None:
            leg.reconnects += 1
            await old.close()
        return peer

    def socket_beat(self, user_id: UUID, body: dict[str, Any]) -> None:
        """The same beat over the socket, where UDP to us does not get through."""
        beats = self._legs[user_id].beats
        beat = beats.take(body, at=monotonic()) if beats is not None else None
        if beat is not None:
            self.hear(user_id, beat, "ws")

    def ping(self, at: float) -> None:
        """Ping the parties whose beats come over the socket, where that is due."""
        for user_id, leg in self:
            if leg.beats is not None and at >= leg.ping_at:
                leg.ping_at = at + self._interval
                self._ping(user_id, leg.beats.ping(at))

    def fall_back(self, user_id: UUID) -> None:
        """There is no channel: the same beats go over the socket until there is one."""
        leg = self._legs[user_id]
        if leg.beats is None:
            leg.beats = Beats()

    async def close(self) -> None:
        peers = [leg.peer for _, leg in self if leg.peer is not None]
        await asyncio.gather(*(peer.close() for peer in peers))

    def _peer_is(self, user_id: UUID, state: State) -> None:
        log.info("monitor.changed", user_id=str(user_id), state=state)
        if state == "open":
            self._legs[user_id].beats = None
        elif state in ("setup-timeout", "lost"):
            self.fall_back(user_id)


def _unheard(_user_id: UUID, _beat: Beat, _via: Via) -> None:
    """Between two keepers nobody counts beats."""
