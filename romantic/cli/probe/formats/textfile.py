"""The textfile a Prometheus node exporter collects; replaced in one step, so that nobody reads half of it."""

from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from romantic.cli.probe.figures import FIGURE
from romantic.cli.probe.outcome import Outcome, Status
from romantic.cli.probe.report import Report

TEXTS = {
    "mos": "Estimated MOS of a path, ITU-T G.107.",
    "rtt_seconds": "Round trip of a path.",
    "loss_ratio": "Packets lost on a path, of the worse direction.",
    "jitter_seconds": "Jitter of a path, RFC 3550.",
    "call_setup_seconds": "From the accept of the test call until its meter started.",
    "billed_seconds": "Seconds of the test call the server billed.",
    "meter_gap_seconds": "The server's meter against the probe's own clock.",
    "certificate_life_seconds": "How long the certificate is still good.",
    "http_seconds": "Time to the answer of /health/ready.",
}


def write(report: Report, path: Path) -> None:
    """The newest run, with medians over all of them for the figures."""
    registry = CollectorRegistry()
    run = report.runs[-1]
    _plain(
        registry,
        "success",
        "1 if no step of the newest run failed.",
        run.status in (Status.OK, Status.WARNING),
    )
    _plain(registry, "exit_code", "As of the command: 0 ok, 1 warning, 2 critical, 3 unknown.", run.status)
    _plain(registry, "last_run_timestamp_seconds", "When the newest run began.", run.started_at.timestamp())
    _plain(registry, "duration_seconds", "How long the newest run took.", run.seconds)
    success = _labelled(registry, "step_success", "1 if the step held, 0 if it failed.", "step")
    duration = _labelled(registry, "step_duration_seconds", "How long the step took.", "step")
    for rung in run.rungs:
        if rung.outcome is not Outcome.SKIP and rung.ms is not None:
            success.labels(rung.name).set(rung.outcome is not Outcome.FAIL)
            duration.labels(rung.name).set(rung.ms / 1000)
    _measure(registry, report)
    write_to_textfile(str(path), registry)


def _measure(registry: CollectorRegistry, report: Report) -> None:
    families: dict[str, Gauge] = {}
    for name, value in report.figures.items():
        metric, labels, scale = FIGURE[name].metric
        if metric not in families:
            families[metric] = _labelled(registry, metric, TEXTS[metric], *labels)
        family = families[metric].labels(**labels) if labels else families[metric]
        family.set(value * scale)


def _plain(registry: CollectorRegistry, name: str, text: str, value: float) -> None:
    _labelled(registry, name, text).set(value)


def _labelled(registry: CollectorRegistry, name: str, text: str, *labels: str) -> Gauge:
    return Gauge(f"romantic_probe_{name}", text, labels, registry=registry)
