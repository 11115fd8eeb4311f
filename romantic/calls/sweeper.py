"""The sweeper: ends every call that is past its deadline, whichever process was in charge of it.

Deadlines and the meters' last words stand in PostgreSQL; every process looks each tick, and any may die.
"""

import asyncio
from time import monotonic

import structlog
from aiohttp import web

from romantic.calls import conduct, service
from romantic.calls.live import LIVE, LiveCall
from romantic.calls.service import Ending
from romantic.db import DatabaseBusy, Row, connection
from romantic.settings import SETTINGS

log = structlog.get_logger()
sql = service.sql


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
                if monotonic() - self._compared_at >= self._settings.call_snapshot_seconds:
                    self._compared_at = monotonic()
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
        return live is not None and live.answered and live.metered_by == "evidence"

    async def _compare(self) -> None:
        """Bring what this process remembers in line with what others have done to its calls."""
        known = [live.id for live in self._app[LIVE]]
        if not known:
            return
        async with connection(self._app) as conn:
            standings = await conn.all(sql.list_standings, call_ids=known)
        for standing in standings:
            live = self._app[LIVE].get(standing["id"])
            if live is not None:
                await self._align(live, standing)

    async def _align(self, live: LiveCall, standing: Row) -> None:
        if standing["status"] not in service.LIVE_STATES:
            await conduct.bury(self._app, call_id=live.id)
        elif standing["status"] == "answered" and not live.answered:
            live.metered_by = standing["metered_by"]
            self._app[LIVE].answered(live)
