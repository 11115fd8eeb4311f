"""What stock aiohttp leaves open: requests that never finish, and error pages outside the envelope."""

import asyncio
import time
from contextlib import suppress
from typing import Any

import structlog
from aiohttp import web, web_urldispatcher
from aiohttp.http_exceptions import BadHttpMethod
from aiohttp.web_protocol import RequestHandler

from romantic.errors import BadRequest, ExpectationFailed, InternalError, PayloadTooLarge, RomanticError
from romantic.http.envelope import fail
from romantic.http.middleware import SECURITY_HEADERS
from romantic.http.request_id import HEADER, new_request_id

log = structlog.get_logger()

#: For web.AppRunner. Bodies are never decompressed: a megabyte of gzip can stand for a gigabyte.
RUNNER_OPTIONS: dict[str, Any] = {
    "auto_decompress": False,
    "keepalive_timeout": 75.0,
    "lingering_time": 2.0,
    "max_headers": 64,
    "access_log": None,
}


def _answer_in_envelope(
    _handler: RequestHandler,
    request: web.BaseRequest,
    status: int = 500,
    exc: BaseException | None = None,
    message: str | None = None,  # noqa: ARG001
) -> web.StreamResponse:
    """Replaces RequestHandler.handle_error, which answers what is not HTTP with a bare page."""
    if request.writer.output_size > 0:
        raise ConnectionError("the response has begun")
    if status >= 500:
        log.error("http.crashed", exc_info=exc)
    elif not isinstance(exc, BadHttpMethod):
        log.info("http.malformed", reason=type(exc).__name__)
    response = _enveloped(_named(status))
    response.force_close()
    return response


def _enveloped(refusal: RomanticError) -> web.Response:
    """An answer that no middleware will dress."""
    request_id = new_request_id()
    response = fail(refusal, request_id)
    response.headers.update(SECURITY_HEADERS | {HEADER: request_id})
    return response


def _named(status: int) -> RomanticError:
    if status >= 500:
        return InternalError()
    return PayloadTooLarge() if status == 413 else BadRequest("This is not a well-formed HTTP request.")


RequestHandler.handle_error = _answer_in_envelope  # type: ignore[method-assign, assignment]

_continue = web_urldispatcher._default_expect_handler


async def _expect(request: web.Request) -> web.StreamResponse | None:
    """Expect: 100-continue goes on; any other expectation is refused before the middlewares see it."""
    try:
        await _continue(request)
    except web.HTTPExpectationFailed:
        return _enveloped(ExpectationFailed())
    return None


# Routes take it from here unless they name their own, also those that answer 404 and 405.
web_urldispatcher._default_expect_handler = _expect  # type: ignore[assignment]


class SlowHeaderWatch:
    """Closes connections that have not sent one complete request header in time."""

    def __init__(self, server: web.Server, seconds: float) -> None:
        self._server = server
        self._seconds = seconds
        self._since: dict[RequestHandler, float] = {}

    async def run(self) -> None:
        while True:
            await asyncio.sleep(min(1.0, self._seconds / 2))
            self._look(time.monotonic())

    def _look(self, now: float) -> None:
        silent = {handler for handler in self._server.connections if handler._request_count == 0}
        self._since = {handler: self._since.get(handler, now) for handler in silent}
        for handler, since in self._since.items():
            if now - since >= self._seconds:
                with suppress(Exception):
                    handler.force_close()
