"""The server's seat in a room: it hears what phones are told and what they show, and keeps the meter."""

from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any
from uuid import UUID

from romantic.calls.evidence import Via
from romantic.calls.leg import Legs
from romantic.calls.meter import Change, Meter
from romantic.calls.quality import Quality, QualityLog
from romantic.realtime import Event
from romantic.rtc import Beat


class Monitor:
    """Turns what it hears in the room, on sockets and on channels into evidence for the meter.

    `judge` tells how good a party's path is whenever the word for it changes.
    """

    def __init__(
        self,
        meter: Meter,
        parties: tuple[UUID, UUID],
        legs: Legs,
        *,
        judge: Callable[[UUID, Quality], None],
    ) -> None:
        self.meter = meter
        self.p2p_claimed = False
        self.offered = False
        self.quality = QualityLog(parties, tell=judge)
        self.follow(legs)

    def follow(self, legs: Legs) -> None:
        """Hear the beats of these paths from now on."""
        self.legs = legs
        legs.hear = self.beat

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

    def beat(self, user_id: UUID, beat: Beat, via: Via) -> None:
        """Evidence E2: an answered ping, at this node or at the party's own."""
        view = beat.quality or {}
        self.hear(user_id, view, at=beat.at)
        self.p2p_claimed = self.p2p_claimed or "pair" in view or bool(beat.rx)
        self.meter.beat(user_id, at=beat.at, rx=beat.rx, via=via)

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
        for user_id, leg in self.legs:
            if self.quality.is_empty(user_id):
                self.quality.judge(user_id, leg.quality(), pair=leg.pair, at=at, tell=False)

    def tick(self, at: float) -> list[Change]:
        """Judge the evidence so far."""
        for user_id, _ in self.legs:
            self.look(user_id, at=at)
        return self.meter.tick(at=at)
