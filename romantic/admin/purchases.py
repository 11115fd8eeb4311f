"""/api/admin/purchases"""

from typing import Any
from uuid import UUID

import structlog
from aiohttp import web
from marshmallow import fields, validate

from romantic.admin import service
from romantic.admin.schemas import ReasonBody
from romantic.admin.session import STAFF, admin
from romantic.coins import purchases
from romantic.coins.errors import PaymentProviderUnavailable, PurchaseNotRefundable
from romantic.db import Row, connection
from romantic.http import PageQuery, get, ok, page_of, post
from romantic.http.limits import ADMIN
from romantic.http.request_id import REQUEST_ID
from romantic.integrations.stripe_payments import PAYMENTS, PaymentFault

log = structlog.get_logger()

STATES = ("pending", "paid", "failed", "refunded", "disputed")


class PurchasesQuery(PageQuery):
    status = fields.Str(load_default=None, validate=validate.OneOf(STATES))
    user_id = fields.UUID(load_default=None)


async def list_purchases(
    request: web.Request, *, page: int, page_size: int, page_offset: int, **filters: Any
) -> web.Response:
    async with connection(request.app) as conn:
        rows, total = await purchases.list_purchases(
            conn, page_size=page_size, page_offset=page_offset, **filters
        )
    data = {
        "purchases": [_view(row) for row in rows],
        "pagination": page_of(page=page, page_size=page_size, total=total),
    }
    return ok(data, "Purchases retrieved successfully")


async def refund(request: web.Request, *, purchase_id: UUID, reason: str) -> web.Response:
    """Sends the money back, once however often it is asked for; the coins follow with the provider's news.

    Written down before it is sent: a refund without a trail must not be.
    """
    app = request.app
    actor = service.Actor(request[STAFF].id, request[REQUEST_ID])
    async with connection(app) as conn:
        row = await purchases.get_purchase(conn, purchase_id=purchase_id)
        if row["status"] != "paid":
            raise PurchaseNotRefundable(status=row["status"])
        await service.audit(
            conn,
            actor,
            "purchase.refund",
            target_type="purchase",
            target_id=purchase_id,
            before={name: row[name] for name in ("status", "coins_taken_back", "provider_id")},
            reason=reason,
        )
    try:
        refund_id = await app[PAYMENTS].refund(purchase_id=purchase_id, intent_id=row["provider_id"])
    except PaymentFault as fault:
        log.warning("purchase.refund_failed", purchase_id=str(purchase_id), reason=str(fault))
        raise PaymentProviderUnavailable(retry_after=5) from None
    log.info("admin.action", action="purchase.refund", actor_id=str(actor.id), target_id=str(purchase_id))
    return ok({"purchaseId": purchase_id, "refundId": refund_id}, "Refund requested")


def _view(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "userId": row["user_id"],
        "packageId": row["package_id"],
        "coins": row["coins"],
        "price": row["price"],
        "currency": row["currency"],
        "provider": row["provider"],
        "providerId": row["provider_id"],
        "status": row["status"],
        "coinsTakenBack": row["coins_taken_back"],
        "paidAt": row["paid_at"],
        "createdAt": row["created_at"],
    }


ROUTES = (
    get("/api/admin/purchases", list_purchases, admin, query=PurchasesQuery, limit=ADMIN),
    post("/api/admin/purchases/{purchase_id}/refund", refund, admin, body=ReasonBody, limit=ADMIN),
)
