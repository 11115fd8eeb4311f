"""The id that ties a request to its log lines and to what the client was told."""

import itertools
import re
import secrets

from aiohttp import web

HEADER = "X-Request-Id"
REQUEST_ID = web.RequestKey("REQUEST_ID", str)

_ACCEPTED = re.compile(r"[A-Za-z0-9._-]{8,64}")
_PREFIX = secrets.token_hex(4)
_COUNTER = itertools.count(1)


def request_id_of(request: web.BaseRequest) -> str:
    """The client's own id where it is harmless, else a new one."""
    offered = request.headers.get(HEADER)
    return offered if offered and _ACCEPTED.fullmatch(offered) else new_request_id()


def new_request_id() -> str:
    return f"req_{_PREFIX}{next(_COUNTER):06x}"
