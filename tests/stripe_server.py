"""Stripe as its API answers, with a memory and with bad days.

The real client and the real signature code talk to it. It is our own because localstripe, the public
stand-in, has no idempotency keys (one key, two intents), no disputes and no charge.refunded, and takes
refunds above the amount: what these tests are about.
"""

import asyncio
import itertools
import json
import time
from typing import Any
from uuid import uuid4

import stripe
from aiohttp import web

SECRET = "test-only-webhook-secret"


class StripeServer:
    """Intents, refunds, answers by idempotency key; `mood`: ok, down, slow, or lost (done, but no answer)."""

    def __init__(self) -> None:
        self.url = ""
        self._runner: web.AppRunner | None = None
        self.forget()

    def forget(self) -> None:
        self.intents: dict[str, dict[str, Any]] = {}
        self.refunds: dict[str, dict[str, Any]] = {}
        self.answers: dict[str, tuple[dict[str, str], dict[str, Any]]] = {}
        self.requests: list[str] = []
        self.mood = "ok"
        self._ids = itertools.count(1)

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/v1/payment_intents", self._create_intent)
        app.router.add_get("/v1/payment_intents/{intent}", self._get_intent)
        app.router.add_post("/v1/refunds", self._create_refund)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    def settle(self, intent_id: str, status: str = "succeeded") -> dict[str, Any]:
        """The person pays, or gives up; the intent as it then is."""
        intent = self.intents[intent_id]
        intent["status"] = status
        intent["amount_received"] = intent["amount"] if status == "succeeded" else 0
        return dict(intent)

    async def _create_intent(self, request: web.Request) -> web.StreamResponse:
        def make(form: dict[str, str]) -> dict[str, Any]:
            intent_id = f"pi_{next(self._ids)}_{uuid4().hex[:8]}"
            intent = {
                "id": intent_id,
                "object": "payment_intent",
                "amount": int(form["amount"]),
                "amount_received": 0,
                "currency": form["currency"],
                "status": "requires_payment_method",
                "client_secret": f"{intent_id}_secret_{uuid4().hex}",
                "metadata": {
                    "purchaseId": form["metadata[purchaseId]"],
                    "userId": form["metadata[userId]"],
                },
            }
            self.intents[intent_id] = intent
            return intent

        return await self._once(request, make)

    async def _get_intent(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(f"GET {request.path}")
        if self.mood == "down":
            return _error(500, "api_error")
        intent = self.intents.get(request.match_info["intent"])
        return web.json_response(intent) if intent else _error(404, "resource_missing")

    async def _create_refund(self, request: web.Request) -> web.StreamResponse:
        def make(form: dict[str, str]) -> dict[str, Any]:
            refund_id = f"re_{next(self._ids)}"
            refund = {"id": refund_id, "object": "refund", "payment_intent": form["payment_intent"]}
            self.refunds[refund_id] = refund
            return refund

        return await self._once(request, make)

    async def _once(self, request: web.Request, make: Any) -> web.StreamResponse:
        """One effect per key; the same key for something else is refused, as Stripe refuses it."""
        self.requests.append(f"POST {request.path}")
        form = {name: str(value) for name, value in (await request.post()).items()}
        key = request.headers["Idempotency-Key"]
        if self.mood == "down":
            return _error(500, "api_error")
        if self.mood == "slow":
            await asyncio.sleep(0.3)
        if key in self.answers and self.answers[key][0] != form:
            return _error(400, "idempotency_error")
        if key not in self.answers:
            self.answers[key] = (form, make(form))
        if self.mood == "lost":
            assert request.transport is not None
            request.transport.abort()
        return web.json_response(self.answers[key][1])


def _error(status: int, code: str) -> web.Response:
    return web.json_response({"error": {"type": "api_error", "code": code, "message": code}}, status=status)


def event(kind: str, told: dict[str, Any], *, event_id: str | None = None) -> dict[str, Any]:
    return {
        "id": event_id or f"evt_{uuid4().hex}",
        "object": "event",
        "type": kind,
        "created": int(time.time()),
        "data": {"object": told},
    }


def charge(intent: dict[str, Any], *, refunded: int) -> dict[str, Any]:
    return {
        "id": f"ch_{intent['id']}",
        "object": "charge",
        "payment_intent": intent["id"],
        "amount": intent["amount"],
        "amount_refunded": refunded,
        "currency": intent["currency"],
        "metadata": intent["metadata"],
    }


def dispute(intent: dict[str, Any], status: str = "needs_response") -> dict[str, Any]:
    return {
        "id": f"dp_{intent['id']}",
        "object": "dispute",
        "payment_intent": intent["id"],
        "amount": intent["amount"],
        "currency": intent["currency"],
        "status": status,
    }


def signed(payload: Any, *, secret: str = SECRET, age: float = 0) -> tuple[bytes, dict[str, str]]:
    """The body and the headers of an event as Stripe sends it, `age` seconds ago."""
    raw = json.dumps(payload)
    header = stripe.WebhookSignature.generate_signature_header(raw, secret, timestamp=int(time.time() - age))
    return raw.encode(), {"Stripe-Signature": header, "Content-Type": "application/json"}


async def deliver(client: Any, payload: Any, **how: Any) -> int:
    """Send an event to our webhook: the status of the answer."""
    raw, headers = signed(payload, **how)
    response = await client.post("/api/webhooks/stripe", data=raw, headers=headers)
    return int(response.status)
