"""Proves the ledger while it is in use: a walk over everybody's entries, some people at a time."""

import asyncio
import random
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import structlog
from aiohttp import web

from romantic import metrics
from romantic.background import running, succeeded
from romantic.coins import service
from romantic.db import DatabaseBusy, connection
from romantic.settings import SETTINGS

log = structlog.get_logger()

PEOPLE = 200  # a step: small enough to pass unnoticed between requests
FIRST = UUID(int=0)


class Auditor:
    """Where the walk stands, and whom it found to drift; a balance found sound again is forgotten."""

    def __init__(self, *, after: UUID = FIRST) -> None:
        self._after = after
        self._missing: dict[UUID, int] = {}

    async def step(self, app: web.Application) -> int:
        """Prove the next people and set the gauges; returns how many there were, 0 at the end of the walk."""
        async with connection(app) as conn:
            people = await service.audit_next(conn, after=self._after, most=PEOPLE)
        for person in people:
            self._note(person["user_id"], missing=person["missing"], breaks=person["breaks"])
        self._after = people[-1]["user_id"] if len(people) == PEOPLE else FIRST
        metrics.LEDGER_DRIFT.set(len(self._missing))
        metrics.LEDGER_IMBALANCE.set(sum(map(abs, self._missing.values())))
        return len(people)

    def _note(self, user_id: UUID, *, missing: int, breaks: int) -> None:
        if not missing and not breaks:
            self._missing.pop(user_id, None)
        elif user_id not in self._missing:
            self._missing[user_id] = missing
            log.error("ledger.drift", user_id=str(user_id), missing=missing, breaks=breaks)


async def _run(app: web.Application) -> None:
    auditor = Auditor(after=uuid4())  # the processes of a fleet begin at different people
    while True:
        await asyncio.sleep(app[SETTINGS].ledger_audit_seconds * random.uniform(0.5, 1.5))
        try:
            await auditor.step(app)
        except DatabaseBusy:
            continue
        except Exception:
            log.exception("ledger.audit_crashed")
        else:
            succeeded("auditor")


async def auditor(app: web.Application) -> AsyncIterator[None]:
    """Walk while the application runs."""
    async with running(_run(app)):
        yield
