"""The monotonic clock of another node, as far as its messages tell."""

from math import inf

#: Clocks drift: what was heard longer ago than twice this is forgotten.
WINDOW_SECONDS = 30.0


class Clock:
    """How far the monotonic clock of another node is ahead of ours, at the least.

    A message says when it left there; that instant had passed when we heard of it, so the difference is too
    small by the time it travelled, and the largest of many is nearly right.
    """

    def __init__(self) -> None:
        self._began = -inf
        self._ahead = self._ahead_before = -inf

    def heard(self, at: float, *, now: float) -> None:
        """A message that left at `at` there arrives `now` here."""
        if now - self._began > WINDOW_SECONDS:
            is_old = now - self._began > 2 * WINDOW_SECONDS
            self._ahead_before, self._ahead = -inf if is_old else self._ahead, -inf
            self._began = now
        self._ahead = max(self._ahead, at - now)

    def read(self, at: float, *, now: float) -> float | None:
        """Our instant `at` there; None if nothing was heard lately."""
        if now - self._began > 2 * WINDOW_SECONDS:
            return None
        return at + max(self._ahead, self._ahead_before)
