"""A Stripe on this server's own address: intents, refunds, and a page on which a person pays or declines.

Nothing survives a restart but what our own database knows; purchases that were open then stay open.
"""

import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
import stripe
from aiohttp import web

from romantic.errors import NotFound, RomanticError, Unauthorized
from romantic.http import bearer_token, ok
from romantic.http.body import read_body
from romantic.http.envelope import encode, respond
from romantic.realtime import BUS
from romantic.settings import SETTINGS
from romantic.web import page

KEPT = 1000


class AlreadySettled(RomanticError):
    """The intent was paid already."""

    code = "ALREADY_SETTLED"
    message = "This payment is settled."


@dataclass
class Till:
    """The intents by id, and what was answered under each idempotency key."""

    intents: dict[str, dict[str, Any]] = field(default_factory=dict)
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)

    def note(self, news: dict[str, Any]) -> None:
        """An intent as it stands now, or an answer, at this or another node."""
        self.intents |= news.get("intents", {})
        self.answers |= news.get("answers", {})
        for kept in (self.intents, self.answers):
            while len(kept) > KEPT:
                del kept[next(iter(kept))]


TILL = web.AppKey("TILL", Till)


async def _form(request: web.Request) -> dict[str, str]:
    if bearer_token(request) != request.app[SETTINGS].stripe_secret_key:
        raise Unauthorized
    return dict(parse_qsl((await read_body(request)).decode()))


async def create_intent(request: web.Request) -> web.Response:
    """POST /v1/payment_intents"""
    form, till = await _form(request), request.app[TILL]
    key = request.headers.get("Idempotency-Key", secrets.token_hex(8))
    if key in till.answers:
        return respond(encode(till.answers[key]), 200)
    intent_id = f"pi_{secrets.token_hex(12)}"
    intent = {
        "id": intent_id,
        "object": "payment_intent",
        "amount": int(form["amount"]),
        "amount_received": 0,
        "currency": form["currency"],
        "status": "requires_payment_method",
        "client_secret": f"{intent_id}_secret_{secrets.token_hex(12)}",
        "created": int(time.time()),
        "metadata": {name[9:-1]: value for name, value in form.items() if name.startswith("metadata[")},
    }
    request.app[BUS].publish("dev.till", {"intents": {intent_id: intent}, "answers": {key: intent}})
    return respond(encode(intent), 200)


async def get_intent(request: web.Request) -> web.Response:
    """GET /v1/payment_intents/{intent}"""
    await _form(request)
    return respond(encode(_intent(request)), 200)


async def create_refund(request: web.Request) -> web.Response:
    """POST /v1/refunds: all of it, told to our webhook at once."""
    form, till = await _form(request), request.app[TILL]
    key = request.headers.get("Idempotency-Key", secrets.token_hex(8))
    if key in till.answers:
        return respond(encode(till.answers[key]), 200)
    intent = till.intents.get(form["payment_intent"])
    if intent is None:
        raise NotFound
    refund = {"id": f"re_{secrets.token_hex(12)}", "object": "refund", "payment_intent": intent["id"]}
    charge = {
        "id": f"ch_{intent['id'][3:]}",
        "object": "charge",
        "payment_intent": intent["id"],
        "amount": intent["amount"],
        "amount_refunded": intent["amount"],
        "currency": intent["currency"],
        "metadata": intent["metadata"],
    }
    request.app[BUS].publish("dev.till", {"answers": {key: refund}})
    await _tell(request, "charge.refunded", charge)
    return respond(encode(refund), 200)


async def list_intents(request: web.Request) -> web.Response:
    rows = [_shown(intent) for intent in reversed(request.app[TILL].intents.values())]
    return ok({"intents": rows[:20]}, "Newest first")


async def pay(request: web.Request) -> web.Response:
    return await _settle(request, "succeeded", "payment_intent.succeeded")


async def decline(request: web.Request) -> web.Response:
    return await _settle(request, "requires_payment_method", "payment_intent.payment_failed")


async def _settle(request: web.Request, status: str, kind: str) -> web.Response:
    intent = _intent(request)
    if intent["status"] == "succeeded":
        raise AlreadySettled
    intent["status"] = status
    intent["amount_received"] = intent["amount"] if status == "succeeded" else 0
    intent["is_declined"] = status != "succeeded"
    request.app[BUS].publish("dev.till", {"intents": {intent["id"]: intent}})
    await _tell(request, kind, intent)
    return ok(_shown(intent), "Told")


async def _tell(request: web.Request, kind: str, told: dict[str, Any]) -> None:
    """Send a signed event to our own webhook, over HTTP as Stripe does."""
    event = {"id": f"evt_{secrets.token_hex(12)}", "object": "event", "type": kind, "data": {"object": told}}
    raw = json.dumps(event)
    secret = request.app[SETTINGS].stripe_webhook_secret.split(",")[0].strip()
    headers = {
        "Stripe-Signature": stripe.WebhookSignature.generate_signature_header(raw, secret),
        "Content-Type": "application/json",
    }
    url = request.url.origin().with_path("/api/webhooks/stripe")
    async with aiohttp.ClientSession() as http, http.post(url, data=raw, headers=headers) as answer:
        answer.raise_for_status()


def _intent(request: web.Request) -> dict[str, Any]:
    intent = request.app[TILL].intents.get(request.match_info["intent"])
    if intent is None:
        raise NotFound
    return intent


def _shown(intent: dict[str, Any]) -> dict[str, Any]:
    state = "paid" if intent["status"] == "succeeded" else "declined" if intent.get("is_declined") else "open"
    return {
        "id": intent["id"],
        "amount": intent["amount"],
        "currency": intent["currency"],
        "state": state,
        "createdAt": intent["created"],
    }


async def show(_: web.Request) -> web.Response:
    return page("pay.html")


def add_stripe(app: web.Application) -> None:
    app[TILL] = Till()
    app[BUS].on("dev.till", app[TILL].note)
    router = app.router
    router.add_post("/dev/stripe/v1/payment_intents", create_intent)
    router.add_get("/dev/stripe/v1/payment_intents/{intent}", get_intent)
    router.add_post("/dev/stripe/v1/refunds", create_refund)
    router.add_get("/dev/pay.json", list_intents)
    router.add_get("/dev/pay", show)
    router.add_get("/dev/pay/{intent}", show)
    router.add_post("/dev/pay/{intent}/pay", pay)
    router.add_post("/dev/pay/{intent}/decline", decline)
