"""Stripe: payment intents, refunds, and whether an event is really theirs."""

import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import aiohttp
import stripe
from aiohttp import web

from romantic.integrations.breaker import Breaker
from romantic.settings import SETTINGS, Settings
from romantic.upstream import upstream

TIMEOUT_SECONDS = 10
RETRIES = 2
TOLERANCE_SECONDS = 300
#: Stripe works, and will not do this.
OF_THE_REQUEST = (400, 402, 404, 409)

#: Currencies Stripe counts in other units than hundredths (docs.stripe.com/currencies).
ZERO_DECIMAL = frozenset(
    ("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf")
)
THREE_DECIMAL = frozenset(("bhd", "jod", "kwd", "omr", "tnd"))


class PaymentFault(Exception):
    """Stripe could not be asked, or said no; the text is for operators and holds no secret."""


class EventRefused(Exception):
    """The event is not signed by Stripe, or not now."""


@dataclass(frozen=True, slots=True)
class Intent:
    """What Stripe says of a payment; the two ids are what we told it when it was made."""

    id: str
    status: str
    amount: int
    currency: str
    purchase_id: str | None
    user_id: str | None
    client_secret: str | None = None

    @classmethod
    def read(cls, told: dict[str, Any]) -> "Intent":
        """From an answer of the API or an event. What was received counts, once something was."""
        metadata = told.get("metadata") or {}
        return cls(
            id=str(told["id"]),
            status=str(told["status"]),
            amount=int(told.get("amount_received") or told["amount"]),
            currency=str(told["currency"]),
            purchase_id=metadata.get("purchaseId"),
            user_id=metadata.get("userId"),
            client_secret=told.get("client_secret"),
        )


def minor_units(price: Decimal, currency: str) -> int:
    """The price as Stripe counts it. Raises ValueError for a fraction of the smallest coin."""
    places = 0 if currency in ZERO_DECIMAL else 3 if currency in THREE_DECIMAL else 2
    amount = price.scaleb(places)
    if amount != amount.to_integral_value():
        raise ValueError(f"{price} {currency} is no whole number of its smallest coin")
    return int(amount)


class Payments:
    """One client towards Stripe. It repeats what got no answer, under the same idempotency key."""

    def __init__(self, settings: Settings, http: aiohttp.ClientSession) -> None:
        self._secrets = [part.strip() for part in settings.stripe_webhook_secret.split(",") if part.strip()]
        self.breaker = Breaker(failures=1)
        self._client = stripe.StripeClient(
            settings.stripe_secret_key,
            http_client=stripe.AIOHTTPClient(timeout=TIMEOUT_SECONDS, session=http),
            base_addresses={"api": settings.stripe_api_base},
            max_network_retries=RETRIES,
        )

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Whatever a call of the client raises, as PaymentFault; health is told how it went."""
        try:
            yield
        except stripe.StripeError as error:
            (self.breaker.succeeded if error.http_status in OF_THE_REQUEST else self.breaker.failed)()
            raise PaymentFault(
                f"{type(error).__name__} {error.http_status or ''} {error.code or ''}".strip()
            ) from error
        except (aiohttp.ClientError, OSError, TimeoutError, KeyError, ValueError, TypeError) as error:
            # Stripe's client reads bodies outside its own net; an answer that is none ends up here as well.
            self.breaker.failed()
            raise PaymentFault(type(error).__name__) from error
        self.breaker.succeeded()

    async def create_intent(
        self, *, purchase_id: UUID, user_id: UUID, price: Decimal, currency: str
    ) -> Intent:
        """The one intent of a purchase, however often it is asked for."""
        with self._faults(), upstream("stripe", "create_intent"):
            intent = await self._client.v1.payment_intents.create_async(
                {
                    "amount": minor_units(price, currency),
                    "currency": currency,
                    "automatic_payment_methods": {"enabled": True},
                    "metadata": {"purchaseId": str(purchase_id), "userId": str(user_id)},
                },
                {"idempotency_key": str(purchase_id)},
            )
            return Intent.read(intent.to_dict())

    async def retrieve_intent(self, intent_id: str) -> Intent:
        with self._faults(), upstream("stripe", "retrieve_intent"):
            intent = await self._client.v1.payment_intents.retrieve_async(intent_id)
            return Intent.read(intent.to_dict())

    async def refund(self, *, purchase_id: UUID, intent_id: str) -> str:
        """Give all of it back, once per purchase; returns the id of the refund."""
        with self._faults(), upstream("stripe", "refund"):
            refund = await self._client.v1.refunds.create_async(
                {"payment_intent": intent_id, "metadata": {"purchaseId": str(purchase_id)}},
                {"idempotency_key": f"refund:{purchase_id}"},
            )
            return str(refund.id)

    def verify_event(self, raw: bytes, signature: str | None) -> dict[str, Any]:
        """The event as it came; raises EventRefused. Any of the secrets will do: one may replace another."""
        for secret in self._secrets:
            try:
                stripe.Webhook.construct_event(raw, signature, secret, TOLERANCE_SECONDS)
                _refuse_the_future(signature or "")
                event: dict[str, Any] = json.loads(raw)
            except (stripe.SignatureVerificationError, ValueError, TypeError, AttributeError):
                continue
            return event
        raise EventRefused


def _refuse_the_future(signature: str) -> None:
    """Stripe's own check takes any timestamp that is not old: a stolen signature could be kept for later."""
    sent_at = next(part[2:] for part in signature.split(",") if part.startswith("t="))
    if int(sent_at) > time.time() + TOLERANCE_SECONDS:
        raise ValueError("signed in the future")


PAYMENTS = web.AppKey("PAYMENTS", Payments)


async def payments(app: web.Application) -> AsyncIterator[None]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        app[PAYMENTS] = Payments(app[SETTINGS], http)
        yield
