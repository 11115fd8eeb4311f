"""OpenAPI, made from the route tables and the schemas the server itself runs, and from `operations/`.

3.1 for people and tools of today, 3.0.3 for the generators of client code, from one description. What keeps
generated clients compiling: every operation has an `operationId` and a response component of that name, none
is `oneOf` around a reference, no answer has an `enum`, and formats are only named where they always hold.
"""

import re
from collections.abc import Iterable
from http import HTTPStatus
from inspect import getdoc
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import fields

from romantic import __version__
from romantic.docs import components, operations
from romantic.docs.operation import Operation, Spec
from romantic.docs.operations import OPERATIONS
from romantic.docs.refusals import is_idempotent, refusals_of
from romantic.docs.shapes import Answer, example_of
from romantic.errors import RomanticError
from romantic.http.guards import anyone
from romantic.http.limits import UNLIMITED
from romantic.http.routing import Route

ABOUT = """Every answer is `{"success": true, "data": {…}, "message": "…"}`, every refusal `{"success": false,
"message": "…", "error": {"code": "…", …}}` with a stable `code`; [each code has a page](/docs/errors) that
says what an app does about it. Send an `Idempotency-Key` with every POST that takes one: the retry gets the
first answer. Keys and words may be added to answers at any time; ignore what you do not know. Any address
also answers 405 `METHOD_NOT_ALLOWED` to a method it does not take, 417 `EXPECTATION_FAILED`, and 400
`BAD_REQUEST` to what is not HTTP. Texts with the character NUL or half a surrogate pair are refused.
Sockets: [/docs/ws](/docs/ws). [Guides](/docs/guides)."""


def openapi(routes: Iterable[Route], *, version: str = "3.1.0") -> Spec:
    """The whole document as a dict; `version` is 3.1.0 or 3.0.3."""
    spec = APISpec(
        "Romantic",
        __version__,
        version,
        info={"description": ABOUT},
        externalDocs={"description": "Error codes", "url": "/docs/errors"},
        plugins=[marshmallow := MarshmallowPlugin(schema_name_resolver=_name_of)],
    )
    assert marshmallow.converter is not None
    marshmallow.converter.add_attribute_function(_plain)  # type: ignore[no-untyped-call]
    components.add_to(spec)
    rooms: dict[str, None] = {}
    for route in documented(routes):
        rooms[room_of(route)] = None
        described = _operation(spec, route, operation_of(route))
        spec.path(described_path(route), operations={route.method.lower(): described})
    for room in rooms:
        about = getdoc(getattr(operations, room))
        spec.tag({"name": room, "description": about})
    return spec.to_dict()


def documented(routes: Iterable[Route]) -> list[Route]:
    """Every route but the sockets, which have a document of their own."""
    return [route for route in routes if route.path not in ("/ws", "/api/ws")]


def operation_of(route: Route) -> Operation:
    """What is said of the route; of one that nobody has described, what its handler says."""
    words = (getdoc(_inner(route)) or "").partition("\n")[0]
    return OPERATIONS.get(f"{route.method} {route.path}") or Operation(words)


def _plain(_converter: Any, field: fields.Field[Any], ret: Spec, **_: Any) -> Spec:
    """A value that may be left out has no default of null; what is no type of JSON's is text."""
    if field.load_default is None:
        ret.pop("default", None)
    if type(field).__base__ is fields.Field and type(field).__module__ != fields.__name__:
        ret["type"] = "string"
    if "pattern" in ret:  # marshmallow's begins where the text does; Python's \\Z is $ in ECMA-262
        ret["pattern"] = "^" + ret["pattern"].removeprefix("^").replace("\\Z", "$")
    ret |= getattr(field, "described", {})
    return {}


def _name_of(schema: Any) -> str:
    kind = schema if isinstance(schema, type) else type(schema)
    words = kind.__module__.split(".")
    if words[1] != "docs":
        return _title(words[1]) + kind.__name__.removesuffix("Schema")
    return _title(words[3]) + kind.__name__ if words[2] == "operations" else kind.__name__


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


def described_path(route: Route) -> str:
    """The route's path with its parameters as the document names them, in camelCase."""
    return re.sub(r"\{(\w+)\}", lambda match: "{" + _camel(match[1]) + "}", route.path)


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(word.title() for word in tail)


def _operation(spec: APISpec, route: Route, operation: Operation) -> Spec:
    described: Spec = {
        "operationId": operation_id(route),
        "tags": [room_of(route)],
        "summary": operation.summary,
        "description": "\n\n".join(filter(None, (operation.about, _access(route), _limit(route)))),
        "parameters": list(_parameters(route, operation)),
        "responses": {
            **_success(spec, route, operation),
            **{
                str(status): _refused(spec, status, refusals)
                for status, refusals in refusals_of(route, operation).items()
            },
        },
        "security": _security(route),
    }
    if route.limit is not UNLIMITED:
        limit = route.limit
        described["x-rate-limit"] = {"class": limit.name, "hits": limit.hits, "seconds": limit.seconds}
    content = _content(spec, route, operation)
    if content:
        described["requestBody"] = {"required": _is_required(route), "content": content}
    return described


def _access(route: Route) -> str:
    words = {
        "proven": "The token of a number that is not registered yet will do.",
        "admin": "For admins.",
        "moderator": "For moderators and admins.",
    }
    return words.get(route.guard.__name__, "")


def _security(route: Route) -> list[Spec]:
    if route.guard is anyone:
        # Nobody needs a token; signing in takes one as a proof.
        return [{}, {"bearer": []}] if route.path == "/api/auth/login" else []
    return [{"staff": []}] if route.guard.__name__ in ("moderator", "admin") else [{"bearer": []}]


def _limit(route: Route) -> str:
    if route.limit is UNLIMITED:
        return ""
    return f"Rate class `{route.limit.name}`: {route.limit.hits} in {route.limit.seconds} s."


def _is_required(route: Route) -> bool:
    """A JSON body of nothing but optional fields may be left out."""
    return route.body is None or any(field.required for field in route.body.fields.values())


def _content(spec: APISpec, route: Route, operation: Operation) -> Spec:
    """Content type to what is sent of it."""
    if operation.file:
        return {"multipart/form-data": {"schema": _form(spec, route, operation.file)}}
    if route.body is None:
        return operation.takes
    return {"application/json": {"schema": type(route.body), "example": operation.body or {}}}


def _form(spec: APISpec, route: Route, file: str) -> Spec:
    """The texts of the form as their schema has them, and the file."""
    form: Spec = {"type": "object", "properties": {}, "additionalProperties": False}
    if route.form is not None:
        form |= spec.plugins[0].converter.schema2jsonschema(route.form())  # type: ignore[attr-defined]
    form["properties"][file] = {"type": "string", "format": "binary"}
    form["required"] = [*form.get("required", ()), file]
    return form


def _parameters(route: Route, operation: Operation) -> Iterable[Spec]:
    for name in re.findall(r"\{(\w+)\}", route.path):
        schema = {"type": "string", "format": "uuid"}
        yield {"in": "path", "name": _camel(name), "required": True, "schema": schema}
    if route.query is not None:
        yield {"in": "query", "schema": type(route.query)}
    yield from operation.parameters
    if is_idempotent(route):
        yield "IdempotencyKey"  # type: ignore[misc]


def _success(spec: APISpec, route: Route, operation: Operation) -> Spec:
    headers = dict(components.HEADERS_ALWAYS)
    if not operation.in_envelope:
        return {status: response | {"headers": headers} for status, response in operation.gives.items()}
    name = operation_id(route)[:1].upper() + operation_id(route)[1:] + "Response"
    spec.components.schema(name, _envelope(spec, operation.returns))
    if is_idempotent(route):
        headers |= components.HEADERS_REPLAYED
    content: Spec = {"schema": name, "example": _example(operation)}
    response: Spec = {"description": "Success", "headers": headers, "content": {"application/json": content}}
    for kind, other in operation.gives.get("200", {}).get("content", {}).items():
        response["content"][kind] = other
    return {"200": response}


def _envelope(spec: APISpec, returns: type[Answer] | None) -> Spec:
    envelope: Spec = {
        "type": "object",
        "required": ["success", "message"],
        "properties": {"success": {"type": "boolean", "enum": [True]}, "message": {"type": "string"}},
    }
    if returns is not None:
        envelope["required"] = ["success", "data", "message"]
        shape = _name_of(returns)
        if shape not in spec.components.schemas:
            spec.components.schema(shape, schema=returns)
        envelope["properties"]["data"] = {"$ref": f"#/components/schemas/{shape}"}
    return envelope


def _example(operation: Operation) -> Spec:
    data = {} if operation.returns is None else {"data": example_of(operation.returns)}
    return {"success": True, **data, "message": operation.message}


def _refused(spec: APISpec, status: int, refusals: list[type[RomanticError]]) -> str:
    """The name of the response component that stands for these refusals."""
    name = "_".join((str(status), *(one.code for one in refusals)))
    if name not in spec.components.responses:
        spec.components.response(name, _refusal(status, refusals))
    return name


def _refusal(status: int, refusals: list[type[RomanticError]]) -> Spec:
    lines = [f"[`{one.code}`](/docs/errors/{one.code}): {getdoc(one)}" for one in refusals]
    examples = {one.code: {"$ref": f"#/components/examples/{one.code}"} for one in refusals}
    return {
        "description": f"{HTTPStatus(status).phrase}\n\n" + "\n\n".join(lines),
        "headers": components.HEADERS_ALWAYS | components.HEADERS_OF.get(status, {}),
        "content": {"application/json": {"schema": "Refusal", "examples": examples}},
    }
