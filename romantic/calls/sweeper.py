"""The sweeper: ends every call that is past its deadline, whichever process was in charge of it.

Deadlines and the meters' last words stand in PostgreSQL; every process looks each tick, and any may die.
"""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from time import monotonic
from typing import Any
from uuid import UUID

import structlog
from aiohttp import web

from romantic.calls import conduct, service
from romantic.calls.errors import InvalidCallState
from romantic.calls.keeper import do_later
from romantic.calls.keeping import KEEPING
from romantic.calls.known import KnownCall, Outpost
from romantic.calls.live import LIVE, LiveCall
from romantic.calls.service import Ending
from romantic.db import DatabaseBusy, Row, connection
from romantic.errors import Unavailable
from romantic.realtime import BUS, HUB
from romantic.settings import SETTINGS

log = structlog.get_logger()
sql = service.sql

NEWS_SECONDS = 1.0  # from the commit of an end to the news of it, at the most


class Sweeper:
    """Ends calls that rang out, never connected, fell silent or ran on; forgets what ended elsewhere."""

    def __init__(self, app: web.Application) -> None:
        self._app = app
        self._settings = app[SETTINGS]
        self._compared_at = monotonic()

    async def run(self) -> None:
        """Sweep each tick, until cancelled: a lost connection may swallow the cancellation itself."""
        task = asyncio.current_task()
        while task is not None and not task.cancelling():
            await asyncio.sleep(self._settings.call_tick_seconds)
            try:
                await self._sweep()
                await self._compare()
            except DatabaseBusy as error:
                log.warning("sweep.skipped", reason=str(error))
            except Exception:
                log.exception("sweep.crashed")

    async def _sweep(self) -> None:
        async with connection(self._app) as conn:
            due = [row["id"] for row in await conn.all(sql.list_due_calls)]
        for call_id in due:
            try:
                await conduct.end_if(self._app, call_id=call_id, judge=self._judge)
            except DatabaseBusy as error:
                log.warning("sweep.delayed", call_id=str(call_id), reason=str(error))
            except Exception:
                log.exception("sweep.crashed", call_id=str(call_id))

    def _judge(self, call: Row) -> Ending | None:
        """Why a call is over, judged by the locked row; None if somebody moved it meanwhile."""
        if call["status"] in service.UNANSWERED:
            return Ending("timeout") if call["is_ring_due"] else None
        if call["status"] != "answered":
            return None
        if call["started_at"] is None:
            return Ending("not_connected") if call["is_connect_due"] else None
        if not call["is_tick_due"]:
            return None
        if call["metered_by"] == "wallclock":
            return Ending("max_duration")
        return None if self._is_metered_here(call) else Ending("disconnected")

    def _is_metered_here(self, call: Row) -> bool:
        """Our own meter is late with its word, after a failing database: it goes on counting."""
        live = self._app[LIVE].get(call["id"])
        if live is None or live.term != call["meter_term"]:
            return False
        return live.answered and live.metered_by == "evidence"

    async def _compare(self) -> None:
        """Bring what this node remembers in line with what others have done, and look after orphans.

        Calls that others keep are compared each tick, for their keeper may be dead; our own less often.
        """
        known = [call.id for call in self._app[LIVE].outposts]
        if monotonic() - self._compared_at >= self._settings.call_snapshot_seconds:
            self._compared_at = monotonic()
            known += [live.id for live in self._app[LIVE]]
        if known:
            async with connection(self._app) as conn:
                standings = await conn.all(sql.list_standings, call_ids=known)
            for standing in standings:
                await _align(self._app, standing)


async def align(app: web.Application, call_id: UUID) -> None:
    """Look at the row of a call somebody has moved, and follow it."""
    async with connection(app) as conn:
        standing = await conn.one(sql.list_standings, call_ids=[call_id])
    if standing is not None:
        await _align(app, standing)


async def _align(app: web.Application, standing: Row) -> None:
    known = app[LIVE].known(standing["id"])
    if standing["status"] not in service.LIVE_STATES:
        await _bury(app, known)
        return
    if known is None:
        known = app[LIVE].know(standing)
    if isinstance(known, Outpost) and standing["meter_node"] is None and not known.seated:
        known.keeper, known.term = None, standing["meter_term"]  # let go: whoever needs it first keeps it
    elif _is_to_settle(known, standing):
        async with connection(app) as conn:
            call = await service.get_call(conn, call_id=standing["id"])
        with suppress(InvalidCallState):
            known = await app[KEEPING].settle(call)
        if isinstance(known, LiveCall) and call["metered_by"] == "evidence":
            known.meter_by_evidence(call)
    if standing["status"] == "answered" and not known.answered:
        known.metered_by = standing["metered_by"]
        app[LIVE].answered(known)
    if isinstance(known, Outpost) and known.keeper is not None and known.told_keeper != known.term:
        known.told_keeper = known.term
        do_later(app, _sit_again(app, known))


async def _bury(app: web.Application, known: KnownCall | None) -> None:
    """It is over. Whoever ended it tells everybody; the keeper does where that has not happened in time."""
    if known is None:
        return
    known.over_at = known.over_at or monotonic()
    if not isinstance(known, LiveCall) or monotonic() - known.over_at >= NEWS_SECONDS:
        await conduct.bury(app, call_id=known.id)


def _is_to_settle(known: KnownCall, standing: Row) -> bool:
    """Whether it has changed hands, lost its keeper while a phone of it is here, or is metered anew."""
    is_ours = isinstance(known, LiveCall)
    is_lost = known.term != standing["meter_term"]
    is_needed = not is_ours and standing["is_orphan"] and bool(known.seated)
    is_switched = is_ours and known.metered_by != standing["metered_by"] == "evidence"
    return is_lost or is_needed or is_switched


async def _sit_again(app: web.Application, outpost: Outpost) -> None:
    """A new keeper does not know who sits in the room: the phones of this node do."""
    try:
        for phone in list(outpost.seated.values()):
            await app[KEEPING].act(outpost.id, "sit-again", phone)
    except Unavailable:
        outpost.told_keeper = None  # the next tick tries again


def follow(app: web.Application) -> None:
    """Hear of the calls other nodes have moved; Redis may lose such news, and the sweeper finds out then."""

    def changed(news: dict[str, Any]) -> Awaitable[None] | None:
        call_id = UUID(news["callId"])
        if news["isOver"]:
            return conduct.forget(app, call_id=call_id)
        is_ours = any(app[HUB].is_online(UUID(party)) for party in news["parties"])
        return align(app, call_id) if is_ours or app[LIVE].known(call_id) is not None else None

    app[BUS].on("call.changed", changed)
