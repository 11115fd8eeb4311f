"""Logs: one JSON object per line for operators and probes, written off the event loop, without secrets."""

import atexit
import ipaddress
import json
import logging
import os
import queue
import re
import socket
import sys
import threading
import time
from functools import lru_cache
from typing import Any, TextIO

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from romantic import __version__, metrics
from romantic.settings import Settings

#: Keys whose value is a secret, alone or at the end of a longer name, in snake_case or camelCase.
_SECRET = re.compile(
    r"(^|_|(?-i:(?<=[a-z])(?=[A-Z])))(authorization|cookie|otp|otp_?code|code_hash|secret|pepper|password|token|api_?key|ticket"
    r"|sdp|offer|answer|candidate|credential|message_?text|phone|phone_?number)$",
    re.IGNORECASE,
)
_PHONE = re.compile(r"\+\d{4,13}(\d{2})\b")
#: A JWT, an API key, a bearer header, and the lines of an SDP that name addresses and keys.
_TOKEN = re.compile(
    r"eyJ[\w-]+\.[\w-]+\.[\w-]*|rmk_[\w-]+|(?<=[Bb]earer )\S+"
    r"|a=(?:candidate|ice-ufrag|ice-pwd|fingerprint):[^\r\n]+"
)
#: What PostgreSQL says of a row it refuses is the whole row.
_ROW = re.compile(r"\nDETAIL:.*", re.DOTALL)
_NOISY = ("aioice", "aiortc", "asyncio", "aiohttp.access", "limits", "hpack")


def configure_logs(
    settings: Settings, stream: TextIO | None = None, *, observers: tuple[Processor, ...] = ()
) -> None:
    """JSON lines in production, aligned and coloured on a terminal; standard-library records join in.

    Observers see every line from `info` on, also where LOG_LEVEL keeps it from being written.
    """
    pretty = settings.log_format == "console"
    least = logging.getLevelNamesMapping()[settings.log_level.upper()]
    common = {
        "service": "romantic",
        "env": settings.romantic_env,
        "version": __version__,
        "instance": f"{socket.gethostname()}.{os.getpid()}",
    }
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _name,
            *observers,
            _from_level(least),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(
                structlog.tracebacks.ExceptionDictTransformer(show_locals=False, max_frames=20)
            )
            if not pretty
            else structlog.processors.StackInfoRenderer(),
            redact,
            # Never with the locals of a traceback: they hold codes and tokens.
            structlog.dev.ConsoleRenderer(
                colors=(stream or sys.stdout).isatty(), exception_formatter=structlog.dev.plain_traceback
            )
            if pretty
            else _with(common),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(min(least, logging.INFO)),
        logger_factory=lambda *_: _SINKS.sink(stream or sys.stdout),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Bridge()], level=logging.WARNING, force=True)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)


_NAMES: dict[str, str] = {}


def name_lines(node: str) -> None:
    """Let every line of this process say which node it is."""
    _NAMES["node"] = node


def _name(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {**_NAMES, **event}


def _from_level(least: int) -> Processor:
    def drop(_logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        if structlog.processors.NAME_TO_LEVEL[method] < least:
            raise structlog.DropEvent
        return event

    return drop


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Take out what must never stand in a log: secrets by key, phone numbers by shape."""
    for key, value in event.items():
        event[key] = "[redacted]" if _is_secret(key) else clean(value)
    return event


def clean(value: Any) -> Any:
    """The value without what gives itself away by its shape, however deep."""
    if isinstance(value, str):
        text = _ROW.sub("", value) if "DETAIL:" in value else value
        text = _PHONE.sub(r"+***\1", text) if "+" in text else text
        return _TOKEN.sub("[redacted]", text)
    if isinstance(value, dict):
        return {key: "[redacted]" if _is_secret(str(key)) else clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean(item) for item in value]
    return value


@lru_cache(1024)
def _is_secret(key: str) -> bool:
    return _SECRET.search(key) is not None


@lru_cache(4096)
def cut_address(address: str) -> str:
    """An IP address as logs may hold it: the network it belongs to, /24 or /48."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    return str(ipaddress.ip_network((parsed, 24 if parsed.version == 4 else 48), strict=False))


def _with(common: dict[str, str]) -> Any:
    def render(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
        try:
            return orjson.dumps({**event, **common}, default=str).decode()
        except TypeError:  # a lone surrogate, a number beyond 64 bits: a log line must not fail its request
            return json.dumps({**event, **common}, default=str)

    return render


class _Sink:
    """Writes lines from a thread of its own: a slow pipe must not hold up the event loop.

    At most `most` lines wait; beyond that lines are dropped and counted rather than memory filled.
    """

    most = 20_000

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines: queue.SimpleQueue[str | threading.Event] = queue.SimpleQueue()
        self._dropped = 0
        threading.Thread(target=self._write, name="logs", daemon=True).start()
        atexit.register(self.flush)

    def msg(self, line: str) -> None:
        if self._lines.qsize() < self.most:
            self._lines.put(line)
        else:
            self._dropped += 1
            metrics.LOG_LINES_DROPPED.inc()

    debug = info = warning = error = critical = exception = log = msg

    def flush(self, timeout: float = 2.0) -> None:
        """Return once everything logged so far is written."""
        written = threading.Event()
        self._lines.put(written)
        written.wait(timeout)

    def _write(self) -> None:
        while True:
            batch = [self._lines.get()]
            time.sleep(0.02)  # one write for what a busy moment logs together
            while not self._lines.empty():
                batch.append(self._lines.get())
            self._emit(batch)

    def _emit(self, batch: list[str | threading.Event]) -> None:
        lines = [item for item in batch if isinstance(item, str)]
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            lines.append(orjson.dumps({"event": "log.dropped", "level": "error", "lines": dropped}).decode())
        try:
            self._stream.write("".join(f"{line}\n" for line in lines))
            self._stream.flush()
        except (OSError, ValueError):
            self._dropped += len(lines)
        for item in batch:
            if isinstance(item, threading.Event):
                item.set()


class _Sinks:
    """One sink per stream, however many loggers ask."""

    def __init__(self) -> None:
        self._by_stream: dict[int, _Sink] = {}

    def sink(self, stream: TextIO) -> _Sink:
        if id(stream) not in self._by_stream:
            self._by_stream[id(stream)] = _Sink(stream)
        return self._by_stream[id(stream)]

    def flush(self) -> None:
        for sink in self._by_stream.values():
            sink.flush()


_SINKS = _Sinks()


def flush_logs() -> None:
    """Return once everything logged so far is written, for whoever reads the lines next."""
    _SINKS.flush()


class _Bridge(logging.Handler):
    """Standard-library records become events of ours."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(
            record.levelno,
            "python.log",
            logger=record.name,
            reason=record.getMessage(),
            exc_info=record.exc_info or None,
        )
