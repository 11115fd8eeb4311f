"""What a step of the ladder comes to, and the words its troubles are told in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

MOST_TEXT = 1000


class Outcome(StrEnum):
    """Of one step."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


class Status(IntEnum):
    """Exit codes, as monitoring plugins have them; UNKNOWN is a fault of ours, never of the server."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


class Trouble(Exception):
    """A step did not hold: what was found instead, and what to do about it."""

    def __init__(self, cause: str, advice: str = "", *, outcome: Outcome = Outcome.FAIL) -> None:
        super().__init__(cause)
        self.cause = cause
        self.advice = advice
        self.outcome = outcome


class LeftOut(Exception):
    """A step has nothing to do here, and the text says why; `harmless`: others need not care."""

    def __init__(self, reason: str, *, advice: str = "", harmless: bool = False) -> None:
        super().__init__(reason)
        self.advice = advice
        self.harmless = harmless


@dataclass(frozen=True, slots=True)
class Found:
    """What a step that held found: its facts in words, and figures by name (`figures.py` has their units).

    With a cause it is a warning: the step holds, and somebody should look.
    """

    facts: str
    figures: Mapping[str, float] = field(default_factory=dict)
    cause: str = ""
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Rung:
    """One step as it is reported. `ms` is None for a step that was not tried.

    Its texts may hold what a server has said: they are made harmless to a terminal and to every format.
    """

    name: str
    outcome: Outcome
    ms: float | None = None
    facts: str = ""
    cause: str = ""
    advice: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)
    holds: bool = True  # whether steps that need this one are tried

    def __post_init__(self) -> None:
        for name in ("facts", "cause", "advice"):
            object.__setattr__(self, name, _plain(getattr(self, name)))


def _plain(text: str) -> str:
    """One line without control characters, and not without end."""
    return "".join(filter(str.isprintable, " ".join(text.split())))[:MOST_TEXT]


def status_of(outcomes: "set[Outcome]") -> Status:
    """The worst step decides; skipped ones do not."""
    if Outcome.FAIL in outcomes:
        return Status.CRITICAL
    return Status.WARNING if Outcome.WARN in outcomes else Status.OK


def worst(statuses: "set[Status]") -> Status:
    """Of several runs: what is known to be broken outweighs what is not known."""
    for status in (Status.CRITICAL, Status.UNKNOWN, Status.WARNING):
        if status in statuses:
            return status
    return Status.OK
