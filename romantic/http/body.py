"""Reading what a client sends: bounded in size and time, strict JSON, an object at the top."""

import asyncio
import json
from typing import Any

import orjson
from aiohttp import web

from romantic.errors import BadRequest, PayloadTooLarge, RequestTimeout, UnsupportedMediaType
from romantic.settings import SETTINGS

JSON_LIMIT = 256 * 1024


async def read_json(request: web.Request) -> dict[str, Any]:
    """The JSON object of the body; an absent body is an empty object."""
    raw = await read_body(request)
    if not raw:
        return {}
    if request.content_type != "application/json":
        raise UnsupportedMediaType
    return parse_object(raw)


async def read_body(request: web.Request, limit: int = JSON_LIMIT, *, seconds: float | None = None) -> bytes:
    """The raw body, not above `limit` bytes, complete within `seconds` or else the read timeout."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType
    if (request.content_length or 0) > limit:
        raise PayloadTooLarge(limit_bytes=limit)
    received = bytearray()
    try:
        async with asyncio.timeout(seconds or request.app[SETTINGS].read_timeout_seconds):
            async for chunk in request.content.iter_any():
                received += chunk
                if len(received) > limit:
                    raise PayloadTooLarge(limit_bytes=limit)
    except TimeoutError:
        raise RequestTimeout from None
    return bytes(received)


def parse_object(raw: bytes) -> dict[str, Any]:
    """One JSON object without duplicate keys, NUL, NaN or lone surrogates (RFC 8259, I-JSON RFC 7493)."""
    try:
        orjson.loads(raw)
        value = json.loads(raw, object_pairs_hook=_pairs)
    except (ValueError, RecursionError):
        raise BadRequest("The body is not valid JSON.") from None
    if not isinstance(value, dict):
        raise BadRequest("The body must be a JSON object.")
    return value


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("duplicate key")
    if any("\0" in key or _has_nul(item) for key, item in pairs):
        raise ValueError("NUL character")
    return value


def _has_nul(value: Any) -> bool:
    """PostgreSQL's text cannot hold it. Objects inside were looked at when they were read."""
    if isinstance(value, list):
        return any(map(_has_nul, value))
    return isinstance(value, str) and "\0" in value
