"""What the statements of one request cost, for its log line; and of all of them, for the metrics."""

from contextvars import ContextVar
from dataclasses import dataclass

from romantic import metrics


@dataclass(slots=True)
class Tally:
    """Statements that were run, the seconds they took, and those that memory spared."""

    count: int = 0
    seconds: float = 0.0
    spared: int = 0


_TALLY: ContextVar[Tally | None] = ContextVar("tally", default=None)


def count_queries() -> Tally:
    """Begin a tally for the current task: it grows with each statement the task runs."""
    tally = Tally()
    _TALLY.set(tally)
    return tally


def note_spared() -> None:
    """A statement was not needed: its answer was remembered."""
    tally = _TALLY.get()
    if tally is not None:
        tally.spared += 1


def note(query: str, seconds: float) -> None:
    """One statement, by its name, took this long."""
    metrics.DB_SECONDS.labels(query).observe(seconds)
    tally = _TALLY.get()
    if tally is not None:
        tally.count += 1
        tally.seconds += seconds
