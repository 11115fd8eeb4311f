"""One line as monitoring plugins print it: status, text, and figures behind a bar."""

from romantic.cli.probe.figures import FIGURE, Figure, Threshold
from romantic.cli.probe.outcome import Outcome
from romantic.cli.probe.report import Report

#: The smallest a value can be, and of percentages and scores the largest.
RANGES = {"%": "0;100", "": "1;5", "ms": "0;", "s": "0;", "days": ";"}
MOST_TEXT = 600


def line(report: Report) -> str:
    """`ROMANTIC WARNING - data: loss … | rtt=51ms;300;600;0;` after the plugins' guidelines."""
    text = _text(report).replace("|", "/")[:MOST_TEXT]
    figures = " ".join(
        _performance(FIGURE[name], value, report.thresholds.get(FIGURE[name].threshold or ""))
        for name, value in report.figures.items()
    )
    return f"ROMANTIC {report.status.name} - {text}" + (f" | {figures}" if figures else "")


def _text(report: Report) -> str:
    run = report.gravest
    if run.stopped:
        return "the run was stopped"
    if run.troubles:
        return "; ".join(f"{rung.name}: {rung.cause}" for rung in run.troubles[:3])
    count = sum(rung.outcome is Outcome.OK for rung in run.rungs)
    skipped = sum(rung.outcome is Outcome.SKIP for rung in run.rungs)
    runs = f" in {len(report.runs)} runs" if len(report.runs) > 1 else ""
    return f"{count} steps ok, {skipped} skipped{runs}"


def _performance(figure: Figure, value: float, threshold: Threshold | None) -> str:
    """label=value[unit];warn;critical;min;max, where `3.6:` is a range that alerts below."""
    unit = "" if figure.unit == "days" else figure.unit
    end = ":" if threshold and threshold.low else ""
    limits = f"{threshold.warn:g}{end};{threshold.critical:g}{end}" if threshold else ";"
    return f"{figure.name}={value:.5g}{unit};{limits};{RANGES[figure.unit]}"
