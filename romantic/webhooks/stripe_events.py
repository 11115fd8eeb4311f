"""What an event of Stripe means to a purchase. The connection is in a transaction."""

from collections.abc import Awaitable, Callable
from typing import Any

from romantic.coins import purchases
from romantic.coins.purchases import Effect
from romantic.db import Connection
from romantic.errors import BadRequest
from romantic.integrations.stripe_payments import Intent

#: How a dispute ends well; an inquiry that goes no further is one that never was.
WON = ("won", "warning_closed")
UNREADABLE = "This event lacks what its type promises."


async def take_event(conn: Connection, event: dict[str, Any]) -> Effect:
    """Write the event down and act on it, both or neither. Raises BadRequest for an event we cannot read."""
    try:
        is_new = await purchases.add_event(
            conn, event_id=str(event["id"]), event_type=str(event["type"]), payload=event
        )
    except (KeyError, TypeError, ValueError):
        raise BadRequest(UNREADABLE) from None
    return await act_on(conn, event) if is_new else Effect("duplicate")


async def act_on(conn: Connection, event: dict[str, Any]) -> Effect:
    """What the event means, written down as its outcome; harmless twice. Raises BadRequest."""
    try:
        act = ACTS.get(str(event["type"]))
        effect = await act(conn, event["data"]["object"]) if act else Effect("ignored")
    except (KeyError, TypeError, ValueError):
        raise BadRequest(UNREADABLE) from None
    await purchases.set_outcome(conn, event_id=str(event["id"]), outcome=effect.outcome)
    return effect


async def _intent_moved(conn: Connection, told: dict[str, Any]) -> Effect:
    return await purchases.take_intent(conn, Intent.read(told))


async def _intent_failed(conn: Connection, told: dict[str, Any]) -> Effect:
    return await purchases.fail_intent(conn, Intent.read(told))


async def _charge_refunded(conn: Connection, told: dict[str, Any]) -> Effect:
    return await purchases.take_refund(
        conn,
        charge_id=told["id"],
        intent_id=told["payment_intent"],
        purchase_id=(told.get("metadata") or {}).get("purchaseId"),
        refunded=told["amount_refunded"],
        currency=told["currency"],
    )


async def _disputed(conn: Connection, told: dict[str, Any]) -> Effect:
    return await purchases.take_dispute(
        conn,
        dispute_id=told["id"],
        intent_id=told["payment_intent"],
        amount=told["amount"],
        currency=told["currency"],
        is_won=told["status"] in WON,
    )


Act = Callable[[Connection, dict[str, Any]], Awaitable[Effect]]
ACTS: dict[str, Act] = {
    "payment_intent.succeeded": _intent_moved,
    "payment_intent.canceled": _intent_moved,
    "payment_intent.payment_failed": _intent_failed,
    "charge.refunded": _charge_refunded,
    "charge.dispute.created": _disputed,
    "charge.dispute.closed": _disputed,
}
