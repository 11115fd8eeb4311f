"""The billable clock of one call: a state machine over instants, with no clock, socket or SQL inside."""

from collections import deque
from dataclasses import dataclass, field
from math import inf
from typing import Literal, Self
from uuid import UUID

Pair = tuple[UUID, UUID]
Level = Literal["E1", "E2"]
Via = Literal["ws", "udp"]
State = Literal["waiting", "billing", "suspect", "ended"]
Reason = Literal["disconnected", "unstable"]

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


@dataclass(frozen=True, slots=True)
class Change:
    """A move of the meter. `user_id` is the party that is, or was, missing; None after a restore."""

    kind: Literal["started", "suspect", "resumed", "ended"]
    at: float
    user_id: UUID | None = None
    reason: Reason | None = None
    gap_seconds: float | None = None
    gap_billed: bool | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A meter at rest, fit for JSON: `Snapshot(**stored)`. Monotonic instants die with their process,
    so instants are ages in seconds. `billed_seconds` is what is owed if nobody comes back."""

    state: State
    billed_seconds: float
    started_ago: float | None  # None: never started
    opened_ago: float | None  # the running interval; None while the clock stands
    proven_ago: float | None  # the last mutual evidence
    levels: tuple[Level, Level]  # in the order of the parties
    gaps: int
    offer_relayed: bool
    answer_relayed: bool


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

    def carried(self, *, since: float) -> bool:
        """Whether media kept arriving after `since` at a fair share of the pace it had before."""
        before = [reading for reading in self.readings if since - PACE_SECONDS <= reading[0] <= since]
        if not before:
            return False
        (t0, n0), (t1, n1), (t2, n2) = before[0], before[-1], self.readings[-1]
        return 0 < CARRIED_SHARE * (n1 - n0) * (t2 - t1) <= (n2 - n1) * (t1 - t0)


class Meter:
    """Bills only the time that both parties prove, so one alone can shorten or end it, never inflate it.

    Every `at` is monotonic seconds; an instant before one already seen counts as that one. Feed evidence
    before the tick of the same instant, tick at least once a second, and act on what the tick returns.
    """

    def __init__(self, parties: Pair, rules: MeterRules) -> None:
        self.rules = rules
        self.state: State = "waiting"
        self.gaps = 0
        self.started_at: float | None = None
        self._parties = {user_id: Party(user_id, rules) for user_id in parties}
        self._offer_relayed = self._answer_relayed = False
        self._latest = -inf
        self._billed = 0.0  # intervals that are closed
        self._opened_at = 0.0  # where the running interval began
        self._paused_at = 0.0  # where the clock stands when it does not run
        self._suspected_at = 0.0  # when the silence was noticed
        self._missing: UUID | None = None
        self._changes: list[Change] = []

    def join(self, user_id: UUID, *, at: float) -> None:
        self._parties[user_id].joined = True
        self._recover(at=self._advance(at))

    def leave(self, user_id: UUID, *, at: float) -> None:
        """Leaving the room after the start does not stop the clock; missing evidence does."""
        self._parties[user_id].joined = False
        self._advance(at)

    def offer_relayed(self, *, at: float) -> None:
        self._offer_relayed = True
        self._recover(at=self._advance(at))

    def answer_relayed(self, *, at: float) -> None:
        self._answer_relayed = True
        self._recover(at=self._advance(at))

    def touch(self, user_id: UUID, *, at: float) -> None:
        """E1: a byte came in at `at`, which may lie in the past. Means nothing for a party at E2."""
        party = self._parties[user_id]
        if party.level == "E2":
            return
        now = self._advance(at)
        self._doubt(party, at=at)
        party.seen = max(party.seen, at)
        self._recover(at=now)

    def beat(self, user_id: UUID, *, at: float, rx: int | None = None, via: Via = "udp") -> None:
        """E2: the monitor answered; `rx` is how much media the party says it has received so far."""
        party = self._parties[user_id]
        now = self._advance(at)
        self._doubt(party, at=at)
        party.level, party.via = "E2", via
        party.seen = max(party.seen, at)
        if rx is not None:
            # A call begins at zero bytes, and a monitor may open before its media does: while the clock
            # runs, a first reading starts the flow window. After a restore it is no more than a baseline.
            trusted = self.state == "billing" or (self.state == "waiting" and rx > 0)
            party.read(rx, at=party.seen, trusted=trusted)
        self._recover(at=now)

    def tick(self, *, at: float) -> list[Change]:
        """Judge both parties; returns every change since the last tick, those caused by evidence too."""
        now = self._advance(at)
        self._doubt(*self._parties.values(), at=now)
        self._recover(at=now)
        changes, self._changes = self._changes, []
        return changes

    def stop(self, *, at: float) -> float:
        """End for a reason of the caller's own and return the billable seconds; repeats itself after."""
        billable = self.billable(at=at)
        if self.state == "billing":
            self._paused_at = self._until(at=self._advance(at))
        self._billed, self.state = billable, "ended"
        return billable

    def billable(self, *, at: float) -> float:
        """What `stop` would answer now. Sinks only when silence turns out to have begun earlier."""
        if self.state != "billing":
            return self._billed
        return self._billed + (self._until(at=max(at, self._latest)) - self._opened_at)

    @property
    def proven_at(self) -> float | None:
        """The last mutual evidence, up to which a loss is billed; None before the start."""
        return None if self.started_at is None else self._proven()

    def deadline(self, user_id: UUID) -> float:
        """While suspect: when the call ends unless this party, if it is missing, comes back."""
        party = self._parties[user_id]
        if party.level == "E2":
            return self._suspected_at + self.rules.grace_seconds
        last = self._suspected_at if party.seen == -inf else party.seen
        return last + self.rules.disconnect_seconds

    def level(self, user_id: UUID) -> Level:
        return self._parties[user_id].level

    def via(self, user_id: UUID) -> Via | None:
        return self._parties[user_id].via

    def snapshot(self, *, at: float) -> Snapshot:
        now, proven_at, running = max(at, self._latest), self._proven(), self.state == "billing"
        first, second = self._parties.values()
        return Snapshot(
            state=self.state,
            billed_seconds=self._billed + (proven_at - self._opened_at if running else 0.0),
            started_ago=None if self.started_at is None else now - self.started_at,
            opened_ago=now - self._opened_at if running else None,
            proven_ago=None if self.started_at is None else now - proven_at,
            levels=(first.level, second.level),
            gaps=self.gaps,
            offer_relayed=self._offer_relayed,
            answer_relayed=self._answer_relayed,
        )

    @classmethod
    def restore(cls, parties: Pair, rules: MeterRules, snapshot: Snapshot, *, at: float) -> Self:
        """Take a call over. A started one is suspect until both prove themselves again, counted from `at`;
        the time from the last mutual evidence to their return is never billed."""
        meter = cls(parties, rules)
        meter._latest = meter._suspected_at = at
        meter._offer_relayed, meter._answer_relayed = snapshot.offer_relayed, snapshot.answer_relayed
        for party, level in zip(meter._parties.values(), snapshot.levels, strict=True):
            party.level = level
        meter.gaps, meter._billed, meter.state = snapshot.gaps, snapshot.billed_seconds, snapshot.state
        if snapshot.started_ago is not None:
            meter.started_at = at - snapshot.started_ago
            meter._paused_at = at - (snapshot.proven_ago or 0.0)
            meter.state = "ended" if snapshot.state == "ended" else "suspect"
        return meter

    def _advance(self, at: float) -> float:
        self._latest = max(self._latest, at)
        return self._latest

    def _all_alive(self, *, at: float) -> bool:
        return all(party.is_alive(at=at) for party in self._parties.values())

    def _proven(self) -> float:
        if self.state != "billing":
            return self._paused_at
        return max(self._opened_at, min(party.proof() for party in self._parties.values()))

    def _until(self, *, at: float) -> float:
        """How far a running clock counts: to now if both prove, else to the last mutual evidence."""
        return at if self._all_alive(at=at) else self._proven()

    def _doubt(self, *parties: Party, at: float) -> None:
        """Hold silence against the given parties: the clock pauses, and past a deadline the call ends.

        Evidence judges its own party alone: the other one's may still be on its way into the same tick.
        """
        missing = [party for party in parties if not party.is_alive(at=at)]
        if missing and self.state == "billing":
            self._pause(min(missing, key=Party.proof))
        if missing and self.state == "suspect":
            first = min(missing, key=lambda party: (self.deadline(party.user_id), party.proof()))
            if at >= self.deadline(first.user_id):
                self._end("disconnected", user_id=first.user_id)

    def _pause(self, party: Party) -> None:
        self._paused_at = self._proven()
        self._billed += self._paused_at - self._opened_at
        self.state, self._suspected_at, self._missing = "suspect", self._latest, party.user_id
        self.gaps += 1
        self._changes.append(Change("suspect", self._latest, user_id=party.user_id))
        if self.gaps > self.rules.max_gaps:
            self._end("unstable", user_id=party.user_id)

    def _end(self, reason: Reason, *, user_id: UUID) -> None:
        self.state = "ended"
        self._changes.append(Change("ended", self._latest, user_id=user_id, reason=reason))

    def _recover(self, *, at: float) -> None:
        """Start or resume the clock if everything it needs is there."""
        if self.state not in ("waiting", "suspect") or not self._all_alive(at=at):
            return
        if self.state == "suspect":
            self._resume(at=at)
        elif self._offer_relayed and self._answer_relayed and all(p.joined for p in self._parties.values()):
            self.state, self.started_at, self._opened_at = "billing", at, at
            self._changes.append(Change("started", at))

    def _resume(self, *, at: float) -> None:
        gap = at - self._paused_at
        # Only monitors read counters, so a gap of a party at E1, or one before a restore, is never billed.
        carried = all(party.carried(since=self._paused_at) for party in self._parties.values())
        billed = carried and gap <= self.rules.dead_seconds + self.rules.grace_seconds
        self.state, self._opened_at = "billing", self._paused_at if billed else at
        self._changes.append(Change("resumed", at, self._missing, gap_seconds=gap, gap_billed=billed))
