"""The clock of the calls: ticks every meter of this process, writes it down, charges blocks, and sweeps deadlines.

Whatever it decides is committed before a phone hears of it, and any process can take over from any other:
deadlines and the meters' last words stand in PostgreSQL.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from time import monotonic
from typing import Any
from uuid import UUID

import structlog
from aiohttp import web

from romantic.calls import conduct, service
from romantic.calls.conduct import NODE
from romantic.calls.live import LIVE, LiveCall
from romantic.calls.meter import Change
from romantic.calls.service import Ending
from romantic.coins import service as coins
from romantic.coins.errors import InsufficientCoins
from romantic.db import DatabaseBusy, Row, connection, transaction
from romantic.realtime import HUB, Event, Kind
from romantic.settings import SETTINGS

log = structlog.get_logger()
sql = service.sql

WARNINGS = (60, 20)  # seconds before the coins run out
METER_EVENT_SECONDS = 60.0


class Metering:
    """One loop per process; each call is handled on its own and never twice at once."""

    def __init__(self, app: web.Application) -> None:
        self._app = app
        self._settings = app[SETTINGS]
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Look at every live call, and at everybody's deadlines, each tick; for ever."""
        while True:
            await asyncio.sleep(self._settings.call_tick_seconds)
            for live in self._app[LIVE]:
                if live.answered and live.metered_by == "evidence" and not live.lock.locked():
                    self._start(self._look(live))
            try:
                await self._sweep()
            except DatabaseBusy as error:
                log.warning("sweep.skipped", reason=str(error))

    def _start(self, job: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _look(self, live: LiveCall) -> None:
        async with live.lock:
            try:
                await self._tick(live)
            except DatabaseBusy as error:
                log.warning("meter.delayed", call_id=str(live.id), reason=str(error))
            except Exception:
                log.exception("meter.crashed", call_id=str(live.id))

    async def _tick(self, live: LiveCall) -> None:
        at = monotonic()
        for party in live.parties:
            seen = self._app[HUB].last_seen(party)
            if seen is not None:
                live.monitor.touch(party, at=seen)
        for change in live.monitor.tick(at):
            await self._act(live, change)
        if self._app[LIVE].get(live.id) is not live:
            return
        if live.meter.state == "billing":
            await self._bill(live, at)
        if at - live.saved_at >= self._settings.call_snapshot_seconds and live.meter.started_at is not None:
            await self._save(live)
        if live.meter.started_at is not None and at - live.told_at >= METER_EVENT_SECONDS:
            self._tell_meter(live, live.meter.state)

    async def _act(self, live: LiveCall, change: Change) -> None:
        if change.kind == "started":
            await self._connected(live, change)
        elif change.kind == "ended":
            await conduct.end(self._app, call_id=live.id, ending=Ending(change.reason or "disconnected"))
            return
        else:
            await self._interrupted(live, change)
        self._tell_meter(live, "billing" if change.kind == "started" else change.kind)

    async def _connected(self, live: LiveCall, change: Change) -> None:
        """Row 7 of the state machine: the billing clock starts."""
        async with connection(self._app) as conn:
            started_at = await conn.value(
                sql.set_started, call_id=live.id, seconds_ago=max(0.0, monotonic() - change.at)
            )
        await self._save(live)
        evidence = "E2" if all(live.meter.level(party) == "E2" for party in live.parties) else "E1"
        live.tell(Event("call-connected", {"callId": live.id, "startedAt": started_at, "evidence": evidence}))

    async def _interrupted(self, live: LiveCall, change: Change) -> None:
        """Rows 10: somebody fell silent, or came back."""
        name = "peer-reconnecting" if change.kind == "suspect" else "peer-reconnected"
        grace = 0.0
        if change.user_id is not None and change.kind == "suspect":
            grace = max(0.0, live.meter.deadline(change.user_id) - change.at)
        data = {"callId": live.id, "userId": change.user_id, "graceMs": round(grace * 1000)}
        detail = {"gapSeconds": change.gap_seconds, "gapBilled": change.gap_billed}
        async with connection(self._app) as conn:
            await conn.run(
                sql.add_call_event, call_id=live.id, event=name, user_id=change.user_id, detail=detail
            )
        await self._save(live)
        live.tell(Event(name, data, Kind.WITH_CALL))

    def _tell_meter(self, live: LiveCall, state: str) -> None:
        live.told_at = at = monotonic()
        data = {
            "callId": live.id,
            "state": state,
            "billableSeconds": int(live.meter.billable(at=at)),
            "levels": {str(party): live.meter.level(party) for party in live.parties},
            "via": {str(party): live.meter.via(party) for party in live.parties},
        }
        live.tell(Event("call-meter", data, Kind.WITH_CALL))

    async def _save(self, live: LiveCall) -> None:
        """Write the meter down, so that any process can settle the call."""
        at = live.saved_at = monotonic()
        ages = [max(0.0, at - (self._app[HUB].last_seen(party) or at)) for party in live.parties]
        levels = {live.meter.level(party) for party in live.parties}
        async with connection(self._app) as conn:
            await conn.run(
                sql.save_meter,
                call_id=live.id,
                meter=live.snapshot(),
                node=self._app[NODE],
                gaps=live.meter.gaps,
                evidence_level="E2" if levels == {"E2"} else "E1",
                p2p_claimed=live.monitor.p2p_claimed,
                caller_seconds_ago=ages[0],
                receiver_seconds_ago=ages[1],
                rejoin_seconds=self._settings.call_rejoin_seconds,
            )

    async def _bill(self, live: LiveCall, at: float) -> None:
        """Rows 12 and 13: the next block before it starts, warnings, and the two ends money and time set."""
        billable = live.meter.billable(at=at)
        if live.billing == "metered":
            paid_until = live.blocks_charged * live.block_seconds
            if billable + self._settings.call_tick_seconds >= paid_until and not await self._charge(live):
                if billable >= paid_until:
                    await self._end(live, "insufficient_coins")
                return
            await self._warn_of_balance(live, billable)
        self._warn(live, "max_duration", live.max_seconds - billable, (60,))
        if billable >= live.max_seconds:
            await self._end(live, "max_duration")

    async def _charge(self, live: LiveCall) -> bool:
        """Take the next block; False if the coins are used up."""
        async with connection(self._app) as conn:
            try:
                entry = await service.charge_block(conn, call_id=live.id, block=live.blocks_charged)
            except InsufficientCoins:
                return False
        if entry is None:
            return True  # it ended elsewhere a moment ago
        live.blocks_charged += 1
        live.balance = entry["balance_after"]
        coins.log_entry(entry)
        data = {"balance": live.balance, "delta": entry["signed_amount"], "type": "spend"}
        reference = {"referenceType": "call", "referenceId": live.id}
        self._app[HUB].send(live.caller_id, Event("balance", data | reference))
        return True

    async def _warn_of_balance(self, live: LiveCall, billable: float) -> None:
        """The balance is asked anew where the last one known is about to run out."""
        left = self._seconds_left(live, billable)
        if left is None or left <= WARNINGS[0]:
            async with connection(self._app) as conn:
                live.balance = (await coins.get_balance(conn, user_id=live.caller_id))["coins_balance"]
            left = self._seconds_left(live, billable)
        assert left is not None
        self._warn(live, "low_balance", left, WARNINGS)

    @staticmethod
    def _seconds_left(live: LiveCall, billable: float) -> float | None:
        if live.balance is None:
            return None
        affordable = live.balance // live.price if live.price else 1_000_000
        return (live.blocks_charged + affordable) * live.block_seconds - billable

    @staticmethod
    def _warn(live: LiveCall, reason: str, left: float, at_seconds: tuple[int, ...]) -> None:
        for seconds in at_seconds:
            if left <= seconds and (reason, seconds) not in live.warnings:
                live.warnings.add((reason, seconds))
                data = {"callId": live.id, "reason": reason, "secondsLeft": max(0, round(left))}
                live.tell(Event("call-warning", data | {"balance": live.balance}, Kind.WITH_CALL))
                return

    async def _end(self, live: LiveCall, reason: str) -> None:
        await conduct.end(self._app, call_id=live.id, ending=Ending(reason))

    async def _sweep(self) -> None:
        """Rows 5, 8, 11 and 15: end what is past its deadline, whoever was in charge of it."""
        async with connection(self._app) as conn:
            due = [row["id"] for row in await conn.all(sql.list_due_calls)]
        for call_id in due:
            try:
                await self._expire(call_id)
            except DatabaseBusy as error:
                log.warning("sweep.delayed", call_id=str(call_id), reason=str(error))
            except Exception:
                log.exception("sweep.crashed", call_id=str(call_id))

    async def _expire(self, call_id: UUID) -> None:
        async with transaction(self._app) as conn:
            call = await service.lock_call(conn, call_id=call_id)
            ending = self._due(call)
        if ending is not None:
            await conduct.end(self._app, call_id=call_id, ending=ending)

    def _due(self, call: Row) -> Ending | None:
        """Why a call is over, judged by the row as it stands; None if somebody moved it meanwhile."""
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
        is_ours = self._app[LIVE].get(call["id"]) is not None
        return None if is_ours else Ending("disconnected")

    async def stop(self) -> None:
        """Write every meter down for whoever takes over, and let what runs finish."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2)
        for live in self._app[LIVE]:
            if live.answered and live.meter.started_at is not None:
                with suppress(DatabaseBusy):
                    await self._save(live)


METERING = web.AppKey("METERING", Metering)


async def metering(app: web.Application) -> AsyncIterator[None]:
    app[METERING] = Metering(app)
    task = asyncio.create_task(app[METERING].run())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await app[METERING].stop()
