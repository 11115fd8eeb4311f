"""What the ladder measures: names, units, thresholds, and what each is called in every format."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from romantic.cli.probe.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Threshold:
    """Where a figure becomes a warning, and where it is critical: above, or below where `low` is bad."""

    name: str
    unit: str
    warn: float
    critical: float
    about: str
    advice: str
    low: bool = False

    def judge(self, value: float) -> Outcome:
        """Ok, warn or fail; equal to a limit is still within it."""
        sign = -1 if self.low else 1
        if sign * value > sign * self.critical:
            return Outcome.FAIL
        return Outcome.WARN if sign * value > sign * self.warn else Outcome.OK

    @property
    def is_ordered(self) -> bool:
        return self.critical <= self.warn if self.low else self.warn <= self.critical


#: Round trips and loss: what Daily.co calls good and bad; jitter and MOS: the steps of Twilio's reports.
THRESHOLDS: Final = (
    Threshold(
        "http", "ms", 500, 2000, "the answer of /health/ready", "Look at the server's load and its database."
    ),
    Threshold(
        "certificate", "days", 21, 7, "life left to the certificate",
        "Renew the certificate, and look why it was not renewed by itself.", low=True,
    ),
    Threshold(
        "socket-rtt", "ms", 250, 1000, "round trip of a ping over the socket (median)",
        "Compare with rtt: if only this one is slow, the event loop or a proxy is.",
    ),
    Threshold(
        "rtt", "ms", 300, 600, "round trip over UDP (median)",
        "Probe from elsewhere; look at the path between.",
    ),
    Threshold(
        "jitter", "ms", 30, 60, "jitter over UDP (RFC 3550)",
        "Stop what else uses this line; look for a full queue.",
    ),
    Threshold(
        "loss", "%", 5, 10, "packets lost, in the worse direction",
        "Look at the path: Wi-Fi, a full line, a cable.",
    ),
    Threshold(
        "mos", "", 3.6, 3.0, "estimated MOS (ITU-T G.107)",
        "See loss, jitter and rtt: the score follows from them.", low=True,
    ),
    Threshold(
        "setup", "s", 3, 10, "from accepting a call until its meter starts",
        "See which of the steps before was slow: socket, stun, ice.",
    ),
    Threshold(
        "meter-gap", "s", 2, 5, "the server's meter against our own clock",
        "Compare the call's timeline on the server; is its loop late?",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing that is measured. `key` is its name in JSON, `metric` its family, labels and scale."""

    name: str
    key: str
    unit: str
    text: str
    threshold: str | None
    metric: tuple[str, Mapping[str, str], float]


_SERVER, _CALL, _SOCKET = {"path": "server"}, {"path": "call"}, {"path": "socket"}

#: In the order people care about; the report's page shows the first that were measured in large type.
FIGURES: Final = (
    Figure("mos", "mos", "", "MOS to the server", "mos", ("mos", _SERVER, 1)),
    Figure("rtt", "rttMs", "ms", "RTT to the server", "rtt", ("rtt_seconds", _SERVER, 1e-3)),
    Figure("loss", "lossPct", "%", "loss to the server", "loss", ("loss_ratio", _SERVER, 1e-2)),
    Figure("jitter", "jitterMs", "ms", "jitter to the server", "jitter", ("jitter_seconds", _SERVER, 1e-3)),
    Figure("setup", "setupS", "s", "call set-up", "setup", ("call_setup_seconds", {}, 1)),
    Figure("audio-mos", "audioMos", "", "MOS of the call", "mos", ("mos", _CALL, 1)),
    Figure("audio-rtt", "audioRttMs", "ms", "RTT of the call", "rtt", ("rtt_seconds", _CALL, 1e-3)),
    Figure("audio-loss", "audioLossPct", "%", "loss of the call", "loss", ("loss_ratio", _CALL, 1e-2)),
    Figure(
        "audio-jitter", "audioJitterMs", "ms", "jitter of the call", "jitter", ("jitter_seconds", _CALL, 1e-3)
    ),
    Figure(
        "socket-rtt", "socketRttMs", "ms", "RTT of the socket", "socket-rtt", ("rtt_seconds", _SOCKET, 1e-3)
    ),
    Figure("billed", "billedS", "s", "billed", None, ("billed_seconds", {}, 1)),
    Figure(
        "meter-gap", "meterGapS", "s", "meter against our clock", "meter-gap", ("meter_gap_seconds", {}, 1)
    ),
    Figure(
        "certificate",
        "certificateDays",
        "days",
        "certificate",
        "certificate",
        ("certificate_life_seconds", {}, 86_400),
    ),
    Figure("http", "httpMs", "ms", "health answer", "http", ("http_seconds", {}, 1e-3)),
)

FIGURE: Final = {figure.name: figure for figure in FIGURES}

Thresholds = Mapping[str, Threshold]


@dataclass(frozen=True, slots=True)
class Judged:
    """One figure against its threshold."""

    figure: Figure
    value: float
    outcome: Outcome
    cause: str = ""
    advice: str = ""


def judge(name: str, value: float, thresholds: Thresholds) -> Judged:
    """The figure with its outcome and, where it is not ok, the sentence that says so."""
    figure = FIGURE[name]
    if figure.threshold is None:
        return Judged(figure, value, Outcome.OK)
    threshold = thresholds[figure.threshold]
    outcome = threshold.judge(value)
    if outcome is Outcome.OK:
        return Judged(figure, value, outcome)
    limit = threshold.critical if outcome is Outcome.FAIL else threshold.warn
    side = "below" if threshold.low else "above"
    cause = f"{figure.text} {shown(value, figure.unit)} is {side} {shown(limit, figure.unit)}"
    return Judged(figure, value, outcome, cause, threshold.advice)


def shown(value: float, unit: str) -> str:
    """For people: three digits that matter, and the unit."""
    digits = 0 if value == 0 or abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    text = f"{value:.{digits}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return f"{text} {unit}".strip()


def percentile(values: "list[float]", share: float) -> float:
    """The nearest rank: a value that was measured, never one in between."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
