"""Throws away what has served its time, and lets back in who was suspended until now."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import suppress

import structlog
from aiohttp import web

from romantic.background import running, succeeded
from romantic.db import DatabaseBusy, Query, connection, load_queries

log = structlog.get_logger()

EVERY_SECONDS = 600.0
MOST_BATCHES = 20

_requests, _auth, _admin = load_queries("requests"), load_queries("auth"), load_queries("admin")
_purchases, _ads, _jobs = load_queries("purchases"), load_queries("ads"), load_queries("jobs")
_probe, _messages = load_queries("probe"), load_queries("messages")
_calls, _devices = load_queries("calls"), load_queries("devices")
CHORES: tuple[Query, ...] = (
    _requests.delete_old_keys,
    _requests.delete_old_counters,
    _auth.delete_old_codes,
    _purchases.delete_old_events,
    _ads.delete_old_sessions,
    _probe.delete_old_probes,
    _calls.delete_old_samples,
    _admin.lift_suspensions,
    _jobs.delete_old_jobs,
    _devices.delete_lost_devices,
)
#: Where there may be more than one statement should take away: repeated until nothing is left, within reason.
BATCHES: tuple[Query, ...] = (_messages.delete_taken_back,)


async def clean(app: web.Application) -> int:
    """Run every chore once and return how many rows went."""
    async with connection(app) as conn:
        rows = sum([await conn.run(chore) for chore in CHORES])
        for chore in BATCHES:
            for _ in range(MOST_BATCHES):
                batch = await conn.run(chore)
                rows += batch
                if not batch:
                    break
        return rows


async def _run(app: web.Application) -> None:
    while True:
        # Spread out, so that the processes of one fleet do not sweep at the same moment.
        await asyncio.sleep(EVERY_SECONDS * random.uniform(0.5, 1.5))
        with suppress(DatabaseBusy):
            log.info("janitor.swept", rows=await clean(app))
            succeeded("janitor")


async def janitor(app: web.Application) -> AsyncIterator[None]:
    async with running(_run(app)):
        yield
