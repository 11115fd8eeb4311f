"""/api/coins: packages and purchases"""

from typing import Any
from uuid import UUID

import structlog
from aiohttp import web
from marshmallow import fields, validate

from romantic.coins import purchases
from romantic.coins.errors import PaymentMethodUnavailable, PaymentProviderUnavailable
from romantic.db import Row, connection, transaction
from romantic.http import PRINCIPAL, Schema, get, ok, post, signed_in
from romantic.http.idempotency import HEADER
from romantic.http.limits import MONEY
from romantic.integrations.stripe_payments import PAYMENTS, Intent, PaymentFault
from romantic.settings import SETTINGS

log = structlog.get_logger()

#: Apple's and Google's own billing are places kept free in the protocol.
PAYMENT_METHODS = ("stripe", "apple", "google")


class PurchaseBody(Schema):
    package_id = fields.UUID(required=True)
    payment_method = fields.Str(required=True, validate=validate.OneOf(PAYMENT_METHODS))


async def list_packages(request: web.Request) -> web.Response:
    async with connection(request.app) as conn:
        rows = await purchases.list_packages(conn, currency=request.app[SETTINGS].stripe_currency)
    return ok({"packages": [_package_view(row) for row in rows]}, "Packages retrieved successfully")


async def purchase(request: web.Request, *, package_id: UUID, payment_method: str) -> web.Response:
    """Coins come with the provider's news, never with this answer. A retry is given the same intent."""
    if payment_method != "stripe":
        raise PaymentMethodUnavailable
    app, user_id = request.app, request[PRINCIPAL].id
    async with transaction(app) as conn:
        bought = await purchases.open_purchase(
            conn,
            user_id=user_id,
            package_id=package_id,
            currency=app[SETTINGS].stripe_currency,
            request_key=request.headers.get(HEADER),
        )
    intent = await _intent_for(app, user_id, bought)
    async with connection(app) as conn:
        await purchases.set_provider_id(conn, purchase_id=bought["id"], provider_id=intent.id)
    log.info("purchase.opened", purchase_id=str(bought["id"]), user_id=str(user_id), provider_id=intent.id)
    data = {"paymentIntent": intent.id, "clientSecret": intent.client_secret, "purchaseId": bought["id"]}
    return ok(data, "Payment intent created")


async def _intent_for(app: web.Application, user_id: UUID, bought: Row) -> Intent:
    try:
        return await app[PAYMENTS].create_intent(
            purchase_id=bought["id"], user_id=user_id, price=bought["price"], currency=bought["currency"]
        )
    except PaymentFault as fault:
        log.warning("purchase.provider_failed", purchase_id=str(bought["id"]), reason=str(fault))
        raise PaymentProviderUnavailable(retry_after=5) from None


async def get_purchase(request: web.Request, *, purchase_id: UUID) -> web.Response:
    async with connection(request.app) as conn:
        row = await purchases.get_purchase(conn, purchase_id=purchase_id, user_id=request[PRINCIPAL].id)
    return ok(_purchase_view(row), "Purchase retrieved successfully")


def _package_view(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "name": row["name"],
        "coins": row["coins"],
        "price": row["price"],
        "currency": row["currency"],
        "isActive": row["is_active"],
    }


def _purchase_view(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "packageId": row["package_id"],
        "coins": row["coins"],
        "price": row["price"],
        "currency": row["currency"],
        "paymentMethod": row["provider"],
        "paymentIntent": row["provider_id"],
        "status": row["status"],
        "coinsTakenBack": row["coins_taken_back"],
        "paidAt": row["paid_at"],
        "createdAt": row["created_at"],
    }


ROUTES = (
    get("/api/coins/packages", list_packages, signed_in),
    post("/api/coins/purchase", purchase, signed_in, body=PurchaseBody, limit=MONEY),
    get("/api/coins/purchases/{purchase_id}", get_purchase, signed_in),
)
