"""A breaker: who was asked in vain some times in a row is left alone for a moment (Nygard, Release It!)."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic


class Breaker:
    """Open after `failures` in a row, for `seconds`; then one caller at a time finds out."""

    def __init__(self, *, failures: int = 3, seconds: float = 3.0) -> None:
        self._most = failures
        self._seconds = seconds
        self._failures = 0
        self._open_until = 0.0

    def is_open(self) -> bool:
        """Whether to leave the provider alone; in doubt, the first who asks finds out for all."""
        now = monotonic()
        if now < self._open_until:
            return True
        if self._failures >= self._most:
            self._open_until = now + self._seconds
        return False

    @property
    def is_well(self) -> bool:
        """Whether the provider did what it was asked the last times, or was never asked."""
        return self._failures < self._most

    @property
    def seconds_left(self) -> float:
        """Until it is worth asking again."""
        return max(0.0, self._open_until - monotonic())

    @contextmanager
    def noting(self, fault: type[Exception]) -> Iterator[None]:
        """What is asked in here went well, or raised the fault."""
        try:
            yield
        except fault:
            self.failed()
            raise
        self.succeeded()

    def succeeded(self) -> None:
        self._failures, self._open_until = 0, 0.0

    def failed(self) -> None:
        self._failures += 1
        if self._failures >= self._most:
            self._open_until = monotonic() + self._seconds
