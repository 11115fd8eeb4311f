"""What wraps every request: its id, its one log line, the envelope of every refusal, the security headers."""

import asyncio
import time

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from romantic import metrics
from romantic.db import DatabaseBusy, count_queries
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
from romantic.http.client import client_ip, kind_of_client
from romantic.http.envelope import fail
from romantic.http.guards import PRINCIPAL
from romantic.http.health import LIFECYCLE
from romantic.http.idempotency import IDEMPOTENCY
from romantic.http.limits import POLICY
from romantic.http.request_id import HEADER, REQUEST_ID, request_id_of, trace_id_of
from romantic.logs import cut_address
from romantic.upstream import count_upstream

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
METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"}
SOCKETS = {"/ws", "/api/ws"}
HSTS = "max-age=31536000; includeSubDomains"


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Serve, and write one line however it went."""
    started = time.perf_counter()
    request_id = request[REQUEST_ID] = request_id_of(request)
    structlog.contextvars.bind_contextvars(request_id=request_id)
    code: str | None = None
    status = 499  # the client went away before there was an answer
    size = 0
    queries, outside = count_queries(), count_upstream()
    metrics.HTTP_IN_FLIGHT.inc()
    try:
        try:
            response = await handler(request)
        except Exception as error:
            refusal = _refusal(error)
            code = refusal.code
            metrics.ERRORS.labels(code).inc()
            response = fail(refusal, request_id)
        status, size = response.status, response.content_length or 0
        if not response.prepared:
            _dress(request, response, request_id)
        return response
    finally:
        seconds = time.perf_counter() - started
        route = _template(request)
        principal = request.get(PRINCIPAL)
        log.info(
            "http.request",
            method=request.method,
            route=route,
            status=status,
            duration_ms=round(seconds * 1000, 1),
            req_bytes=request.content_length or 0,
            res_bytes=size,
            user_id=str(principal.user_id) if principal and principal.user_id else None,
            session_id=str(principal.session_id) if principal else None,
            client=kind_of_client(request),
            ip=cut_address(client_ip(request)),
            error_code=code,
            idempotency=request.get(IDEMPOTENCY),
            db_queries=queries.count,
            db_ms=round(queries.seconds * 1000, 1),
            cache_hits=queries.spared,
            upstream_ms=round(outside.seconds * 1000, 1),
            rate_policy=request.get(POLICY),
            trace_id=trace_id_of(request),
        )
        metrics.HTTP_IN_FLIGHT.dec()
        _count(request.method, route, status, seconds, size)


def _count(method: str, route: str, status: int, seconds: float, size: int) -> None:
    # Anybody may invent a method; the router only knows these.
    method = method if method in METHODS else "other"
    metrics.HTTP_REQUESTS.labels(method, route, str(status)).inc()
    if route not in SOCKETS:  # a socket is one request for its whole life
        metrics.HTTP_SECONDS.labels(method, route, f"{status // 100}xx").observe(seconds)
        metrics.HTTP_BYTES.labels(route).observe(size)


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
    if request.app[LIFECYCLE].draining:
        response.force_close()  # the next request goes to another node


def _template(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource else "unmatched"
