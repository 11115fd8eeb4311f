"""The one shape every response has: {success, data, message}, or {success, message, error}."""

import math
from decimal import Decimal
from typing import Any

import orjson
from aiohttp import web

from romantic.errors import RomanticError

#: Times leave as YYYY-MM-DDTHH:MM:SSZ.
JSON_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_OMIT_MICROSECONDS
CONTENT_TYPE = "application/json; charset=utf-8"


def encode(value: Any) -> bytes:
    """JSON as this API writes it: UUIDs as text, UTC times, decimals as numbers."""
    return orjson.dumps(value, default=_plain, option=JSON_OPTIONS)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def ok(data: Any = None, message: str = "") -> web.Response:
    """Success is always 200; without data the key is absent, as in the specification."""
    body = (
        {"success": True, "message": message}
        if data is None
        else {"success": True, "data": data, "message": message}
    )
    return respond(encode(body), 200)


def respond(body: bytes, status: int, headers: dict[str, str] | None = None) -> web.Response:
    response = web.Response(body=body, status=status, headers=headers)
    response.headers["Content-Type"] = CONTENT_TYPE
    return response


def fail(error: RomanticError, request_id: str) -> web.Response:
    """The refusal as the client sees it; nothing internal leaves the house."""
    headers = dict(error.headers)
    if error.retry_after is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    return respond(
        encode(
            {"success": False, "message": str(error), "error": describe(error) | {"requestId": request_id}}
        ),
        error.status,
        headers,
    )


def describe(error: RomanticError) -> dict[str, Any]:
    """`code`, `retryable`, and where they apply `fields`, `meta` and `retryAfterMs`."""
    described: dict[str, Any] = {"code": error.code, "retryable": error.retryable}
    if error.fields:
        described["fields"] = error.fields
    if error.meta:
        described["meta"] = {camel(name): value for name, value in error.meta.items()}
    if error.retry_after is not None:
        described["retryAfterMs"] = round(error.retry_after * 1000)
    return described


def camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.title() for part in tail)
