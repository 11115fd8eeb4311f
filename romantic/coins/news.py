"""What phones and logs are told of coins that came or went by news from outside, after the commit."""

from uuid import UUID

import structlog
from aiohttp import web

from romantic.coins import service
from romantic.coins.purchases import Effect
from romantic.db import Row, connection
from romantic.realtime import HUB, Event

log = structlog.get_logger()


async def tell_effect(app: web.Application, effect: Effect, *, event_type: str, provider_id: str) -> None:
    """The news of a purchase; a payment that is not what we sold is an alarm, not a credit."""
    if effect.outcome == "mismatch":
        log.error("purchase.mismatch", event_type=event_type, provider_id=provider_id)
    elif effect.outcome == "no_purchase":
        log.warning("purchase.unknown", event_type=event_type, provider_id=provider_id)
    if effect.user_id is not None:
        await tell_entries(app, effect.user_id, effect.entries)


async def tell_entries(app: web.Application, user_id: UUID, entries: list[Row]) -> None:
    """One `balance` event for entries of one cause, with the balance as it is by now."""
    if not entries:
        return
    for entry in entries:
        service.log_entry(entry)
    async with connection(app) as conn:
        balance = await service.get_balance(conn, user_id=user_id)
    app[HUB].send(user_id, _balance_event(entries, balance["coins_balance"]))


def tell_entry(app: web.Application, entry: Row) -> None:
    """The log line and the `balance` event of one entry; a replay moved nothing and tells nothing."""
    if entry["is_new"]:
        service.log_entry(entry)
        app[HUB].send(entry["user_id"], _balance_event([entry], service.left_by(entry)))


def _balance_event(entries: list[Row], balance: int) -> Event:
    """`delta` is what reached the balance: what went into a debt at once did not."""
    cause = entries[0]
    data = {
        "balance": balance,
        "delta": sum(entry["signed_amount"] - entry.get("debt_paid", 0) for entry in entries),
        "type": cause["transaction_type"],
        "referenceType": cause["reference_type"],
        "referenceId": cause["reference_id"],
    }
    return Event("balance", data)
