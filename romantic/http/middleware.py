"""What wraps every request: its id, its one log line, the envelope of every refusal, the security headers."""

import asyncio
import time

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from romantic.db import DatabaseBusy
from romantic.errors import (
    BadRequest,
    Forbidden,
    InternalError,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    RomanticError,
    Unavailable,
)
from romantic.http.client import client_ip
from romantic.http.envelope import fail
from romantic.http.guards import PRINCIPAL
from romantic.http.request_id import HEADER, REQUEST_ID, request_id_of
from romantic.logs import cut_address

log = structlog.get_logger()

#: Helmet's set, tightened for an API that only speaks JSON; pages bring their own policy.
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Origin-Agent-Cluster": "?1",
    "X-DNS-Prefetch-Control": "off",
    "X-Download-Options": "noopen",
    "X-Permitted-Cross-Domain-Policies": "none",
    "X-XSS-Protection": "0",
    "Cache-Control": "no-store",
    "Server": "romantic",
}
HSTS = "max-age=31536000; includeSubDomains"


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Serve, and write one line however it went."""
    started = time.perf_counter()
    request_id = request[REQUEST_ID] = request_id_of(request)
    structlog.contextvars.bind_contextvars(request_id=request_id)
    code: str | None = None
    status = 499  # the client went away before there was an answer
    try:
        try:
            response = await handler(request)
        except Exception as error:
            refusal = _refusal(error)
            code = refusal.code
            response = fail(refusal, request_id)
        status = response.status
        if not response.prepared:
            _dress(request, response, request_id)
        return response
    finally:
        principal = request.get(PRINCIPAL)
        log.info(
            "http.request",
            method=request.method,
            route=_template(request),
            status=status,
            duration_ms=round((time.perf_counter() - started) * 1000, 1),
            req_bytes=request.content_length or 0,
            user_id=str(principal.user_id) if principal and principal.user_id else None,
            ip=cut_address(client_ip(request)),
            error_code=code,
        )


def _refusal(error: Exception) -> RomanticError:
    """What the client is told; whatever nobody foresaw is a logged 500."""
    if isinstance(error, RomanticError):
        return error
    if isinstance(error, DatabaseBusy):
        log.warning("database.busy", reason=str(error))
        return Unavailable(retry_after=1)
    if isinstance(error, web.HTTPMethodNotAllowed):
        return MethodNotAllowed(headers={"Allow": error.headers["Allow"]})
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return PayloadTooLarge()
    if isinstance(error, web.HTTPException):
        return {403: Forbidden, 404: NotFound}.get(error.status, BadRequest)()
    if isinstance(error, web.RequestPayloadError | asyncio.IncompleteReadError):
        return BadRequest("The body is not complete.")
    log.exception("http.crashed")
    return InternalError()


def _dress(request: web.Request, response: web.StreamResponse, request_id: str) -> None:
    headers = response.headers
    headers[HEADER] = request_id
    for name, value in SECURITY_HEADERS.items():
        headers.setdefault(name, value)
    if request.secure or request.headers.get("X-Forwarded-Proto") == "https":
        headers["Strict-Transport-Security"] = HSTS


def _template(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource else "unmatched"
