"""A node that stops hands its calls on to the nodes the people have gone to; their clocks run through it."""

import asyncio
from contextlib import suppress
from dataclasses import asdict
from time import monotonic
from typing import Any
from uuid import UUID

import structlog
from aiohttp import web

from romantic.calls import service
from romantic.calls.errors import InvalidCallState
from romantic.calls.keeping import KEEPING, tell_changed
from romantic.calls.live import LIVE, LiveCall
from romantic.calls.meter import Meter, Snapshot
from romantic.calls.room import Phone
from romantic.db import DatabaseBusy, connection
from romantic.errors import RomanticError
from romantic.realtime import ASKING, BUS, NODE, Event, Kind, NodeAway

log = structlog.get_logger()
sql = service.sql

AT_ONCE = 20
ASK_SECONDS = 1.0


async def hand_over_all(app: web.Application, *, within: float) -> None:
    """Hand every call on, to a node one of its phones sits at; what nobody takes, whoever needs it may."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def hand_over(live: LiveCall) -> None:
        async with turns:
            taker = await _taker_of(app, live)
            if taker is None:
                await _release(app, live)
            log.info("call.handed_over", call_id=str(live.id), keeper=taker)

    calls = [hand_over(live) for live in app[LIVE]]
    with suppress(TimeoutError):
        async with asyncio.timeout(within):
            for outcome in await asyncio.gather(*calls, return_exceptions=True):
                if isinstance(outcome, Exception):
                    log.error("call.not_handed_over", exc_info=outcome)


async def _taker_of(app: web.Application, live: LiveCall) -> str | None:
    """The node that keeps the call from now on; None if there is none."""
    seats = [live.room.seat_of(party) for party in live.parties]
    for node in {seat.node for seat in seats if seat is not None} - {app[NODE]}:
        ahead = app[BUS].on_clock_of(node, 0.0)
        if ahead is None:
            continue
        with suppress(NodeAway, RomanticError):
            await app[ASKING].ask(node, "call.take", _bundle(live, ahead), within=ASK_SECONDS)
            app[LIVE].forget(live.id)
            return node
    return None


async def _release(app: web.Application, live: LiveCall) -> None:
    with suppress(DatabaseBusy):
        async with connection(app) as conn:
            await conn.run(sql.release_call, call_id=live.id, term=live.term)
    app[LIVE].forget(live.id)


def _bundle(live: LiveCall, ahead: float) -> dict[str, Any]:
    """The call in JSON; instants on the taker's clock, which is at least so far ahead of ours."""
    at = monotonic()
    return {
        "callId": live.id,
        "term": live.term,
        "snapshot": asdict(live.meter.snapshot(at=at)),
        "shown": live.meter.shown(ahead=ahead) if live.meter.state == "billing" else None,
        "seats": [seat.plain() for seat in map(live.room.seat_of, live.parties) if seat is not None],
        "waiting": [
            (party, event.name, event.data, event.kind.value)
            for party in live.parties
            for event in live.room.waiting_for(party)
        ],
        "warnings": list(live.warnings),
    }


async def take(app: web.Application, bundle: dict[str, Any]) -> dict[str, Any]:
    """Keep the call from now on, as its keeper wants; raises NodeAway if that was not to be."""
    began = monotonic()
    call_id = UUID(bundle["callId"])
    async with connection(app) as conn:
        call = await service.get_call(conn, call_id=call_id)
    if call["meter_term"] != bundle["term"]:
        raise NodeAway("it has changed hands")
    try:
        live = await app[KEEPING].settle(call, is_agreed=True)
    except InvalidCallState:
        return {}  # it ended meanwhile: nothing is left to keep
    if not isinstance(live, LiveCall):
        raise NodeAway("another one was quicker")
    _go_on(live, bundle, began, call["rejoin_seconds_left"] or 0.0)
    tell_changed(app, call)
    return {}


def _go_on(live: LiveCall, bundle: dict[str, Any], began: float, rejoin_seconds: float) -> None:
    stored = bundle["snapshot"]
    snapshot = Snapshot(**{**stored, "levels": tuple(stored["levels"])})
    meter = Meter.restore(live.parties, live.meter.rules, snapshot, at=began)
    if bundle["shown"] is not None:
        meter.go_on(bundle["shown"])
    meter.excuse(until=began + rejoin_seconds)
    live.monitor.meter = meter
    live.warnings = {(reason, seconds) for reason, seconds in bundle["warnings"]}
    for party, name, data, kind in bundle["waiting"]:
        live.room.keep_waiting(UUID(party), Event(name, data, Kind(kind)))
    for phone in map(Phone.of, bundle["seats"]):
        live.room.sit_again(phone)
        meter.join(phone.user_id, at=began)
