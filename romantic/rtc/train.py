"""A train of numbered packets, echoed by the client: round trip, jitter and the loss of either direction."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from statistics import median

#: Packets and pace of a train: with ten packets a path that loses 5 % got any verdict, with a hundred one.
PACKETS = 100
PACE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Figures:
    """What a train measured: milliseconds, and the fraction of 1 that each direction lost.

    None is "not measured": no round trip without an echo, and nothing about the way up if nothing came down.
    """

    rtt_ms: float | None
    rtt_p95_ms: float | None
    jitter_ms: float | None
    loss_up: float | None
    loss_down: float | None


class Train:
    """Numbers 0, 1, 2 … out, and their echoes in. Every `at` is monotonic seconds; no clock, no transport."""

    def __init__(self) -> None:
        self.sent = 0
        self._waiting: dict[int, float] = {}
        self._round_trips: list[float] = []
        self._arrived = 0  # as far as the client says
        self._jitter_ms = 0.0

    def send(self, at: float) -> int:
        """Number the next packet."""
        n, self.sent = self.sent, self.sent + 1
        self._waiting[n] = at
        return n

    def take(self, body: object, *, at: float) -> bool:
        """Read an echo `{"t": "e", "n": …, "c": …}`; False for all but the first answer to a number of ours.

        `c` is how many packets the client has received; a number that cannot be is bent to one that can.
        """
        if not isinstance(body, Mapping) or body.get("t") != "e":
            return False
        n, c = body.get("n"), body.get("c")
        left_at = self._waiting.pop(n, None) if isinstance(n, int) and not isinstance(n, bool) else None
        if left_at is None:
            return False
        self._time(1000 * max(0.0, at - left_at))
        claimed = c if isinstance(c, int) and not isinstance(c, bool) else 0
        self._arrived = min(self.sent, max(self._arrived, claimed, len(self._round_trips)))
        return True

    @property
    def echoed(self) -> int:
        return len(self._round_trips)

    def figures(self) -> Figures:
        """The loss down is what the client did not receive, up what did not come back of the rest."""
        if not self._round_trips:
            return Figures(None, None, None, None, 1.0 if self.sent else None)
        ordered = sorted(self._round_trips)
        return Figures(
            rtt_ms=median(ordered),
            rtt_p95_ms=ordered[ceil(0.95 * len(ordered)) - 1],
            jitter_ms=self._jitter_ms,
            loss_up=1 - len(ordered) / self._arrived,
            loss_down=1 - self._arrived / self.sent,
        )

    def _time(self, rtt_ms: float) -> None:
        if self._round_trips:
            # RFC 3550 section 6.4.1, with the round trip as the transit.
            self._jitter_ms += (abs(rtt_ms - self._round_trips[-1]) - self._jitter_ms) / 16
        self._round_trips.append(rtt_ms)
