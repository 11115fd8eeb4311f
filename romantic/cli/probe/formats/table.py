"""The run for a person: each step when it is done, and what to do about what is not well."""

from collections.abc import Sequence
from contextlib import ExitStack

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from romantic.cli.probe.figures import FIGURE, shown
from romantic.cli.probe.outcome import Outcome, Rung
from romantic.cli.probe.report import Report, Run, aggregate

COLOURS = {Outcome.OK: "green", Outcome.WARN: "yellow", Outcome.FAIL: "bold red", Outcome.SKIP: "dim"}
MOST_FIGURES = 5


class Progress:
    """Steps as they are done: a growing table on a terminal, plain lines elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._table = Table("step", "", "ms", "", box=None, pad_edge=False)
        self._open = ExitStack()

    def __enter__(self) -> "Progress":
        if self._console.is_terminal:
            self._open.enter_context(Live(self._table, console=self._console, vertical_overflow="visible"))
        return self

    def __exit__(self, *_: object) -> None:
        self._table.caption = None
        self._open.close()

    def starting(self, name: str) -> None:
        self._table.caption = f"{name} …"

    def tell(self, rung: Rung) -> None:
        took = "" if rung.ms is None else f"{rung.ms:.0f}"
        text = " · ".join(filter(None, (rung.facts, rung.cause)))
        advice = f"→ {rung.advice}" if rung.advice else ""
        if self._console.is_terminal:
            told = escape(text) + (f"\n[italic]{escape(advice)}[/]" if advice else "")
            colour = COLOURS[rung.outcome]
            self._table.add_row(rung.name, f"[{colour}]{rung.outcome}[/]", took, told)
            return
        print(f"{rung.name:12}  {rung.outcome:4}  {took:>6}  {text}".rstrip(), flush=True)
        if advice:
            print(f"{'':28}{advice}", flush=True)


def conclude(report: Report) -> str:
    """The last lines: how it went, and what was measured."""
    counts = ", ".join(f"{count} {outcome}" for outcome, count in _counts(report.runs).items() if count)
    figures = [
        f"{FIGURE[name].text} {shown(value, FIGURE[name].unit)}"
        for name, value in list(report.figures.items())[:MOST_FIGURES]
    ]
    runs = f"{len(report.runs)} runs: " if len(report.runs) > 1 else ""
    lines = [f"{runs}{report.verdict.upper()}: {counts} in {sum(run.seconds for run in report.runs):.1f} s."]
    return "\n".join(lines + ([", ".join(figures)] if figures else []))


def one_line(number: int, run: Run) -> str:
    """A run among many."""
    troubles = "; ".join(f"{rung.name}: {rung.cause}" for rung in run.troubles[:2]) or "all well"
    return f"{number:4}  {run.started_at:%H:%M:%S}  {run.status.name:8}  {run.seconds:5.1f} s  {troubles}"


def show_aggregate(report: Report, console: Console) -> None:
    """How often each step came to what, and how long it took."""
    table = Table(
        "step", "ok", "warn", "fail", "skip", "p50 ms", "p95 ms", "max ms", box=None, pad_edge=False
    )
    for row in aggregate(report.runs):
        counts = [str(row[outcome.value]) for outcome in Outcome]
        times = ["" if row[key] is None else f"{row[key]:.0f}" for key in ("p50Ms", "p95Ms", "maxMs")]
        table.add_row(row["name"], *counts, *times)
    console.print(table)


def _counts(runs: Sequence[Run]) -> dict[Outcome, int]:
    outcomes = [rung.outcome for run in runs for rung in run.rungs]
    return {outcome: outcomes.count(outcome) for outcome in Outcome}
