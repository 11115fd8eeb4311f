"""Asks Stripe about purchases it should have told us of: a webhook may be lost, money may not."""

import asyncio
import random
from collections.abc import AsyncIterator

import structlog
from aiohttp import web

from romantic.background import running, succeeded
from romantic.coins import purchases
from romantic.coins.news import tell_effect
from romantic.db import DatabaseBusy, Row, connection, transaction
from romantic.integrations.stripe_payments import PAYMENTS, PaymentFault
from romantic.settings import SETTINGS

log = structlog.get_logger()

STALE_SECONDS = 900.0


async def reconcile(app: web.Application, *, older_than: float = STALE_SECONDS) -> int:
    """Look after every purchase that has been open for too long; returns how many were paid."""
    async with connection(app) as conn:
        await purchases.give_up_unsent(conn)
        stale = await purchases.list_stale(conn, seconds=older_than)
    return sum([await _look_after(app, row) for row in stale])


async def _look_after(app: web.Application, row: Row) -> bool:
    try:
        intent = await app[PAYMENTS].retrieve_intent(row["provider_id"])
    except PaymentFault as fault:
        log.warning("purchase.unanswered", purchase_id=str(row["id"]), reason=str(fault))
        async with connection(app) as conn:
            await purchases.set_checked(conn, purchase_id=row["id"])
        return False
    async with transaction(app) as conn:
        effect = await purchases.take_intent(conn, intent)
        await purchases.set_checked(conn, purchase_id=row["id"])
    await tell_effect(app, effect, event_type="reconciled", provider_id=intent.id)
    return effect.outcome == "paid"


async def _run(app: web.Application) -> None:
    while True:
        # Spread out, so that the processes of one fleet do not ask at the same moment.
        await asyncio.sleep(app[SETTINGS].purchase_reconcile_seconds * random.uniform(0.5, 1.5))
        try:
            log.info("purchase.reconciled", paid=await reconcile(app))
            succeeded("reconciler")
        except DatabaseBusy:
            continue
        except Exception:
            log.exception("purchase.reconcile_crashed")


async def reconciler(app: web.Application) -> AsyncIterator[None]:
    async with running(_run(app)):
        yield
