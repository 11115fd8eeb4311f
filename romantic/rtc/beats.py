"""Numbered pings and what their pongs prove: life, round trip, jitter, loss; no clock, no transport."""

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from statistics import median
from typing import Any, Final

OUTSTANDING: Final = 30  # pings that may still be answered; older ones are no evidence any more
WINDOW: Final = 100  # pings the loss is taken over
ROUND_TRIPS: Final = 60  # round trips kept for the median
LATE_SECONDS: Final = 2.0  # unanswered for this long counts as lost, until it is answered after all

MAX_COUNTER: Final = 2**53 - 1  # what a JavaScript number can count
MAX_NUMBERS: Final = {"rttMs": 60_000.0, "lossPct": 100.0, "jitterMs": 60_000.0}
PAIR: Final = re.compile(r"(host|srflx|prflx|relay)/(host|srflx|prflx|relay)")


@dataclass(frozen=True, slots=True)
class Beat:
    """One answered ping. `n` and `at` are ours; the rest is the client's word about its own call."""

    n: int
    at: float  # monotonic seconds
    rx: int | None = None  # bytes of media received so far, audio and video
    tx: int | None = None
    quality: dict[str, Any] | None = None  # rttMs, lossPct, jitterMs, pair of its peer-to-peer leg


class Beats:
    """The numbers 1, 2, 3 … of one monitor. Every `at` is monotonic seconds."""

    def __init__(self) -> None:
        self.sent = 0
        self.answered = 0
        self.rtt_ms: float | None = None
        self.jitter_ms = 0.0  # RFC 3550 section 6.4.1, with the round trip as the transit
        self._outstanding: dict[int, float] = {}
        self._round_trips: deque[float] = deque(maxlen=ROUND_TRIPS)
        self._window: dict[int, float | None] = {}  # number to instant it left, None once answered
        self._latest = 0.0

    def ping(self, at: float) -> int:
        """Number the next ping."""
        self.sent += 1
        self._latest = at
        self._outstanding[self.sent] = self._window[self.sent] = at
        self._outstanding.pop(self.sent - OUTSTANDING, None)
        self._window.pop(self.sent - WINDOW, None)
        return self.sent

    def pong(self, n: int, at: float) -> bool:
        """Whether this answers a ping for the first time; False is no evidence of anything."""
        left_at = self._outstanding.pop(n, None)
        if left_at is None:
            return False
        self.answered += 1
        self._latest = max(self._latest, at)
        self._window[n] = None
        self._time(1000 * max(0.0, at - left_at))
        return True

    def take(self, body: object, *, at: float) -> Beat | None:
        """Read the body of a pong, from whichever transport; None where it proves nothing."""
        n = body.get("n") if isinstance(body, Mapping) else None
        if not isinstance(body, Mapping) or not isinstance(n, int) or isinstance(n, bool):
            return None
        if not self.pong(n, at):
            return None
        rx, tx = _bytes(body.get("rx")), _bytes(body.get("tx"))
        return Beat(n=n, at=at, rx=rx, tx=tx, quality=quality_of(body.get("q")))

    def rtt_median_ms(self, last: int = ROUND_TRIPS) -> float | None:
        """The median over the last round trips: means follow pauses of our own process."""
        recent = list(islice(reversed(self._round_trips), last))
        return median(recent) if recent else None

    @property
    def loss(self) -> float:
        """The fraction of recent pings without a pong, there and back; those in flight do not count."""
        due = self._latest - LATE_SECONDS
        lost = sum(1 for left_at in self._window.values() if left_at is not None and left_at <= due)
        kept = sum(1 for left_at in self._window.values() if left_at is None)
        return lost / (lost + kept) if lost else 0.0

    def _time(self, rtt_ms: float) -> None:
        if self.rtt_ms is not None:
            self.jitter_ms += (abs(rtt_ms - self.rtt_ms) - self.jitter_ms) / 16
        self.rtt_ms = rtt_ms
        self._round_trips.append(rtt_ms)


def _bytes(counters: object) -> int | None:
    """Audio and video together; a part that is no counter spoils the sum, which must not seem to shrink."""
    if not isinstance(counters, Mapping):
        return None
    parts = [_counter(counters[kind]) for kind in ("a", "v") if kind in counters]
    known = [part for part in parts if part is not None]
    return sum(known) if known and known == parts else None


def _counter(value: object) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= MAX_COUNTER else None


def quality_of(view: object) -> dict[str, Any] | None:
    """The known and plausible part of what the client says about its peer-to-peer leg."""
    if not isinstance(view, Mapping):
        return None
    known = {name: view[name] for name, top in MAX_NUMBERS.items() if _is_number(view.get(name), top=top)}
    pair = view.get("pair")
    if isinstance(pair, str) and PAIR.fullmatch(pair):
        known["pair"] = pair
    return known or None


def _is_number(value: object, *, top: float) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return 0 <= value <= top  # which NaN never is
