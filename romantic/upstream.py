"""What the outside world costs us: every call to a provider, for the metrics and the line of the request."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from time import perf_counter

from romantic import metrics


@dataclass(slots=True)
class Upstream:
    """Seconds one request has waited for providers."""

    seconds: float = 0.0


_TALLY: ContextVar[Upstream | None] = ContextVar("upstream", default=None)


def count_upstream() -> Upstream:
    """Begin a tally for the current task."""
    tally = Upstream()
    _TALLY.set(tally)
    return tally


@contextmanager
def upstream(provider: str, operation: str) -> Iterator[None]:
    """One call to a provider: timed, and failed if it raises. Both names are ours, so labels stay bounded."""
    began, outcome = perf_counter(), "failed"
    try:
        yield
        outcome = "ok"
    finally:
        seconds = perf_counter() - began
        metrics.UPSTREAM_SECONDS.labels(provider, operation, outcome).observe(seconds)
        tally = _TALLY.get()
        if tally is not None:
            tally.seconds += seconds
