"""News from providers; apps have no use for these."""

from typing import Any

from romantic.docs.operation import Operation
from romantic.docs.shapes import Answer, flag, text

JSON_OBJECT = {"application/json": {"schema": {"type": "object", "additionalProperties": True}}}


class Received(Answer):
    """Taken."""

    received = flag(True)


class Challenge(Answer):
    """What was asked for."""

    challenge = text("xxx")


#: Anything of a sensible length.
CHALLENGE = {"minLength": 1, "maxLength": 256}


def _parameter(
    place: str, name: str, about: str, *, example: str, required: bool = False, **limits: int
) -> dict[str, Any]:
    schema = {"type": "string", "example": example} | limits
    return {"in": place, "name": name, "required": required, "description": about, "schema": schema}


OPERATIONS = {
    "POST /api/webhooks/stripe": Operation(
        "An event of Stripe", "Event received", Received, "BAD_REQUEST INVALID_SIGNATURE RATE_LIMITED",
        "Signed in `Stripe-Signature`; each event acts once.",
        parameters=(
            _parameter("header", "Stripe-Signature", "Of Stripe.", example="t=1705314600,v1=5257a869"),
        ),
        takes=JSON_OBJECT,
    ),
    "GET /api/webhooks/admob": Operation(
        "A rewarded ad was watched", "Callback received", Received, "INVALID_SIGNATURE RATE_LIMITED "
        "UNAVAILABLE",
        "Server-side verification of AdMob: the query is signed as a whole.",
        parameters=(
            _parameter("query", "custom_data", "The nonce of the ad session.", example="q1w2e3r4t5y6"),
            _parameter("query", "transaction_id", "AdMob's own.", example="18fa792de1bca816048293fc71035638"),
            _parameter("query", "signature", "Signs everything before it.", example="MEUCIQ"),
            _parameter("query", "key_id", "Which of AdMob's keys.", example="3335741209"),
        ),
    ),
    "GET /api/webhooks/whatsapp": Operation(
        "Meta proves the address", "Webhook verified successfully", Challenge,
        "FORBIDDEN VALIDATION_ERROR RATE_LIMITED UNAVAILABLE",
        "Meta compares the whole body with its challenge, so it is plain text; the envelope is for who "
        "asks for "
        "`application/json` by name.",
        parameters=(
            _parameter("query", "hub.mode", "subscribe", example="subscribe"),
            _parameter(
                "query", "hub.challenge", "What is to be repeated.", example="xxx", required=True, **CHALLENGE
            ),
            _parameter("query", "hub.verify_token", "The agreed word.", example="your_verify_token"),
        ),
        gives={"200": {"content": {"text/plain": {"schema": {"type": "string"}, "example": "xxx"}}}},
    ),
    "POST /api/webhooks/whatsapp": Operation(
        "What became of codes sent by WhatsApp", "Webhook processed successfully", None,
        "BAD_REQUEST 401:INVALID_SIGNATURE RATE_LIMITED UNAVAILABLE",
        "Signed in `X-Hub-Signature-256`.",
        parameters=(
            _parameter("header", "X-Hub-Signature-256", "Meta's signature.", example="sha256=5257a869"),
        ),
        takes=JSON_OBJECT,
    ),
    "POST /api/webhooks/sms": Operation(
        "What became of codes sent by SMS", "Webhook processed successfully", None,
        "BAD_REQUEST 401:INVALID_SIGNATURE RATE_LIMITED UNAVAILABLE",
        "A notification of Amazon SNS, signed in its body. SNS calls its JSON `text/plain`, which "
        "is taken too.",
        takes=JSON_OBJECT,
    ),
}  # fmt: skip
