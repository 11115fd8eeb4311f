"""What one of the two people of a call has shown: evidence, how long it is believed, and what it proves."""

from collections import deque
from dataclasses import dataclass, field
from math import inf
from typing import Any, Literal
from uuid import UUID

Level = Literal["E1", "E2"]
Via = Literal["ws", "udp"]

HISTORY = 40  # readings kept per party: ten seconds before a gap and the longest gap, at one a second
PACE_SECONDS = 10.0  # the pace of media before a gap is taken over this long
CARRIED_SHARE = 0.2  # of that pace must arrive across a gap for the gap to be billed
MAX_RX = 2**63  # counters are a stranger's word; beyond this they would not survive becoming a float


@dataclass(frozen=True, slots=True)
class MeterRules:
    """How long silence is believed. E1 is life on the socket, E2 a beat of the monitor."""

    suspect_seconds: float = 12.0  # E1: evidence is this fresh
    disconnect_seconds: float = 30.0  # E1: no evidence for this long ends the call
    dead_seconds: float = 3.5  # E2: a beat is this fresh
    grace_seconds: float = 15.0  # E2: suspect for this long ends the call
    flow_seconds: float = 6.0  # E2: received media has grown within, where it is reported
    max_gaps: int = 6
    require_monitor: bool = False  # E1 alone is never alive


@dataclass(slots=True)
class Party:
    """What one of the two people has shown. `rx` is its own word; the instants are ours."""

    user_id: UUID
    rules: MeterRules
    joined: bool = False
    level: Level = "E1"
    via: Via | None = None
    seen: float = -inf  # last evidence at its level
    rx: int | None = None
    grew_at: float = -inf  # when rx last grew
    grown: int = 0  # sum of the growth, blind to counters that start over
    readings: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=HISTORY))

    def is_alive(self, *, at: float) -> bool:
        if self.level == "E1":
            return not self.rules.require_monitor and at - self.seen <= self.rules.suspect_seconds
        flows = self.rx is None or at - self.grew_at <= self.rules.flow_seconds
        return flows and at - self.seen <= self.rules.dead_seconds

    def proof(self) -> float:
        """The last instant at which this party was surely there."""
        return self.seen if self.rx is None else min(self.seen, self.grew_at + self.rules.flow_seconds)

    def read(self, rx: int, *, at: float, trusted: bool) -> None:
        """Note a counter of received bytes; `trusted` lets the first reading open the flow window."""
        rx = max(0, min(rx, MAX_RX))
        growth = 0 if self.rx is None else max(0, rx - self.rx)
        if growth or (self.rx is None and trusted):
            self.grew_at = at
        self.rx = rx
        self.grown += growth
        self.readings.append((at, self.grown))

    def shown(self, *, ahead: float) -> dict[str, Any]:
        """All of it, fit for JSON, with instants on a clock that is `ahead` of ours."""
        return {
            "level": self.level,
            "via": self.via,
            "seen": None if self.seen == -inf else self.seen + ahead,
            "rx": self.rx,
            "grewAt": None if self.grew_at == -inf else self.grew_at + ahead,
            "grown": self.grown,
            "readings": [(at + ahead, grown) for at, grown in self.readings],
        }

    def recall(self, shown: dict[str, Any]) -> None:
        """Go on from what the party has shown another process."""
        self.joined, self.level, self.via = True, shown["level"], shown["via"]
        self.seen = -inf if shown["seen"] is None else shown["seen"]
        self.grew_at = -inf if shown["grewAt"] is None else shown["grewAt"]
        self.rx, self.grown = shown["rx"], shown["grown"]
        self.readings.extend((at, grown) for at, grown in shown["readings"])

    def carried(self, *, since: float) -> bool:
        """Whether media kept arriving after `since` at a fair share of the pace it had before."""
        before = [reading for reading in self.readings if since - PACE_SECONDS <= reading[0] <= since]
        if not before:
            return False
        (t0, n0), (t1, n1), (t2, n2) = before[0], before[-1], self.readings[-1]
        return 0 < CARRIED_SHARE * (n1 - n0) * (t2 - t1) <= (n2 - n1) * (t1 - t0)
