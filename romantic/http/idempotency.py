"""Idempotency keys: the answer to the first request under a key is the answer to every retry.

Contract as the IETF draft-ietf-httpapi-idempotency-key-header has it: scope user + method + route,
kept 24 h; 2xx and business 4xx are stored, 5xx are not. A process that dies between effect and answer
leaves the key locked for `idempotency_lock_seconds`; what the retry may then do twice is bounded by the
keys of the ledger.
"""

import asyncio
import hashlib
import json
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from romantic import metrics
from romantic.db import DatabaseBusy, Query, connection, load_queries
from romantic.errors import IdempotencyKeyReused, InvalidInput, RequestInFlight, RomanticError
from romantic.http.envelope import fail, respond
from romantic.http.limits import subject_of
from romantic.http.request_id import REQUEST_ID
from romantic.settings import SETTINGS

sql = load_queries("requests")

HEADER = "Idempotency-Key"
#: For the log: "new" or "replayed", absent without a key.
IDEMPOTENCY = web.RequestKey("IDEMPOTENCY", str)
LONGEST_KEY = 255
#: Printable ASCII, in quotes (a String of RFC 8941, as the draft has it) or bare.
KEY = r'^"?[!#-~]([ -~]*[!#-~])?"?$'
INSIST_SECONDS = 3.0


async def once(
    request: web.Request, body: dict[str, Any], serve: Callable[[], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Serve the request, or replay the stored answer of its first run."""
    scope = {"subject": subject_of(request), "route": _route(request), "key": _key(request)}
    fingerprint = hashlib.sha256(json.dumps([str(request.rel_url), body], sort_keys=True).encode()).digest()
    # The claim is recognised by its end, also when the answer to it was lost.
    locked = timedelta(seconds=request.app[SETTINGS].idempotency_lock_seconds)
    claim = scope | {"locked_until": datetime.now(UTC) + locked}
    try:
        async with connection(request.app) as conn:
            if not await conn.value(sql.claim_key, fingerprint=fingerprint, **claim):
                replayed = _replay(await conn.one(sql.find_key, **scope), fingerprint)
                request[IDEMPOTENCY] = "replayed"
                metrics.IDEMPOTENT_REPLAYS.labels(scope["route"].partition(" ")[2]).inc()
                return replayed
        request[IDEMPOTENCY] = "new"
        response = await _outcome(request, serve)
    except BaseException:
        await _write_down(request.app, sql.release_key, **claim)
        raise
    answer = {"response_status": response.status, "response_body": response.body}
    await _write_down(request.app, sql.store_response, **answer, **claim)
    return response


async def _write_down(app: web.Application, query: Query, **parameters: Any) -> None:
    """Although the database may be away for a moment: a key left locked turns retries away for a minute."""
    with suppress(TimeoutError):
        async with asyncio.timeout(INSIST_SECONDS):
            while True:
                try:
                    async with connection(app) as conn:
                        await conn.run(query, **parameters)
                    return
                except DatabaseBusy:
                    await asyncio.sleep(0.1)


async def _outcome(request: web.Request, serve: Callable[[], Awaitable[web.StreamResponse]]) -> web.Response:
    """The answer, where a refusal of the handler counts as one."""
    try:
        response = await serve()
    except RomanticError as error:
        if error.status >= 500 or error.retryable:
            raise
        response = fail(error, request[REQUEST_ID])
    assert isinstance(response, web.Response)
    return response


def _replay(stored: dict[str, Any] | None, fingerprint: bytes) -> web.Response:
    if stored is None or stored["response_status"] is None:
        if stored is not None and bytes(stored["fingerprint"]) != fingerprint:
            raise IdempotencyKeyReused
        raise RequestInFlight(retry_after=1)
    if bytes(stored["fingerprint"]) != fingerprint:
        raise IdempotencyKeyReused
    return respond(bytes(stored["response_body"]), stored["response_status"], {"Idempotent-Replayed": "true"})


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return f"{request.method} {resource.canonical if resource else request.path}"


def _key(request: web.Request) -> str:
    written = request.headers[HEADER].strip()
    if len(written) > LONGEST_KEY or not re.fullmatch(KEY, written):
        fault = {
            "path": HEADER,
            "code": "invalid",
            "message": f"1 to {LONGEST_KEY} printable ASCII characters, in one pair of quotes or none.",
        }
        raise InvalidInput(fields=[fault])
    return written.strip('"')
