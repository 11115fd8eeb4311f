"""Faults to Sentry: with SENTRY_DSN set, every logged error goes there too, redacted as the log is."""

import sys
from typing import Any

import sentry_sdk
from sentry_sdk.types import Event, Hint
from structlog.typing import EventDict, WrappedLogger

from romantic import __version__
from romantic.logs import clean, redact
from romantic.settings import Settings

#: What groups and finds a fault; everything else of the line stands beside it.
TAGS = ("request_id", "conn_id", "call_id", "job_kind", "ws_event")


def add_sentry(settings: Settings) -> None:
    """Open the client; it sends from a thread of its own and drops what it cannot get rid of."""
    if not settings.sentry_dsn:
        return
    sentry_sdk.init(
        dsn=settings.sentry_dsn,
        environment=settings.romantic_env,
        release=f"romantic@{__version__}",
        # Only what we hand over: integrations read headers, bodies, queries and statements.
        default_integrations=False,
        auto_enabling_integrations=False,
        include_local_variables=False,
        max_request_body_size="never",
        traces_sample_rate=0.0,
        before_send=_scrub,
    )


def report(_logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """A processor: hand errors over, change nothing."""
    if method in ("error", "exception", "critical") and sentry_sdk.is_initialized():
        line = redact(None, method, {key: value for key, value in event.items() if key != "exc_info"})
        with sentry_sdk.new_scope() as scope:
            scope.set_context("line", {key: str(value) for key, value in line.items()})
            for name in TAGS:
                if line.get(name) is not None:
                    scope.set_tag(name, str(line[name]))
            scope.set_tag("event", str(line.get("event")))
            _capture(event.get("exc_info"), str(line.get("event")))
    return event


def _capture(exc_info: Any, name: str) -> None:
    error = sys.exc_info()[1] if exc_info is True else exc_info
    error = error[1] if isinstance(error, tuple) else error
    if isinstance(error, BaseException):
        sentry_sdk.capture_exception(error)
    else:
        sentry_sdk.capture_message(name, level="error")


def _scrub(event: Event, _hint: Hint) -> Event | None:
    """The words of an exception may hold what a person sent."""
    for value in event.get("exception", {}).get("values", ()):
        value["value"] = clean(value.get("value") or "")
        for frame in value.get("stacktrace", {}).get("frames", ()):
            frame.pop("vars", None)
    return event
