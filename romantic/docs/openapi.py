"""OpenAPI, made from the route tables and the schemas the server itself runs.

3.1 for people and tools of today, 3.0.3 for the generators of client code, from one description. What keeps
generated clients compiling: every operation has an `operationId` and a response component of that name, none
is `oneOf` around a reference, and formats are only named where they always hold.
"""

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import fields

from romantic import __version__
from romantic.errors import RomanticError
from romantic.http.guards import anyone
from romantic.http.limits import UNLIMITED
from romantic.http.routing import Route
from romantic.http.schema import Schema

ABOUT = """Every answer is `{"success": true, "data": {…}, "message": "…"}`, every refusal `{"success": false,
"message": "…", "error": {"code": "…", …}}` with a stable `code`. Send an `Idempotency-Key` with every POST
that creates or moves something; the retry gets the first answer. Sockets: `/docs/ws`."""

Spec = dict[str, Any]


class ErrorFault(Schema):
    """One faulty value of a request."""

    path = fields.Str(required=True, metadata={"example": "callType"})
    code = fields.Str(required=True, metadata={"example": "required"})
    message = fields.Str(required=True, metadata={"example": "Missing data for required field."})


class ErrorDetail(Schema):
    """What a client acts on: `code` is stable, `message` is for people."""

    code = fields.Str(required=True, metadata={"example": "INSUFFICIENT_COINS"})
    request_id = fields.Str(required=True, metadata={"example": "req_01JD9Z6T5K8Q"})
    retryable = fields.Bool(required=True)
    retry_after_ms = fields.Int()
    fields_ = fields.List(fields.Nested(ErrorFault), data_key="fields")
    meta = fields.Dict(metadata={"example": {"required": 50, "balance": 30}})


class ErrorResponse(Schema):
    """Every refusal."""

    success = fields.Bool(required=True, metadata={"enum": [False]})
    message = fields.Str(required=True)
    error = fields.Nested(ErrorDetail, required=True)


def openapi(routes: Iterable[Route], *, version: str = "3.1.0") -> Spec:
    """The whole document as a dict; `version` is 3.1.0 or 3.0.3."""
    spec = APISpec(
        "Romantic",
        __version__,
        version,
        info={"description": ABOUT},
        plugins=[marshmallow := MarshmallowPlugin(schema_name_resolver=_name_of)],
    )
    assert marshmallow.converter is not None
    marshmallow.converter.add_attribute_function(_plain)  # type: ignore[no-untyped-call]
    spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"})
    spec.components.schema("ErrorResponse", schema=ErrorResponse)
    rooms: dict[str, None] = {}
    for route in routes:
        if route.path in ("/ws", "/api/ws"):
            continue  # a socket is no operation; it has a document of its own
        rooms[room_of(route)] = None
        spec.path(_path(route), operations={route.method.lower(): _operation(spec, route)})
    for room in rooms:
        spec.tag({"name": room})
    return spec.to_dict()


def _plain(_converter: Any, field: fields.Field[Any], ret: Spec, **_: Any) -> Spec:
    """A value that may be left out has no default of null; what is no type of JSON's is text."""
    if field.load_default is None:
        ret.pop("default", None)
    if "pattern" in ret:  # Python's end of a text, in the words of ECMA-262
        ret["pattern"] = ret["pattern"].replace("\\Z", "$")
    if type(field).__mro__[1] is fields.Field:
        ret["type"] = "string"
    return {}


def _name_of(schema: Any) -> str:
    kind = schema if isinstance(schema, type) else type(schema)
    room = kind.__module__.split(".")[1]
    return kind.__name__ if room == "docs" else _title(room) + kind.__name__.removesuffix("Schema")


def _title(name: str) -> str:
    return "".join(word.title() for word in name.split("_"))


def room_of(route: Route) -> str:
    """The slice that serves the route: its tag in the document."""
    return str(_inner(route).__module__.split(".")[1])


def _inner(route: Route) -> Any:
    """The function behind a handler that has some of its arguments already."""
    return getattr(route.handler, "func", route.handler)


def operation_id(route: Route) -> str:
    """`GET /api/users/{userId}` is getApiUsersUserId without what every path has: getUsersUserId."""
    words = re.findall(r"[A-Za-z0-9]+", route.path.removeprefix("/api"))
    return route.method.lower() + "".join(word[:1].upper() + word[1:] for word in words)


def _path(route: Route) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: "{" + _camel(match[1]) + "}", route.path)


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(word.title() for word in tail)


def _operation(spec: APISpec, route: Route) -> Spec:
    doc = (_inner(route).__doc__ or "").strip()
    summary, _, rest = doc.partition("\n")
    operation: Spec = {
        "operationId": operation_id(route),
        "tags": [room_of(route)],
        "summary": route.summary or summary,
        "description": "\n\n".join(filter(None, (rest.strip(), _limit(route)))),
        "parameters": list(_parameters(route)),
        "responses": _responses(spec, route),
    }
    if route.guard is not anyone:
        operation["security"] = [{"bearer": []}]
    if route.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": type(route.body)}},
        }
    elif route.form is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"multipart/form-data": {"schema": route.form}},
        }
    return operation


def _limit(route: Route) -> str:
    if route.limit is UNLIMITED:
        return ""
    return f"Rate class `{route.limit.name}`: {route.limit.hits} in {route.limit.seconds} s."


def _parameters(route: Route) -> Iterable[Spec]:
    for name in re.findall(r"\{(\w+)\}", route.path):
        yield {
            "in": "path",
            "name": _camel(name),
            "required": True,
            "schema": {"type": "string", "format": "uuid"},
        }
    if route.query is not None:
        yield {"in": "query", "schema": type(route.query)}
    if route.method == "POST" and route.guard is not anyone:
        yield {
            "in": "header",
            "name": "Idempotency-Key",
            "required": False,
            "schema": {"type": "string", "minLength": 1, "maxLength": 255},
        }


def _responses(spec: APISpec, route: Route) -> Spec:
    name = operation_id(route)[:1].upper() + operation_id(route)[1:] + "Response"
    envelope: Spec = {
        "type": "object",
        "required": ["success", "message"],
        "properties": {"success": {"type": "boolean", "enum": [True]}, "message": {"type": "string"}},
    }
    if route.returns is not None:
        envelope["required"] = ["success", "data", "message"]
        envelope["properties"]["data"] = route.returns
    spec.components.schema(name, envelope)
    responses: Spec = {"200": _json(name, "Success")}
    for status in _refusals(route):
        responses[str(int(status))] = _json("ErrorResponse", status.phrase)
    return responses


def _refusals(route: Route) -> Iterable[HTTPStatus]:
    """The statuses a route may answer with beside 200, by what stands in its row."""
    statuses = {HTTPStatus.BAD_REQUEST, HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.SERVICE_UNAVAILABLE}
    statuses |= {error.status for error in route.errors}
    if route.guard is not anyone:
        statuses |= {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}
    if "{" in route.path:
        statuses.add(HTTPStatus.NOT_FOUND)
    if route.limit is not UNLIMITED:
        statuses.add(HTTPStatus.TOO_MANY_REQUESTS)
    if route.method != "GET":
        statuses |= {HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE}
    if route.method == "POST" and route.guard is not anyone:
        statuses |= {HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY}
    return sorted(statuses)


def _json(schema: str, description: str) -> Spec:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def error_codes() -> dict[str, type[RomanticError]]:
    """The catalogue: every code a client may meet, in order."""
    return dict(sorted(RomanticError.registry.items()))
