"""The billable clock of one call: a state machine over instants, with no clock, socket or SQL inside."""

from dataclasses import dataclass
from math import inf
from typing import Any, Literal, Self
from uuid import UUID

from romantic.calls.evidence import Level, MeterRules, Party, Via

Pair = tuple[UUID, UUID]
State = Literal["waiting", "billing", "suspect", "ended"]
Reason = Literal["disconnected", "unstable"]


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


class Meter:
    """Bills only the time that both parties prove, so one alone can shorten or end it, never inflate it.

    Every `at` is monotonic seconds; an instant before one already seen counts as that one. Feed evidence
    before the tick of the same instant, tick at least once a second, and act on what the tick returns.
    """

    def __init__(self, parties: Pair, rules: MeterRules, *, ringing: bool = False) -> None:
        self.rules = rules
        self.state: State = "waiting"
        self.gaps = 0
        self.started_at: float | None = None
        self._parties = {user_id: Party(user_id, rules) for user_id in parties}
        self._ringing = ringing
        self._offer_relayed = self._answer_relayed = False
        self._latest = -inf
        self._billed = 0.0  # intervals that are closed
        self._opened_at = 0.0  # where the running interval began
        self._paused_at = 0.0  # where the clock stands when it does not run
        self._suspected_at = 0.0  # when the silence was noticed
        self._excused_until = -inf  # no silence ends the call before
        self._missing: UUID | None = None
        self._changes: list[Change] = []

    def pick_up(self, *, at: float) -> None:
        """The call is answered: what both showed while it rang was free, and counts from here."""
        self._ringing = False
        self._recover(at=self._advance(at))

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
            return max(self._excused_until, self._suspected_at + self.rules.grace_seconds)
        last = self._suspected_at if party.seen == -inf else party.seen
        return max(self._excused_until, last + self.rules.disconnect_seconds)

    def excuse(self, *, until: float) -> None:
        """The silence may be ours: it ends no call before that instant."""
        self._excused_until = max(self._excused_until, until)

    def seen_at(self, user_id: UUID) -> float | None:
        """The last evidence of a party at its level."""
        seen = self._parties[user_id].seen
        return None if seen == -inf else seen

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

    def shown(self, *, ahead: float) -> list[dict[str, Any]]:
        """What both have shown, for the clock of another process that is `ahead` of ours."""
        return [party.shown(ahead=ahead) for party in self._parties.values()]

    def go_on(self, shown: list[dict[str, Any]]) -> None:
        """Restored a moment after the other process stopped: its clock runs on from the last mutual evidence,
        and nobody was ever missed."""
        for party, one in zip(self._parties.values(), shown, strict=True):
            party.recall(one)
        self.state, self._opened_at = "billing", self._paused_at

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
        elif self._is_set_up():
            self.state, self.started_at, self._opened_at = "billing", at, at
            self._changes.append(Change("started", at))

    def _is_set_up(self) -> bool:
        is_agreed = self._offer_relayed and self._answer_relayed
        return not self._ringing and is_agreed and all(party.joined for party in self._parties.values())

    def _resume(self, *, at: float) -> None:
        gap = at - self._paused_at
        # Only monitors read counters, so a gap of a party at E1, or one before a restore, is never billed.
        carried = all(party.carried(since=self._paused_at) for party in self._parties.values())
        billed = carried and gap <= self.rules.dead_seconds + self.rules.grace_seconds
        self.state, self._opened_at = "billing", self._paused_at if billed else at
        self._excused_until = -inf
        self._changes.append(Change("resumed", at, self._missing, gap_seconds=gap, gap_billed=billed))
