"""The clock of the calls: ticks every meter of this process, writes it down and charges blocks.

Whatever it decides is committed before a phone hears of it. A move that cannot be committed is tried again at
the next tick: nothing a meter said is ever lost.
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
from romantic.calls.handing import hand_over_all
from romantic.calls.keeping import KEEPING
from romantic.calls.live import LIVE, LiveCall
from romantic.calls.meter import Change
from romantic.calls.reports import REPORTER
from romantic.calls.service import Ending
from romantic.calls.sweeper import Sweeper, align
from romantic.coins import service as coins
from romantic.coins.errors import InsufficientCoins
from romantic.coins.news import tell_entry
from romantic.db import DatabaseBusy, Row, connection
from romantic.realtime import BUS, Event, Kind
from romantic.settings import SETTINGS

log = structlog.get_logger()
sql = service.sql

WARNINGS = (60, 20)  # seconds before the coins run out
METER_EVENT_SECONDS = 60.0
HAND_OVER_SECONDS = 4.0
LEAD_TICKS = 2  # a block is charged this early, so that a late tick is not a free second


class Metering:
    """One loop per process; each call is handled on its own and never twice at once."""

    def __init__(self, app: web.Application) -> None:
        self._app = app
        self._settings = app[SETTINGS]
        self._tasks: set[asyncio.Task[None]] = set()
        self._heard_at = monotonic()

    async def run(self) -> None:
        """Look at every live call each tick; for ever."""
        while True:
            await asyncio.sleep(self._settings.call_tick_seconds)
            at = monotonic()
            for outpost in self._app[LIVE].outposts:
                outpost.legs.ping(at)
            for live in self._app[LIVE]:
                live.legs.ping(at)
                if live.answered and live.metered_by == "evidence" and not live.lock.locked():
                    self._start(self._look(live))

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
            seen = live.heard_at(party)
            if seen is not None:
                live.monitor.touch(party, at=seen)
        self._excuse(live, at)
        live.changes.extend(live.monitor.tick(at))
        while live.changes:
            await self._act(live, live.changes[0])
            if not self._is_known(live):
                return
            live.changes.popleft()
        if live.meter.state == "billing":
            await self._bill(live, at)
        if not self._is_known(live):
            return
        if at - live.saved_at >= self._settings.call_snapshot_seconds and live.meter.started_at is not None:
            await self._save(live)
        is_due = at - live.told_at >= METER_EVENT_SECONDS or live.levels != live.told_levels
        if live.meter.started_at is not None and is_due:
            self._tell_meter(live, live.meter.state)

    def _excuse(self, live: LiveCall, at: float) -> None:
        """While we do not hear the other nodes, the silence of phones that are there ends no call."""
        if self._app[BUS].is_hearing:
            self._heard_at = at
        elif live.is_heard_elsewhere and at - self._heard_at < self._settings.call_rejoin_seconds:
            live.meter.excuse(until=at + self._settings.monitor_grace_seconds)

    def _is_known(self, live: LiveCall) -> bool:
        return self._app[LIVE].get(live.id) is live

    async def _act(self, live: LiveCall, change: Change) -> None:
        """Commit a move of the meter, then tell the phones."""
        if change.kind == "ended":
            await self._end(live, change.reason or "disconnected")
            return
        if change.kind == "started":
            await self._connected(live, change)
        else:
            await self._interrupted(live, change)
        self._tell_meter(live, "billing" if change.kind == "started" else change.kind)

    async def _connected(self, live: LiveCall, change: Change) -> None:
        """Both have proven that they are there: the billing clock starts."""
        async with connection(self._app) as conn:
            started_at = await conn.value(
                sql.set_started,
                call_id=live.id,
                seconds_ago=max(0.0, monotonic() - change.at),
                meter=live.snapshot(),
                term=live.term,
                rejoin_seconds=self._settings.call_rejoin_seconds,
            )
        if started_at is None:
            await align(self._app, live.id)
        if started_at is not None and self._is_known(live):
            data = {"callId": live.id, "startedAt": started_at, "evidence": live.evidence_level}
            live.tell(Event("call-connected", data))

    async def _interrupted(self, live: LiveCall, change: Change) -> None:
        """Somebody fell silent, or came back."""
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
        if self._is_known(live):
            live.tell(Event(name, data, Kind.WITH_CALL))

    def _tell_meter(self, live: LiveCall, state: str) -> None:
        live.told_at = at = monotonic()
        live.told_levels = live.levels
        if not self._is_known(live):
            return
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
        async with connection(self._app) as conn:
            is_saved = await conn.value(
                sql.save_meter,
                call_id=live.id,
                meter=live.snapshot(),
                term=live.term,
                gaps=live.meter.gaps,
                evidence_level=live.evidence_level,
                p2p_claimed=live.monitor.p2p_claimed,
                caller_seconds_ago=self._silence(live, live.caller_id, at),
                receiver_seconds_ago=self._silence(live, live.receiver_id, at),
                rejoin_seconds=self._settings.call_rejoin_seconds,
            )
            await conduct.write_quality(conn, live)
        if is_saved is None:
            await align(self._app, live.id)

    @staticmethod
    def _silence(live: LiveCall, party: UUID, at: float) -> float | None:
        seen_at = live.meter.seen_at(party)
        return None if seen_at is None else max(0.0, at - seen_at)

    async def _bill(self, live: LiveCall, at: float) -> None:
        """The next block before it starts, warnings, and the two ends that money and time set."""
        billable = live.meter.billable(at=at)
        if live.billing == "metered":
            paid_until = live.blocks_charged * live.block_seconds
            is_due = billable + LEAD_TICKS * self._settings.call_tick_seconds >= paid_until
            is_paid = not is_due or await self._charge(live)
            if not is_paid and billable >= paid_until:
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
                entry = await service.charge_block(
                    conn, call_id=live.id, block=live.blocks_charged, term=live.term
                )
            except InsufficientCoins:
                return False
            if entry is None:
                # It ended, another node keeps it, or an earlier charge was committed without our knowing.
                live.blocks_charged = (await service.get_call(conn, call_id=live.id))["blocks_charged"]
        if entry is None:
            await align(self._app, live.id)
            return True
        live.blocks_charged += 1
        live.balance = entry["balance_after"]
        tell_entry(self._app, entry)
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
        """As long as the call is ours: a meter that another node has overtaken ends nothing."""

        def judge(call: Row) -> Ending | None:
            is_ours = call["status"] == "answered" and call["meter_term"] == live.term
            return Ending(reason) if is_ours else None

        await conduct.end_if(self._app, call_id=live.id, judge=judge)
        if self._is_known(live):
            await align(self._app, live.id)

    async def stop(self) -> None:
        """Write every meter down for whoever takes over, and let what runs finish."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2)
        for live in self._app[LIVE]:
            if live.answered and live.meter.started_at is not None:
                with suppress(DatabaseBusy):
                    await self._save(live)
        await hand_over_all(self._app, within=HAND_OVER_SECONDS)


LOOPS = web.AppKey("LOOPS", list[asyncio.Task[None]])


async def metering(app: web.Application) -> AsyncIterator[None]:
    """Meters, sweeper, our sign of life and what we tell other keepers, while the application runs."""
    clock, keeping = Metering(app), app[KEEPING]
    jobs = (clock.run(), Sweeper(app).run(), keeping.run(), app[REPORTER].run())
    loops = app[LOOPS] = [asyncio.create_task(job) for job in jobs]
    yield
    for loop in loops:
        loop.cancel()
    await asyncio.gather(*loops, return_exceptions=True)
    await clock.stop()
    await keeping.resign()
