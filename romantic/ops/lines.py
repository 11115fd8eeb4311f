"""Metrics that follow from the canonical log lines: line and counter cannot tell different stories."""

from collections.abc import Callable, Mapping
from typing import Any

from structlog.typing import EventDict, WrappedLogger

from romantic import metrics

Line = Mapping[str, Any]

#: Where on its path an answered call failed, by how it ended.
FAILED_AT = {"not_connected": "setup", "ice_failed": "ice", "disconnected": "media", "unstable": "media"}


def count(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A processor: look at the line, change nothing."""
    follow = _FOLLOWERS.get(event.get("event", ""))
    if follow is not None:
        follow(event)
    return event


def _entry(line: Line) -> None:
    if line["is_test"]:  # the coins of robots go to and fro and are nobody's
        return
    metrics.LEDGER_ENTRIES.labels(line["kind"], line["reference_type"] or "none").inc()
    metrics.LEDGER_COINS.labels(line["kind"]).inc(abs(line["amount"]))


def _call(line: Line) -> None:
    if line["is_test"]:
        return
    kind = line["call_type"]
    metrics.CALLS.labels(kind, line["outcome"]).inc()
    metrics.CALL_ENDS.labels(line["end_reason"] or "none").inc()
    if line["setup_ms"] is not None:
        metrics.CALL_SETUP_SECONDS.labels(kind).observe(line["setup_ms"] / 1000)
    if line["connected_at"] is not None:
        metrics.CALL_SECONDS.labels(kind).observe(line["duration_s"])
    if line["duration_gap_s"] is not None:
        metrics.CALL_DISPUTED_SECONDS.observe(abs(line["duration_gap_s"]))
    if line["end_reason"] in FAILED_AT:
        metrics.CALL_PATH_FAILURES.labels(FAILED_AT[line["end_reason"]]).inc()
    for side in ("caller", "receiver"):
        _side(line, side)


def _side(line: Line, side: str) -> None:
    """What was not measured is not observed: null is not 0."""
    media = line["call_type"]
    if pair := line.get(f"ice_pair_{side}"):
        metrics.CALL_PATHS.labels(*pair.split("/")).inc()
    for name, family, scale in (
        ("mos", metrics.CALL_MOS.labels(media), 1.0),
        ("jitter_ms", metrics.CALL_JITTER_SECONDS.labels(media), 1e-3),
        ("rtt_ms", metrics.CALL_RTT_SECONDS, 1e-3),
        ("loss_pct", metrics.CALL_LOSS.labels(media), 1e-2),
    ):
        value = line.get(f"{name}_{side}")
        if value is not None:
            family.observe(value * scale)


def _socket(line: Line) -> None:
    code = line["close_code"]
    by = line["closed_by"]
    # A client may close with any of the thousand codes of RFC 6455's private range.
    known = code if by == "server" or (isinstance(code, int) and 1000 <= code <= 1015) else "other"
    metrics.WS_DISCONNECTS.labels(str(int(known)) if isinstance(known, int) else known, by).inc()
    metrics.WS_DURATION_SECONDS.observe(line["duration_s"])


_FOLLOWERS: dict[str, Callable[[Line], None]] = {
    "ledger.entry": _entry,
    "call.summary": _call,
    "ws.connection": _socket,
    "otp.send": lambda line: metrics.OTP.labels(line.get("channel", "whatsapp"), line["outcome"]).inc(),
    "otp.status": lambda line: metrics.OTP.labels(line.get("channel", "whatsapp"), line["status"]).inc(),
    "push.send": lambda line: metrics.PUSH.labels(line.get("platform", "unknown"), line["outcome"]).inc(),
    "webhook.in": lambda line: metrics.WEBHOOKS.labels(line["provider"], line["outcome"]).inc(),
    "purchase.opened": lambda _: metrics.PAYMENTS.labels("stripe", "opened").inc(),
    "purchase.mismatch": lambda _: metrics.PAYMENTS.labels("stripe", "mismatch").inc(),
    "purchase.provider_failed": lambda _: metrics.PAYMENTS.labels("stripe", "provider_failed").inc(),
    "probe.result": lambda line: metrics.PROBES.labels(line["verdict"]).inc(),
    "job.run": lambda line: metrics.JOBS.labels(line["job_kind"], line["outcome"]).inc(),
    "user.reported": lambda _: metrics.REPORTS.labels("opened").inc(),
}
