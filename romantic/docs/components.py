"""The parts every operation of the document shares: refusals, headers, ways to sign in, error examples."""

from typing import Any

import marshmallow as ma
from apispec import APISpec
from marshmallow import fields

from romantic.docs.refusals import catalogue
from romantic.errors import RomanticError
from romantic.http.idempotency import KEY, LONGEST_KEY
from romantic.http.schema import Schema

Spec = dict[str, Any]

#: Facts that come with a refusal, as they are sent.
FACTS: dict[str, Spec] = {
    "AMOUNT_MISMATCH": {"price": 10},
    "CALL_GLARE": {"callId": "5c1e7a30-64b2-4d8f-a9c3-1f0e2d3c4b5a"},
    "CALL_UNLIKELY": {"connectivity": "unlikely"},
    "INSUFFICIENT_COINS": {"required": 50, "balance": 30},
    "INVALID_CALL_STATE": {"status": "ended"},
    "INVALID_USER_STATE": {"status": "banned"},
    "NOT_READY": {"checks": {"database": "down", "redis": "ok"}},
    "PAYLOAD_TOO_LARGE": {"limitBytes": 262_144},
    "PURCHASE_NOT_REFUNDABLE": {"status": "pending"},
    "RATE_LIMITED": {"limit": 60, "windowSeconds": 60},
    "REPORT_DECIDED": {"status": "resolved", "version": 2},
    "USER_BUSY": {"callId": "5c1e7a30-64b2-4d8f-a9c3-1f0e2d3c4b5a"},
}
FAULTS: dict[str, list[dict[str, str]]] = {
    "VALIDATION_ERROR": [
        {"path": "callType", "code": "required", "message": "Missing data for required field."}
    ],
    "PHONE_INVALID": [
        {
            "path": "phoneNumber",
            "code": "invalid",
            "message": "Give the phone number in international form, such as +12025550123.",
        }
    ],
}
WAITS_MS = {
    "NOT_READY": 5000,
    "OTP_NOT_SENT": 5000,
    "PAYMENT_PROVIDER_UNAVAILABLE": 5000,
    "PROBE_BUSY": 5000,
    "RATE_LIMITED": 12_000,
    "REQUEST_IN_FLIGHT": 1000,
    "UNAVAILABLE": 1000,
}

HEADERS: dict[str, Spec] = {
    "X-Request-Id": {
        "description": "Ties the answer to our log. One that is sent is taken: 8 to 64 of A-Z a-z 0-9 . _ -",
        "required": True,
        "schema": {"type": "string", "example": "req_9f2c5a000001"},
    },
    "Retry-After": {
        "description": "Whole seconds to wait before the next try.",
        "schema": {"type": "integer", "minimum": 1, "example": 12},
    },
    "RateLimit-Policy": {
        "description": "The class: its name, q hits in w seconds.",
        "schema": {"type": "string", "example": '"write";q=60;w=60'},
    },
    "RateLimit": {
        "description": "What is left: r hits, t seconds until there are more.",
        "schema": {"type": "string", "example": '"write";r=0;t=12'},
    },
    "Idempotent-Replayed": {
        "description": "true where this is the stored answer to an earlier request.",
        "schema": {"type": "string", "example": "true"},
    },
}


def _references(*names: str) -> Spec:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


HEADERS_ALWAYS = _references("X-Request-Id")
#: Status to the headers that may come with it.
HEADERS_OF: dict[int, Spec] = {
    409: _references("Retry-After"),
    429: _references("Retry-After", "RateLimit-Policy", "RateLimit"),
    503: _references("Retry-After"),
}
HEADERS_REPLAYED = _references("Idempotent-Replayed")


class Open(Schema):
    """Keys may be added."""

    class Meta:
        unknown = ma.EXCLUDE


class RefusalFault(Open):
    """One faulty value of a request."""

    path = fields.Str(required=True, metadata={"example": "callType"})
    code = fields.Str(required=True, metadata={"example": "required"})
    message = fields.Str(required=True, metadata={"example": "Missing data for required field."})


class RefusalDetail(Open):
    """What a client acts on: `code` is stable, `message` is for people."""

    code = fields.Str(required=True, metadata={"example": "INSUFFICIENT_COINS"})
    request_id = fields.Str(required=True, metadata={"example": "req_9f2c5a000001"})
    retryable = fields.Bool(required=True, metadata={"example": False})
    retry_after_ms = fields.Int(metadata={"example": 12_000})
    fields_ = fields.List(fields.Nested(RefusalFault), data_key="fields")
    meta = fields.Dict(metadata={"example": {"required": 50, "balance": 30}})


class Refusal(Open):
    """Every refusal."""

    success = fields.Bool(required=True, metadata={"enum": [False]})
    message = fields.Str(required=True)
    error = fields.Nested(RefusalDetail, required=True)


def add_to(spec: APISpec) -> None:
    """Register them under the names the operations refer to."""
    about = "The access token of verify-otp, register, login or refresh: 15 minutes."
    bearer = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    spec.components.security_scheme("bearer", bearer | {"description": about})
    about = "The access token of `POST /api/admin/auth/login`."
    spec.components.security_scheme("staff", bearer | {"description": about})
    spec.components.schema("Refusal", schema=Refusal)
    for name, header in HEADERS.items():
        spec.components.header(name, header)
    for code, error in catalogue().items():
        spec.components.example(code, {"value": refusal_example(error)})
    spec.components.parameter(
        "IdempotencyKey",
        "header",
        {
            "name": "Idempotency-Key",
            "required": False,
            "description": "New for each thing that is wanted, the same for each retry of it. Kept 24 hours.",
            "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY, "pattern": KEY},
            "example": "2b1f6c0e-call-ada",
        },
    )


def refusal_example(error: type[RomanticError]) -> Spec:
    """The refusal as it is sent, with the facts it brings along."""
    detail: Spec = {"code": error.code, "retryable": error.retryable}
    if error.code in FAULTS:
        detail["fields"] = FAULTS[error.code]
    if FACTS.get(error.code):
        detail["meta"] = FACTS[error.code]
    if error.code in WAITS_MS:
        detail["retryAfterMs"] = WAITS_MS[error.code]
    return {"success": False, "message": error.message, "error": detail | {"requestId": "req_9f2c5a000001"}}
