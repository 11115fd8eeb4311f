"""The id that ties a request to its log lines and to what the client was told."""

import itertools
import re
import secrets

from aiohttp import web

HEADER = "X-Request-Id"
REQUEST_ID = web.RequestKey("REQUEST_ID", str)

_ACCEPTED = re.compile(r"[A-Za-z0-9._-]{8,64}")
#: Version, trace, parent and flags of W3C Trace Context; a trace of zeros is none.
_TRACE = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_PREFIX = secrets.token_hex(4)
_COUNTER = itertools.count(1)


def request_id_of(request: web.BaseRequest) -> str:
    """The client's own id where it is harmless, else a new one."""
    offered = request.headers.get(HEADER)
    return offered if offered and _ACCEPTED.fullmatch(offered) else new_request_id()


def trace_id_of(request: web.BaseRequest) -> str | None:
    """The trace a proxy or client has begun (W3C Trace Context): logs can be joined by it."""
    found = _TRACE.fullmatch(request.headers.get("traceparent", ""))
    return found[1] if found else None


def new_request_id() -> str:
    return f"req_{_PREFIX}{next(_COUNTER):06x}"
