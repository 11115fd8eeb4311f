"""How the calls hang on the application: their stores, their peers, and what they hear of sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Any
from uuid import UUID

from aiohttp import web

from romantic.calls import conduct, service
from romantic.calls.handing import take
from romantic.calls.keeper import ACTS, WRITES, do_later
from romantic.calls.keeping import KEEPING, Keeping
from romantic.calls.known import KnownCall, Outpost
from romantic.calls.live import LIVE, LiveCall, LiveCalls
from romantic.calls.metering import metering
from romantic.calls.reports import REPORTER, Reporter
from romantic.calls.room import Phone
from romantic.calls.signaling import seat
from romantic.calls.sweeper import follow
from romantic.db import connection
from romantic.errors import RomanticError
from romantic.realtime import ASKING, HUB, NODE, Event, Kind, Socket
from romantic.realtime.reading import Missed
from romantic.realtime.turnstile import turn
from romantic.rtc import PEERS, Peers
from romantic.settings import SETTINGS

#: Of what a phone missed, older words of a call are not told again.
CALL_EVENT_SECONDS = 60.0


def add_calls(app: web.Application) -> None:
    """Needs the hub; the loops start with the application."""
    app[LIVE] = LiveCalls(app[SETTINGS], app[HUB], partial(_deliver, app))
    app[KEEPING] = Keeping(app, ACTS)
    app[REPORTER] = Reporter(app)
    app[WRITES] = set()
    app[ASKING].answer("call.take", partial(take, app))
    follow(app)
    app[HUB].on_leave(lambda socket: _gone(app, socket))
    app.cleanup_ctx.extend((peers, metering))


def _deliver(app: web.Application, phone: Phone, event: Event) -> None:
    """To the phone in a seat, on whatever node it is."""
    app[HUB].send_to_session(phone.user_id, phone.session_id, event)


async def peers(app: web.Application) -> AsyncIterator[None]:
    """One UDP port for every monitor of this process."""
    settings = app[SETTINGS]
    app[PEERS] = Peers(
        settings.rtc_udp_host,
        settings.rtc_udp_port,
        settings.rtc_advertise_ip or None,
        max_peers=settings.rtc_max_peers,
        interval=settings.monitor_beat_seconds,
        setup_timeout=settings.monitor_open_seconds,
    )
    await app[PEERS].start()
    yield
    writes = app[WRITES]
    if writes:
        await asyncio.wait(writes, timeout=2)
    await app[PEERS].close()


def _gone(app: web.Application, socket: Socket) -> None:
    """A phone's socket closed: its last byte still counts, and its seat waits for it to come back."""
    known = app[LIVE].of_user(socket.user_id)
    if known is None:
        return
    phone = Phone(socket.user_id, socket.session_id, app[NODE], socket.conn_id)
    if known.seated.get(phone.user_id) == phone:
        del known.seated[phone.user_id]
    if isinstance(known, LiveCall):
        if known.room.session_of(phone.user_id) in (None, phone.session_id):
            known.touch(phone.user_id, at=min(socket.last_seen, monotonic()))
            known.room.vacate(phone)
    elif isinstance(known, Outpost):
        app[REPORTER].gone(known, phone, at=socket.last_seen)


def come_back(socket: Socket) -> None:
    """A phone resumed: its seat is its own again without a word, and what waited for it follows."""
    app = socket.app
    known = app[LIVE].of_user(socket.user_id)
    phone = Phone(socket.user_id, socket.session_id, app[NODE], socket.conn_id)
    if isinstance(known, LiveCall):
        known.room.sit_again(phone)
        if known.room.is_seated(phone):
            known.seated[phone.user_id] = phone
    elif isinstance(known, Outpost):
        do_later(app, _sit_again(app, known, phone))


async def _sit_again(app: web.Application, known: KnownCall, phone: Phone) -> None:
    """The same at the keeper, which is another node."""
    with suppress(RomanticError):
        answer = await app[KEEPING].act(known.id, "sit-again", phone)
        now = app[LIVE].known(known.id)
        if now is not None and answer["isSeated"]:
            seat(now, phone, beats=answer["beats"])


async def outdated(app: web.Application, _user_id: UUID, missed: list[Missed]) -> set[int]:
    """What belongs to a call that is over, or to a moment of it that is."""
    told = {event.seq: event for event in missed if event.kind == Kind.WITH_CALL.value}
    fresh = {seq: event.data["callId"] for seq, event in told.items() if event.age <= CALL_EVENT_SECONDS}
    if fresh:
        async with turn(app), connection(app) as conn:
            rows = await conn.all(service.sql.list_live_calls, call_ids=sorted(set(fresh.values())))
        live = {str(row["id"]) for row in rows}
        fresh = {seq: call_id for seq, call_id in fresh.items() if call_id in live}
    return told.keys() - fresh.keys()


async def greet(socket: Socket) -> dict[str, Any]:
    """`ready` tells of a call in progress, and a call somebody has a socket for is metered by evidence."""
    known = await conduct.switch_to_evidence(socket.app, user_id=socket.user_id)
    if known is None:
        return {}
    active = {
        "callId": known.id,
        "roomId": known.room_id,
        "callType": known.call_type,
        "role": "caller" if socket.user_id == known.caller_id else "receiver",
        "status": known.status,
    }
    return {"activeCall": active}
