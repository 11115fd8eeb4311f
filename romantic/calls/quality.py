"""How good the paths of a call are: judged each few seconds, told when the word changes, written down.

Two views of a party: the server's monitor measures the leg to us; the client tells of its leg to the other
person, which is what people hear. Where the client tells enough, its view is the one that is told. Quality
only: nothing here ever touches the meter.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal
from uuid import UUID

from romantic.emodel import Level, estimated_mos, level

Source = Literal["monitor", "client"]

JUDGE_SECONDS: Final = 5.0  # how often a path is judged, and the least time between two words about it
FRESH_SECONDS: Final = 10.0  # a client's view that is older is history
MOST_SAMPLES: Final = 720  # of one party and source in one process: an hour of them
MOST_WAITING: Final = 64  # not written yet; while the database is away no more are kept


@dataclass(frozen=True, slots=True)
class Quality:
    """One view of a path: milliseconds, percent, estimated MOS."""

    rtt_ms: float
    jitter_ms: float | None
    loss_pct: float
    mos: float

    @property
    def level(self) -> Level:
        return level(self.mos)


def quality_by_client(view: Mapping[str, Any]) -> Quality | None:
    """What a client's own numbers come to; None where round trip or loss are missing."""
    rtt, loss, jitter = view.get("rttMs"), view.get("lossPct"), view.get("jitterMs")
    if rtt is None or loss is None:
        return None
    mos = estimated_mos(rtt_ms=rtt, jitter_ms=jitter or 0.0, loss=loss / 100)
    return Quality(float(rtt), jitter, float(loss), round(mos, 2))


class _Path:
    """One party's path as it was last seen and told."""

    def __init__(self) -> None:
        self.judge_at = 0.0
        self.view: Quality | None = None  # the client's
        self.view_at = 0.0
        self.level: Level | None = None  # as it was last told
        self.counts: dict[Source, int] = {"monitor": 0, "client": 0}


@dataclass(frozen=True, slots=True)
class Sample:
    """A view at an instant (monotonic seconds), with the client's word for its candidate pair."""

    user_id: UUID
    source: Source
    quality: Quality
    pair: str | None
    at: float

    def row(self, *, now: float) -> dict[str, Any]:
        names = {"user_id": str(self.user_id), "source": self.source, "pair": self.pair}
        return names | {"age": now - self.at} | asdict(self.quality)


class QualityLog:
    """The judgements of one call. `tell` hears of a party whose word has changed."""

    def __init__(self, parties: tuple[UUID, UUID], *, tell: Callable[[UUID, Quality], None]) -> None:
        self._paths = {party: _Path() for party in parties}
        self._tell = tell
        self._waiting: list[Sample] = []

    def hear(self, user_id: UUID, view: Mapping[str, Any], *, at: float) -> None:
        """A client tells of its leg; the numbers must be plausible already."""
        quality = quality_by_client(view)
        if quality is not None:
            path = self._paths[user_id]
            path.view, path.view_at = quality, at

    def is_due(self, user_id: UUID, *, at: float) -> bool:
        return at >= self._paths[user_id].judge_at

    def is_empty(self, user_id: UUID) -> bool:
        """Nothing was ever kept of this party."""
        return not any(self._paths[user_id].counts.values())

    def judge(
        self, user_id: UUID, measured: Quality | None, *, pair: str | None, at: float, tell: bool = True
    ) -> None:
        """Look at a path now: `measured` is the monitor's view. Without any view it is due again at once."""
        path = self._paths[user_id]
        view = path.view if at - path.view_at <= FRESH_SECONDS else None
        shown = view or measured
        if shown is None:
            return
        path.judge_at = at + JUDGE_SECONDS
        views: tuple[tuple[Source, Quality | None], ...] = (("monitor", measured), ("client", view))
        for source, quality in views:
            if quality is not None and path.counts[source] < MOST_SAMPLES:
                self._keep(Sample(user_id, source, quality, pair, at))
        if tell and shown.level != path.level:
            path.level = shown.level
            self._tell(user_id, shown)

    def take(self) -> list[Sample]:
        """What is not written yet, now the caller's to write, or to put back."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def put_back(self, samples: list[Sample]) -> None:
        self._waiting = [*samples, *self._waiting][:MOST_WAITING]

    def _keep(self, sample: Sample) -> None:
        if len(self._waiting) < MOST_WAITING:
            self._paths[sample.user_id].counts[sample.source] += 1
            self._waiting.append(sample)
