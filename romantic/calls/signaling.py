"""The socket events of a call, and the relay REST shares with them."""

import asyncio
from typing import Any
from uuid import UUID

import structlog
from aiohttp import web

from romantic.calls import conduct, service
from romantic.calls.conduct import servers_for
from romantic.calls.errors import CallNotFound, InvalidCallState, NotInCall, TargetNotInCall
from romantic.calls.live import LIVE, LiveCall
from romantic.calls.room import Phone
from romantic.calls.schemas import (
    Answer,
    CallEnd,
    CallEvent,
    CallReject,
    CallStats,
    IceCandidate,
    MonitorBeat,
    MonitorOffer,
    Offer,
    RoomEvent,
    ended_view,
)
from romantic.calls.service import Ending
from romantic.db import DatabaseBusy, connection
from romantic.errors import IdentityMismatch
from romantic.realtime import HUB, Event, Kind, Socket, on
from romantic.rtc import PEERS, MonitorBusy
from romantic.settings import SETTINGS

log = structlog.get_logger()

WRITES = web.AppKey("WRITES", set[asyncio.Task[None]])


def _call_id(room_id: str) -> UUID:
    prefix, _, text = room_id.partition("_")
    try:
        if prefix != "room":
            raise NotInCall
        return UUID(text)
    except ValueError:
        raise NotInCall from None


def _room_of(socket: Socket, room_id: str) -> LiveCall:
    """The live call whose room this phone has joined."""
    live = socket.app[LIVE].get(_call_id(room_id))
    if live is None or not live.room.is_seated(socket.user_id, socket):
        raise NotInCall("Join the room first.")
    return live


def _check_identity(socket: Socket, user_id: UUID | None) -> None:
    if user_id is not None and user_id != socket.user_id:
        raise IdentityMismatch


async def join_room(socket: Socket, *, room_id: str, user_id: UUID | None) -> dict[str, Any]:
    """Take a seat; the ack is what a phone needs to set the call up."""
    _check_identity(socket, user_id)
    app, me = socket.app, socket.user_id
    try:
        live = await conduct.find(app, call_id=_call_id(room_id), user_id=me)
    except CallNotFound:
        raise NotInCall from None
    participants = [one for one in live.room.participants if one["userId"] != me]
    waiting = live.room.join(me, Phone(app[HUB], socket))
    is_caller = me == live.caller_id
    mode = app[SETTINGS].monitor_mode
    return {
        "roomId": live.room.id,
        "callId": live.id,
        "callType": live.call_type,
        "status": live.status,
        "polite": not is_caller,
        "shouldOffer": is_caller,
        "participants": participants,
        "iceServers": servers_for(app, me),
        "pending": [{"event": event.name, "data": event.data} for event in waiting],
        "monitor": {"required": mode == "require", "offered": mode != "off"},
    }


def leave_room(socket: Socket, *, room_id: str, user_id: UUID | None) -> dict[str, Any]:
    """Get up without hanging up."""
    _check_identity(socket, user_id)
    _room_of(socket, room_id).room.leave(socket.user_id, socket)
    return {}


async def offer(socket: Socket, *, room_id: str, target_user_id: UUID | None, offer: Any) -> dict[str, Any]:
    """A description for the other side, at first or for an ICE restart; passed on as it is."""
    return await _describe(socket, room_id, target_user_id, "offer", offer)


async def answer(socket: Socket, *, room_id: str, target_user_id: UUID | None, answer: Any) -> dict[str, Any]:
    """The answer to the newest offer; passed on as it is."""
    return await _describe(socket, room_id, target_user_id, "answer", answer)


async def _describe(
    socket: Socket, room_id: str, target: UUID | None, kind: str, description: Any
) -> dict[str, Any]:
    live = _room_of(socket, room_id)
    _check_target(live, socket.user_id, target)
    delivered = await relay_description(
        socket.app, live, kind=kind, description=description, sender=socket.user_id
    )
    return {"delivered": delivered}


def _check_target(live: LiveCall, me: UUID, target: UUID | None) -> None:
    if target is not None and target != live.room.other(me):
        raise TargetNotInCall


async def relay_description(
    app: web.Application, live: LiveCall, *, kind: str, description: Any, sender: UUID
) -> bool:
    """Hand an offer or answer to the other side as it is; whoever comes late finds it in the database.

    False if the other side is not in the room yet. Raises InvalidCallState for an answer without an offer.
    """
    if kind == "answer" and not live.monitor.offered:
        raise InvalidCallState("There is no offer to answer.", status=live.status)
    delivered = live.room.relay(f"webrtc-{kind}", {kind: description}, sender=sender)
    text = description["sdp"] if isinstance(description, dict) else description
    if delivered:
        _write_later(app, _store(app, live.id, kind, text))
    else:
        await _store(app, live.id, kind, text)
    return delivered


async def _store(app: web.Application, call_id: UUID, kind: str, sdp: str) -> None:
    query = service.sql.set_offer if kind == "offer" else service.sql.set_answer
    async with connection(app) as conn:
        await conn.run(query, call_id=call_id, sdp=sdp)


def _write_later(app: web.Application, job: Any) -> None:
    """The other side has it already: the write must not hold up the next frame."""

    async def write() -> None:
        try:
            await job
        except DatabaseBusy as error:
            log.warning("signaling.not_stored", reason=str(error))
        except Exception:
            log.exception("signaling.crashed")

    task = asyncio.create_task(write())
    app[WRITES].add(task)
    task.add_done_callback(app[WRITES].discard)


def ice_candidate(
    socket: Socket, *, room_id: str, target_user_id: UUID | None, candidate: Any
) -> dict[str, Any]:
    """A candidate, several, or null at the end; passed on as they are."""
    live = _room_of(socket, room_id)
    _check_target(live, socket.user_id, target_user_id)
    delivered = live.room.relay("ice-candidate", {"candidate": candidate}, sender=socket.user_id)
    return {"delivered": delivered}


async def call_end(
    socket: Socket, *, room_id: str, user_id: UUID | None, reason: str | None
) -> dict[str, Any]:
    """Hang up, or cancel what rings; the ack has the bill, as REST has."""
    _check_identity(socket, user_id)
    ending = Ending("ice_failed" if reason == "ice_failed" else "user_hangup", by=socket.user_id)
    try:
        over = await conduct.end(socket.app, call_id=_call_id(room_id), ending=ending)
    except CallNotFound:
        raise NotInCall from None
    return ended_view(over.call) | {"newBalance": over.balance}


async def call_ringing(socket: Socket, *, call_id: UUID) -> dict[str, Any]:
    """A device of the receiver shows the call."""
    await conduct.ring(socket.app, call_id=call_id, user_id=socket.user_id)
    return {}


async def call_accept(socket: Socket, *, call_id: UUID) -> dict[str, Any]:
    """Answer; the first device wins."""
    live = await conduct.accept(
        socket.app, call_id=call_id, user_id=socket.user_id, session_id=socket.session_id
    )
    return {"roomId": live.room.id, "iceServers": servers_for(socket.app, socket.user_id)}


async def call_reject(socket: Socket, *, call_id: UUID, reason: str | None) -> dict[str, Any]:
    """Decline; the caller has every coin back."""
    await conduct.reject(
        socket.app, call_id=call_id, user_id=socket.user_id, session_id=socket.session_id, reason=reason
    )
    return {}


async def call_stats(socket: Socket, *, call_id: UUID, sample: dict[str, Any]) -> None:
    """A client's view of its own leg: quality, never money."""
    await conduct.take_sample(socket.app, _live_of(socket, call_id), socket.user_id, sample)


def _live_of(socket: Socket, call_id: UUID) -> LiveCall:
    live = socket.app[LIVE].get(call_id)
    if live is None or socket.user_id not in live.parties:
        raise NotInCall
    return live


async def monitor_offer(socket: Socket, *, call_id: UUID, sdp: str) -> dict[str, Any]:
    """Open the party's monitor, or replace it: a new offer is a new peer."""
    settings = socket.app[SETTINGS]
    live = _live_of(socket, call_id)
    if settings.monitor_mode == "off":
        raise MonitorBusy("Monitors are switched off.")
    peer = await live.monitor.answer(socket.app[PEERS], socket.user_id, sdp)
    if socket.app[LIVE].get(call_id) is not live:
        await peer.close()
        raise NotInCall
    data = {
        "monitorId": f"{call_id}:{socket.user_id}",
        "sdp": peer.answer_sdp,
        "pingMs": round(settings.monitor_beat_seconds * 1000),
        "deadAfterMs": round(settings.monitor_dead_seconds * 1000),
        "graceMs": round(settings.monitor_grace_seconds * 1000),
        "openWithinMs": round(settings.monitor_open_seconds * 1000),
    }
    pushed = Event("monitor-answer", {"callId": call_id, **data}, Kind.WITH_CALL)
    socket.app[HUB].send_to(socket, pushed)
    return data


def monitor_beat(socket: Socket, *, call_id: UUID, **body: Any) -> None:
    """The answer to `monitor-ping`, where no data channel to the server is open."""
    _live_of(socket, call_id).monitor.socket_beat(socket.user_id, body)


EVENTS = (
    on("join-room", join_room, RoomEvent, in_call=True),
    on("leave-room", leave_room, RoomEvent, in_call=True),
    on("webrtc-offer", offer, Offer, in_call=True),
    on("webrtc-answer", answer, Answer, in_call=True),
    on("ice-candidate", ice_candidate, IceCandidate, in_call=True, bucket="candidates"),
    on("call-end", call_end, CallEnd, in_call=True),
    on("call-ringing", call_ringing, CallEvent),
    on("call-accept", call_accept, CallEvent),
    on("call-reject", call_reject, CallReject),
    on("call-stats", call_stats, CallStats, in_call=True),
    on("monitor-offer", monitor_offer, MonitorOffer, in_call=True),
    on("monitor-beat", monitor_beat, MonitorBeat, in_call=True),
)
