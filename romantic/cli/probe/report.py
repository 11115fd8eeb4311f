"""What is left of one or many runs: the document every format is made of."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any
from uuid import uuid4

import aiortc

from romantic import __version__
from romantic.cli.probe.figures import FIGURE, FIGURES, Thresholds, percentile
from romantic.cli.probe.outcome import Outcome, Rung, Status, status_of, worst

SCHEMA = "romantic.probe/1"
VERDICTS = {
    Status.OK: "ok",
    Status.WARNING: "warning",
    Status.CRITICAL: "critical",
    Status.UNKNOWN: "unknown",
}
_GRAVE = (Outcome.FAIL, Outcome.WARN)


@dataclass(frozen=True, slots=True)
class Run:
    """One climb of the ladder. `series` are seconds of the call, as `Talk` measured them."""

    started_at: datetime
    seconds: float
    rungs: Sequence[Rung]
    series: Sequence[Mapping[str, Any]]
    stopped: bool

    @property
    def status(self) -> Status:
        """Of a run that was stopped nobody knows what the rest would have been."""
        return Status.UNKNOWN if self.stopped else status_of({rung.outcome for rung in self.rungs})

    @property
    def figures(self) -> dict[str, float]:
        return {name: value for rung in self.rungs for name, value in rung.figures.items()}

    @property
    def troubles(self) -> list[Rung]:
        """The steps that did not go well, the worst first."""
        bad = [rung for rung in self.rungs if rung.outcome in _GRAVE]
        return sorted(bad, key=lambda rung: _GRAVE.index(rung.outcome))


@dataclass(frozen=True, slots=True)
class Report:
    """All runs against one server."""

    target: str
    runs: Sequence[Run]
    thresholds: Thresholds

    @property
    def status(self) -> Status:
        if any(run.stopped for run in self.runs):
            return Status.UNKNOWN
        return worst({run.status for run in self.runs})

    @property
    def verdict(self) -> str:
        return VERDICTS[self.status]

    @property
    def figures(self) -> dict[str, float]:
        """The median of each figure over the runs, in the order people care about."""
        measured = self.measured
        return {name: median(measured[name]) for name in FIGURE if name in measured}

    @property
    def measured(self) -> dict[str, list[float]]:
        values: dict[str, list[float]] = {}
        for run in self.runs:
            for name, value in run.figures.items():
                values.setdefault(name, []).append(value)
        return values

    @property
    def gravest(self) -> Run:
        """The newest of the worst runs."""
        order = [Status.OK, Status.WARNING, Status.UNKNOWN, Status.CRITICAL]
        return max(enumerate(self.runs), key=lambda one: (order.index(one[1].status), one[0]))[1]

    def document(self) -> dict[str, Any]:
        """As config/api/probe.schema.json describes it."""
        last = self.runs[-1]
        return {
            "schema": SCHEMA,
            "target": self.target,
            "startedAt": _instant(self.runs[0].started_at),
            "seconds": round((last.started_at - self.runs[0].started_at).total_seconds() + last.seconds, 3),
            "verdict": self.verdict,
            "exitCode": int(self.status),
            "runs": [_run(run) for run in self.runs],
            "aggregate": {"steps": aggregate(self.runs), "figures": _spread(self.measured)},
            "thresholds": {
                one.name: {"warn": one.warn, "critical": one.critical, "unit": one.unit, "low": one.low}
                for one in self.thresholds.values()
            },
            "versions": {
                "romantic": __version__,
                "python": platform.python_version(),
                "aiortc": aiortc.__version__,
            },
        }


def aggregate(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Per step: how often it came to what, and how long it took, in milliseconds."""
    rows = []
    for name in [rung.name for rung in runs[0].rungs]:
        rungs = [rung for run in runs for rung in run.rungs if rung.name == name]
        times = [rung.ms for rung in rungs if rung.ms is not None]
        counts = {outcome.value: sum(rung.outcome is outcome for rung in rungs) for outcome in Outcome}
        shares = {"p50Ms": 0.5, "p95Ms": 0.95, "maxMs": 1.0}
        taken = {key: percentile(times, share) if times else None for key, share in shares.items()}
        rows.append({"name": name, **counts, **taken})
    return rows


def _run(run: Run) -> dict[str, Any]:
    return {
        "runId": str(uuid4()),
        "startedAt": _instant(run.started_at),
        "seconds": round(run.seconds, 3),
        "verdict": VERDICTS[run.status],
        "stopped": run.stopped,
        "steps": [_step(rung) for rung in run.rungs],
        "figures": {FIGURE[name].key: round(value, 4) for name, value in run.figures.items()},
        "series": list(run.series),
    }


def _step(rung: Rung) -> dict[str, Any]:
    return {
        "name": rung.name,
        "outcome": rung.outcome.value,
        "ms": rung.ms,
        "facts": rung.facts,
        "cause": rung.cause or None,
        "advice": rung.advice or None,
    }


def _spread(measured: Mapping[str, list[float]]) -> dict[str, Any]:
    return {
        figure.key: {
            "min": round(min(values), 4),
            "p50": round(percentile(values, 0.5), 4),
            "p95": round(percentile(values, 0.95), 4),
            "max": round(max(values), 4),
        }
        for figure in FIGURES
        if (values := measured.get(figure.name))
    }


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
