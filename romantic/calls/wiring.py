"""How the calls hang on the application: their stores, their peers, and what they hear of sockets."""

import asyncio
from collections.abc import AsyncIterator
from time import monotonic
from typing import Any
from uuid import UUID

from aiohttp import web

from romantic.calls import conduct, service
from romantic.calls.live import LIVE, LiveCalls
from romantic.calls.metering import metering
from romantic.calls.room import Phone
from romantic.calls.signaling import WRITES
from romantic.db import connection
from romantic.realtime import HUB, Kind, Socket
from romantic.realtime.reading import Missed
from romantic.realtime.turnstile import turn
from romantic.rtc import PEERS, Peers
from romantic.settings import SETTINGS

#: Of what a phone missed, older words of a call are not told again.
CALL_EVENT_SECONDS = 60.0


def add_calls(app: web.Application) -> None:
    """Needs the hub; the loops start with the application."""
    app[LIVE] = LiveCalls(app[SETTINGS], app[HUB])
    app[WRITES] = set()
    app[HUB].on_leave(lambda socket: _gone(app, socket))
    app.cleanup_ctx.extend((peers, metering))


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
    live = app[LIVE].of_user(socket.user_id)
    if live is not None and live.room.session_of(socket.user_id) in (None, socket.session_id):
        live.monitor.touch(socket.user_id, at=min(socket.last_seen, monotonic()))
        live.room.vacate(socket.user_id, socket)


def come_back(socket: Socket) -> None:
    """A phone resumed: its seat is its own again without a word, and what waited for it follows."""
    app, me = socket.app, socket.user_id
    live = app[LIVE].of_user(me)
    if live is not None and live.room.session_of(me) == socket.session_id:
        for event in live.room.take_back(me, Phone(app[HUB], socket)):
            app[HUB].send_to(socket, event)


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
    live = await conduct.switch_to_evidence(socket.app, user_id=socket.user_id)
    if live is None:
        return {}
    active = {
        "callId": live.id,
        "roomId": live.room.id,
        "callType": live.call_type,
        "role": "caller" if socket.user_id == live.caller_id else "receiver",
        "status": live.status,
    }
    return {"activeCall": active}
