"""Route tables: method, path, handler, guard, schemas and limit of an endpoint on one line."""

import re
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any
from uuid import UUID

import aiohttp_cors
import marshmallow as ma
from aiohttp import web

from romantic.errors import InvalidInput, NotFound, RomanticError
from romantic.http.body import read_json
from romantic.http.guards import PRINCIPAL
from romantic.http.idempotency import HEADER, once
from romantic.http.limits import LIMITER, POLICY, READ, WRITE, Limit, limit_for, subject_of
from romantic.http.request_id import HEADER as REQUEST_ID_HEADER
from romantic.http.schema import Schema
from romantic.settings import SETTINGS

Guard = Callable[[web.Request], Awaitable[None]]
Handler = Callable[..., Awaitable[web.StreamResponse]]


class Route:
    """One row of a feature's table. Path parameters are UUIDs; schemas are made once, here.

    A `raw` body is the handler's to read; where it is a form, `form` is the shape of the texts in it.
    `errors` are refusals beside those every route has; only the API's description reads them.
    """

    def __init__(
        self,
        method: str,
        path: str,
        handler: Handler,
        guard: Guard,
        *,
        body: type[Schema] | None = None,
        query: type[Schema] | None = None,
        limit: Limit | None = None,
        raw: bool = False,
        form: type[ma.Schema] | None = None,
        errors: tuple[type[RomanticError], ...] = (),
    ) -> None:
        self.method = method
        self.path = path
        self.handler = handler
        self.guard = guard
        self.body = body() if body else None
        self.query = query() if query else None
        self.limit = limit or (READ if method == "GET" else WRITE)
        self.raw = raw
        self.form = form
        self.errors = errors

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Guard, limit and validate, then call the handler with what the schemas loaded."""
        await self.guard(request)
        limit = limit_for(request, self.limit)
        request[POLICY] = limit.name
        await request.app[LIMITER].hit(limit, subject_of(request))
        arguments: dict[str, Any] = {name: _uuid(value) for name, value in request.match_info.items()}
        if self.query:
            arguments |= self.query.load(_flat(request))
        if self.raw or self.method == "GET":
            return await self.handler(request, **arguments)
        body = await read_json(request)
        if self.body:
            arguments |= self.body.load(body)
        elif body:
            fields = [{"path": key, "code": "unknown", "message": "Unknown field."} for key in body]
            raise InvalidInput(fields=fields)
        if self.method == "POST" and HEADER in request.headers and PRINCIPAL in request:
            return await once(request, body, partial(self.handler, request, **arguments))
        return await self.handler(request, **arguments)


def _uuid(value: str) -> UUID:
    try:
        return UUID(value)
    except ValueError:
        raise NotFound from None


def _flat(request: web.Request) -> dict[str, str]:
    """The query string, each name at most once."""
    repeated = {name for name in request.query if len(request.query.getall(name)) > 1}
    if repeated:
        fields = [{"path": name, "code": "invalid", "message": "Given twice."} for name in sorted(repeated)]
        raise InvalidInput(fields=fields)
    return dict(request.query)


get = partial(Route, "GET")
post = partial(Route, "POST")
put = partial(Route, "PUT")
delete = partial(Route, "DELETE")


#: The form in which UUIDs are written (RFC 9562). What is none may be a word that another row knows, and that
#: row names the methods: GET /api/calls/initiate is 405.
_UUID = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


def mount(app: web.Application, routes: Iterable[Route]) -> None:
    """Add the rows to the application, with CORS for the configured browser origins."""
    options = aiohttp_cors.ResourceOptions(  # type: ignore[no-untyped-call]
        allow_credentials=False,
        allow_headers=("Authorization", "Content-Type", HEADER, REQUEST_ID_HEADER),
        expose_headers=(REQUEST_ID_HEADER, "Retry-After", "Idempotent-Replayed"),
        max_age=600,
    )
    origins = app[SETTINGS].cors_origins
    cors = aiohttp_cors.setup(app, defaults=dict.fromkeys(origins, options)) if origins else None
    for route in routes:
        path = re.sub(r"\{(\w+)\}", rf"{{\1:{_UUID}}}", route.path)
        added = app.router.add_route(route.method, path, route.serve)
        if cors is not None:
            cors.add(added)
