"""Coins for money: what is for sale, what was bought, and what the provider's news do to it.

Every function that changes something locks the purchase first and its person second. Events may come
twice and in any order: the credit is claimed by `paid_at`, and what is taken back follows from the sum of
reversals.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

import structlog

from romantic.coins import service
from romantic.coins.errors import PackageNotFound, PurchaseNotFound
from romantic.db import Connection, Row, load_queries
from romantic.errors import RateLimited
from romantic.integrations.stripe_payments import Intent, minor_units
from romantic.jobs import enqueue

log = structlog.get_logger()
sql = load_queries("purchases")

MOST_OPEN = 5
OPEN_SECONDS = 3600

#: A receipt that could not be sent for so long is not wanted any more, and no more than so many wait.
RECEIPT_SECONDS, MOST_RECEIPTS = 86_400.0, 10_000


@dataclass(frozen=True, slots=True)
class Effect:
    """What news did: a word for the record, and the entries to tell of after the commit."""

    outcome: str
    user_id: UUID | None = None
    entries: list[Row] = field(default_factory=list)


async def list_packages(conn: Connection, *, currency: str) -> list[Row]:
    return await conn.all(sql.list_packages, currency=currency)


async def open_purchase(
    conn: Connection, *, user_id: UUID, package_id: UUID, currency: str, request_key: str | None
) -> Row:
    """A purchase to be paid: a new one, or what an earlier try of the same left behind. Needs a transaction.

    Raises PackageNotFound; RateLimited while too many are open.
    """
    await conn.run(sql.lock_buyer, user_id=user_id)
    package = await conn.one(sql.find_package, package_id=package_id, currency=currency)
    if package is None:
        raise PackageNotFound
    terms = {name: package[name] for name in ("coins", "price", "currency")}
    wanted = {"user_id": user_id, "package_id": package_id, "request_key": request_key, **terms}
    found = await conn.one(sql.find_reusable, **wanted)
    if found is not None:
        return found
    if await conn.value(sql.count_open, user_id=user_id) >= MOST_OPEN:
        raise RateLimited("Too many purchases are open. Finish one first.", retry_after=OPEN_SECONDS)
    purchase = await conn.one(sql.add_purchase, **wanted)
    assert purchase is not None
    return purchase


async def set_provider_id(conn: Connection, *, purchase_id: UUID, provider_id: str) -> None:
    await conn.run(sql.set_provider_id, purchase_id=purchase_id, provider_id=provider_id)


async def get_purchase(conn: Connection, *, purchase_id: UUID, user_id: UUID | None = None) -> Row:
    """Raises PurchaseNotFound; with a user, for everything that is not theirs as well."""
    purchase = await conn.one(sql.find_purchase, purchase_id=purchase_id)
    if purchase is None or user_id not in (None, purchase["user_id"]):
        raise PurchaseNotFound
    return purchase


async def list_purchases(
    conn: Connection, *, page_size: int, page_offset: int, **filters: Any
) -> tuple[list[Row], int]:
    rows = await conn.all(sql.list_purchases, page_size=page_size, page_offset=page_offset, **filters)
    return rows, await conn.value(sql.count_purchases, **filters)


async def add_event(conn: Connection, *, event_id: str, event_type: str, payload: dict[str, Any]) -> bool:
    """False for an event that came before."""
    is_new = await conn.value(
        sql.add_event, provider="stripe", event_id=event_id, event_type=event_type, payload=payload
    )
    return bool(is_new)


async def set_outcome(conn: Connection, *, event_id: str, outcome: str) -> None:
    await conn.run(sql.set_outcome, provider="stripe", event_id=event_id, outcome=outcome)


async def take_intent(conn: Connection, intent: Intent) -> Effect:
    """Act on what an intent has come to. Needs a transaction."""
    purchase = await _lock(conn, purchase_id=intent.purchase_id, provider_id=intent.id)
    if purchase is None:
        return Effect("no_purchase")
    if not _is_of(purchase, intent):
        return Effect("mismatch")
    if intent.status == "succeeded":
        return await _credit(conn, purchase, intent)
    if intent.status == "canceled" and purchase["status"] == "pending":
        return await fail_intent(conn, intent)
    return Effect("unchanged")


async def fail_intent(conn: Connection, intent: Intent) -> Effect:
    """A payment did not work; the person may try again on the same intent. Needs a transaction."""
    purchase = await _lock(conn, purchase_id=intent.purchase_id, provider_id=intent.id)
    if purchase is None:
        return Effect("no_purchase")
    if not _is_of(purchase, intent):
        return Effect("mismatch")
    is_failed = await conn.run(sql.set_failed, purchase_id=purchase["id"])
    return Effect("failed" if is_failed else "too_late")


async def take_refund(
    conn: Connection, *, charge_id: str, intent_id: str, purchase_id: str | None, refunded: int, currency: str
) -> Effect:
    """So much of a charge has gone back so far. Needs a transaction."""
    purchase = await _lock(conn, purchase_id=purchase_id, provider_id=intent_id)
    if purchase is None:
        return Effect("no_purchase")
    if not _is_about(purchase, intent_id, currency):
        return Effect("mismatch")
    if refunded <= 0:
        return Effect("nothing_refunded")
    back = _share(purchase, refunded)
    await conn.run(sql.set_refund, reversal_id=charge_id, purchase_id=purchase["id"], coins=back)
    return await _settle(conn, purchase, outcome="refunded", cause=f"{charge_id}:{refunded}")


async def take_dispute(
    conn: Connection, *, dispute_id: str, intent_id: str, amount: int, currency: str, is_won: bool
) -> Effect:
    """A dispute is open or lost, or it was won and gives back what it took. Needs a transaction."""
    purchase = await _lock(conn, purchase_id=None, provider_id=intent_id)
    if purchase is None:
        return Effect("no_purchase")
    if amount <= 0 or not _is_about(purchase, intent_id, currency):
        return Effect("mismatch")
    await conn.run(
        sql.set_dispute,
        reversal_id=dispute_id,
        purchase_id=purchase["id"],
        coins=_share(purchase, amount),
        is_returned=is_won,
    )
    outcome = "dispute_won" if is_won else "disputed"
    return await _settle(conn, purchase, outcome=outcome, cause=dispute_id)


async def _lock(conn: Connection, *, purchase_id: str | None, provider_id: str) -> Row | None:
    try:
        known = UUID(purchase_id) if purchase_id else None
    except ValueError:
        return None
    return await conn.one(sql.lock_purchase, purchase_id=known, provider_id=provider_id)


def _is_of(purchase: Row, intent: Intent) -> bool:
    """The intent is the one we made for this purchase, for the person and the price we wrote down."""
    return (
        _is_about(purchase, intent.id, intent.currency)
        and intent.purchase_id == str(purchase["id"])
        and intent.user_id == str(purchase["user_id"])
        and intent.amount == minor_units(purchase["price"], purchase["currency"])
    )


def _is_about(purchase: Row, intent_id: str, currency: str) -> bool:
    return purchase["provider_id"] in (None, intent_id) and currency == purchase["currency"]


def _share(purchase: Row, amount: int) -> int:
    """The coins an amount of the price stands for, rounded in the house's favour; at most all of them."""
    price = minor_units(purchase["price"], purchase["currency"])
    return min(int(purchase["coins"]), -(-int(purchase["coins"]) * amount // price))


async def _credit(conn: Connection, purchase: Row, intent: Intent) -> Effect:
    """Whoever sets `paid_at` credits, and takes back at once what was refunded before that."""
    if not await conn.run(sql.set_paid, purchase_id=purchase["id"], provider_id=intent.id):
        return Effect("already_paid")
    price: Decimal = purchase["price"]
    await service.add_entry(
        conn,
        user_id=purchase["user_id"],
        entry_type="purchase",
        amount=purchase["coins"],
        key=f"purchase:{purchase['id']}",
        description=f"Bought {purchase['coins']} coins",
        reference_type="purchase",
        reference_id=purchase["id"],
        metadata={"price": float(price), "currency": purchase["currency"]},
    )
    facts = {"coins": purchase["coins"], "price": str(price), "currency": purchase["currency"]}
    who = {"purchaseId": str(purchase["id"]), "userId": str(purchase["user_id"])}
    limits: dict[str, Any] = {"expires_in": RECEIPT_SECONDS, "most": MOST_RECEIPTS}
    await enqueue(conn, "email.receipt", who | facts, key=str(purchase["id"]), **limits)
    return await _settle(conn, purchase, outcome="paid", cause="paid")


async def _settle(conn: Connection, purchase: Row, *, outcome: str, cause: str) -> Effect:
    await conn.run(sql.settle_reversals, purchase_id=purchase["id"], cause=cause)
    entries = await conn.all(sql.list_written, user_id=purchase["user_id"])
    return Effect(outcome, purchase["user_id"], entries)


async def list_stale(conn: Connection, *, seconds: float) -> list[Row]:
    """Purchases with an intent that nobody has told us about for so long."""
    return await conn.all(sql.list_stale, seconds=seconds)


async def set_checked(conn: Connection, *, purchase_id: UUID) -> None:
    await conn.run(sql.set_checked, purchase_id=purchase_id)


async def give_up_unsent(conn: Connection) -> int:
    """Close the purchases whose intent was never made; returns how many."""
    return await conn.run(sql.give_up_unsent)
