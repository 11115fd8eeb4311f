"""AsyncAPI 3 of the sockets: client events from the tables the server runs, all else from the protocol page.

Every example of the page is sent, and every frame the server sends is held against these schemas, by
tests/realtime/test_protocol.py.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import Schema as AnySchema
from marshmallow import fields

from romantic import __version__
from romantic.docs import protocol
from romantic.docs.refusals import catalogue
from romantic.http.schema import Schema

ABOUT = """One JSON object per text frame. An `id` asks for exactly one answer: `ack` or `error`. Names are
those of the original Socket.IO events; keys may be added, none renamed. `/docs/ws` lets you try them."""

#: Passed on as the other side sent it: an object, a text, and for candidates null or an array of these.
VERBATIM = {"offer", "answer", "candidate", "t"}
_INSTANT = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$")
_SOCKET = {"$ref": "#/channels/socket"}
_ID = {"description": "Comes back in the answer.", "type": ["integer", "string"], "maxLength": 64}

Spec = dict[str, Any]
MayBeNull = Callable[[str], bool]


class EventRow(Protocol):
    """A row of an event table, as `realtime/dispatch.py` has it."""

    name: str
    handler: Any
    schema: Schema
    bucket: str


class SocketError(Schema):
    """A refusal: `code` is stable, `message` is for people; `ref` is the event of a frame without an id."""

    code = fields.Str(required=True, metadata={"example": "NOT_IN_CALL"})
    message = fields.Str(required=True)
    retryable = fields.Bool(required=True)
    retry_after_ms = fields.Int()
    ref = fields.Str(allow_none=True)
    fields_ = fields.List(fields.Dict(), data_key="fields")
    meta = fields.Dict()


def asyncapi(events: Iterable[EventRow]) -> Spec:
    """The whole document as a dict."""
    rows = list(events)
    messages = {"error": _error()}
    operations: Spec = {}
    for row in rows:
        asked = protocol.client_events()[row.name]
        messages[f"client-{row.name}"] = _client_message(row, asked)
        messages[f"ack-{row.name}"] = _ack_message(row.name, asked)
        operations[f"receive-{row.name}"] = _receive(row)
    for name, shown in protocol.server_events().items():
        messages[f"server-{name}"] = _server_message(name, shown)
        operations[f"send-{name}"] = _send(name)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Romantic sockets", "version": __version__, "description": ABOUT},
        "defaultContentType": "application/json",
        "servers": {"here": _server()},
        "channels": {"socket": _channel(messages)},
        "operations": operations,
        "components": {"messages": messages, "securitySchemes": _security()},
        "x-close-codes": [vars(close) for close in protocol.close_codes()],
        "x-error-codes": [
            {"code": code, "message": error.message, "retryable": error.retryable}
            for code, error in catalogue().items()
        ],
    }


def _server() -> Spec:
    return {
        "host": "{host}",
        "protocol": "wss",
        "variables": {"host": {"default": "localhost:8080"}},
        "security": [{"$ref": f"#/components/securitySchemes/{name}"} for name in _security()],
    }


def _security() -> Spec:
    """The ways to sign in; a first frame `auth` is the fourth."""
    return {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "subprotocol": {
            "type": "httpApiKey",
            "in": "header",
            "name": "Sec-WebSocket-Protocol",
            "description": "romantic.v1, bearer.<access token>",
        },
        "ticket": {
            "type": "httpApiKey",
            "in": "query",
            "name": "ticket",
            "description": "From POST /api/realtime/ticket: once, within 30 s.",
        },
    }


def _channel(messages: Spec) -> Spec:
    device = {"type": "string", "maxLength": 64, "description": "The older socket of a device gives way."}
    return {
        "address": "/ws",
        "title": "The socket",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {
            "ws": {"method": "GET", "query": {"type": "object", "properties": {"deviceId": device}}},
        },
    }


def _receive(row: EventRow) -> Spec:
    answers = [f"ack-{row.name}", "error"]
    return {
        "action": "receive",
        "channel": _SOCKET,
        "summary": _first_line(row.handler),
        "messages": [{"$ref": f"#/channels/socket/messages/client-{row.name}"}],
        "reply": {
            "channel": _SOCKET,
            "messages": [{"$ref": f"#/channels/socket/messages/{answer}"} for answer in answers],
        },
    }


def _send(name: str) -> Spec:
    return {
        "action": "send",
        "channel": _SOCKET,
        "summary": _sentence(protocol.occasions()[name].words),
        "messages": [{"$ref": f"#/channels/socket/messages/server-{name}"}],
    }


def _client_message(row: EventRow, asked: protocol.Asked) -> Spec:
    data = _json_schema(row.schema)
    required = ["event", "data"] if data.get("required") else ["event"]
    return {
        "name": row.name,
        "title": row.name,
        "summary": _first_line(row.handler),
        "payload": _envelope(row.name, data, required=required, id=_ID),
        "examples": [{"payload": {"event": row.name, "data": asked.data, "id": 1}}],
        "x-in-call": asked.in_call,
        "x-rate": row.bucket,
    }


def _ack_message(name: str, asked: protocol.Asked) -> Spec:
    data = shape([asked.ack], _is_null_in_events)
    return {
        "name": "ack",
        "title": f"ack of {name}",
        "summary": f"The answer to {name}.",
        "payload": _envelope("ack", data, required=["event", "id", "data"], id=_ID),
        "examples": [{"payload": {"event": "ack", "id": 1, "data": asked.ack}}],
    }


def _server_message(name: str, shown: protocol.Shown) -> Spec:
    when = protocol.occasions()[name]
    numbered = all(shown.numbered)
    seq = {"seq": {"type": "integer", "description": "Rises; where this end is in the person's stream."}}
    instant = {"ts": {"type": "string", "format": "date-time"}}
    required = ["event", "data", *(seq if numbered else ()), "ts"]
    frame = {"ts": "2026-01-15T10:30:01.005Z"} | ({"seq": 1042} if numbered else {})
    data = shape(shown.data, when.may_be_null)
    return {
        "name": name,
        "title": name,
        "summary": _sentence(when.words),
        "payload": _envelope(name, data, required=required, **(seq if numbered else {}), **instant),
        "examples": [{"payload": {"event": name, "data": data, **frame}} for data in shown.data],
        "x-volatile": not numbered,
    }


def _is_null_in_events(path: str) -> bool:
    """Acks repeat what events say: null may stand where it may in every event that has the key."""
    key, occasions = path.rpartition(".")[2], protocol.occasions()
    having = [name for name, shown in protocol.server_events().items() if key in shown.data[0]]
    return bool(having) and all(key in occasions[name].nullable for name in having)


def _error() -> Spec:
    data = _json_schema(SocketError())
    data["properties"]["code"]["enum"] = list(catalogue())
    example = {"code": "NOT_IN_CALL", "message": "You are not part of this call.", "retryable": False}
    return {
        "name": "error",
        "title": "error",
        "summary": "A frame was refused; the socket stays open.",
        "payload": _envelope("error", data, required=["event", "data"], id=_ID),
        "examples": [{"payload": {"event": "error", "id": 1, "data": example}}],
    }


def _envelope(name: str, data: Spec, *, required: Sequence[str], **more: Spec) -> Spec:
    properties = {"event": {"type": "string", "const": name}, "data": data, **more}
    return {"type": "object", "required": list(required), "properties": properties}


def _json_schema(schema: AnySchema) -> Spec:
    """A marshmallow schema in the words of JSON Schema, complete in itself."""
    spec = APISpec("", "", "3.1.0", plugins=[plugin := MarshmallowPlugin()])
    assert plugin.converter is not None
    plugin.converter.add_attribute_function(_plain)  # type: ignore[no-untyped-call]
    spec.components.schema("Data", schema=schema)
    data: Spec = spec.to_dict()["components"]["schemas"]["Data"]
    data.pop("additionalProperties", None)  # unknown keys are ignored
    return {"type": "object", **data}


def _plain(_converter: Any, field: fields.Field[Any], ret: Spec, **_: Any) -> Spec:
    """What may be left out has no default of null; Python's end of a text in the words of ECMA-262."""
    if field.load_default is None:
        ret.pop("default", None)
    if "pattern" in ret:
        ret["pattern"] = ret["pattern"].replace("\\Z", "$")
    return {}


def shape(values: Sequence[Any], may_be_null: MayBeNull, path: str = "") -> Spec:
    """The schema all these examples have in common; keys that some of them lack are optional."""
    if path in VERBATIM:
        return {"description": "As the other side sent it."}
    spec = _shape_of_some([value for value in values if value is not None], may_be_null, path)
    if may_be_null(path) and "type" in spec:
        spec["type"] = [spec["type"], "null"]
    return spec


def _shape_of_some(found: Sequence[Any], may_be_null: MayBeNull, path: str) -> Spec:
    kinds = {type(value) for value in found}
    if kinds == {dict}:
        return {"type": "object", **_shape_of_objects(found, may_be_null, path)}
    if kinds == {list}:
        inner = [item for value in found for item in value]
        return {"type": "array", "items": shape(inner, may_be_null, f"{path}.[]") if inner else {}}
    if kinds == {str}:
        is_instant = all(_INSTANT.match(value) for value in found)
        return {"type": "string", "format": "date-time"} if is_instant else {"type": "string"}
    names = {bool: "boolean", int: "integer", float: "number"}
    return {"type": names[max(kinds, key=list(names).index)]} if kinds and kinds <= set(names) else {}


def _shape_of_objects(found: Sequence[dict[str, Any]], may_be_null: MayBeNull, path: str) -> Spec:
    keys = list(dict.fromkeys(key for value in found for key in value))
    if keys and all(key.isupper() for key in keys):  # people's ids, not names
        inner = [one for value in found for one in value.values()]
        return {"additionalProperties": shape(inner, may_be_null, f"{path}.*")}
    of = {key: [value[key] for value in found if key in value] for key in keys}
    properties = {key: shape(of[key], may_be_null, f"{path}.{key}" if path else key) for key in keys}
    required = [key for key in keys if len(of[key]) == len(found)]
    rest: Spec = {"required": required} if required else {}
    return rest | ({"properties": properties} if properties else {})


def _first_line(documented: Any) -> str:
    return (documented.__doc__ or "").strip().partition("\n")[0]


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + "."
