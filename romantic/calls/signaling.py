"""The socket events of a call. What needs its room is done by its keeper, at this node or another."""

from collections.abc import Awaitable
from typing import Any
from uuid import UUID

from romantic.calls import conduct
from romantic.calls.conduct import servers_for
from romantic.calls.errors import CallNotFound, InvalidCallState, NotInCall
from romantic.calls.keeper import pass_candidate
from romantic.calls.keeping import KEEPING
from romantic.calls.known import KnownCall
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
from romantic.errors import IdentityMismatch
from romantic.realtime import HUB, NODE, Event, Kind, Socket, on
from romantic.rtc import PEERS, MonitorBusy
from romantic.settings import SETTINGS


def _call_id(room_id: str) -> UUID:
    prefix, _, text = room_id.partition("_")
    try:
        if prefix != "room":
            raise NotInCall
        return UUID(text)
    except ValueError:
        raise NotInCall from None


def _phone(socket: Socket) -> Phone:
    return Phone(socket.user_id, socket.session_id, socket.app[NODE], socket.conn_id)


async def _at_keeper(socket: Socket, call_id: UUID, act: str, **body: Any) -> dict[str, Any]:
    """What the keeper of the call makes of it; to strangers, and when it is over, there is no such room."""
    try:
        return await socket.app[KEEPING].act(call_id, act, _phone(socket), **body)
    except CallNotFound:
        raise NotInCall from None


def _check_identity(socket: Socket, user_id: UUID | None) -> None:
    if user_id is not None and user_id != socket.user_id:
        raise IdentityMismatch


async def join_room(socket: Socket, *, room_id: str, user_id: UUID | None) -> dict[str, Any]:
    """Take a seat; the ack is what a phone needs to set the call up."""
    _check_identity(socket, user_id)
    app, me, call_id = socket.app, socket.user_id, _call_id(room_id)
    answer = await _at_keeper(socket, call_id, "join")
    known = app[LIVE].known(call_id)
    if known is None:
        raise NotInCall  # it ended while we asked
    seat(known, _phone(socket), beats=answer["beats"])
    is_caller = me == known.caller_id
    mode = app[SETTINGS].monitor_mode
    return {
        "roomId": room_id,
        "callId": call_id,
        "callType": known.call_type,
        "status": "answered" if known.answered else answer["status"],
        "polite": not is_caller,
        "shouldOffer": is_caller,
        "participants": answer["participants"],
        "iceServers": servers_for(app, me),
        "pending": answer["pending"],
        "monitor": {"required": mode == "require", "offered": mode != "off"},
    }


def seat(known: KnownCall, phone: Phone, *, beats: bool) -> None:
    """The phone has a seat; its node remembers that, in case the keeper changes."""
    known.seated[phone.user_id] = phone
    if beats:
        known.legs.fall_back(phone.user_id)


async def leave_room(socket: Socket, *, room_id: str, user_id: UUID | None) -> dict[str, Any]:
    """Get up without hanging up."""
    _check_identity(socket, user_id)
    call_id = _call_id(room_id)
    _joined(socket, call_id).seated.pop(socket.user_id, None)
    return await _at_keeper(socket, call_id, "leave")


def _joined(socket: Socket, call_id: UUID) -> KnownCall:
    """The call whose room this phone has joined."""
    known = socket.app[LIVE].known(call_id)
    if known is None or known.seated.get(socket.user_id) != _phone(socket):
        raise NotInCall("Join the room first.")
    return known


async def offer(socket: Socket, *, room_id: str, target_user_id: UUID | None, offer: Any) -> dict[str, Any]:
    """A description for the other side, at first or for an ICE restart; passed on as it is."""
    return await _describe(socket, room_id, target_user_id, "offer", offer)


async def answer(socket: Socket, *, room_id: str, target_user_id: UUID | None, answer: Any) -> dict[str, Any]:
    """The answer to the newest offer; passed on as it is."""
    return await _describe(socket, room_id, target_user_id, "answer", answer)


async def _describe(
    socket: Socket, room_id: str, target: UUID | None, kind: str, description: Any
) -> dict[str, Any]:
    call_id = _call_id(room_id)
    _joined(socket, call_id)
    return await _at_keeper(socket, call_id, "describe", kind=kind, description=description, target=target)


def ice_candidate(
    socket: Socket, *, room_id: str, target_user_id: UUID | None, candidate: Any
) -> dict[str, Any] | Awaitable[dict[str, Any]]:
    """A candidate, several, or null at the end; passed on as they are."""
    call_id = _call_id(room_id)
    known = _joined(socket, call_id)
    # At once where the call is kept; elsewhere it is asked for, and the socket's next frame waits.
    if isinstance(known, LiveCall):
        body = {"candidate": candidate, "target": target_user_id}
        return pass_candidate(socket.app, known, _phone(socket), body)
    return _at_keeper(socket, call_id, "candidate", candidate=candidate, target=target_user_id)


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
    known = await conduct.accept(
        socket.app, call_id=call_id, user_id=socket.user_id, session_id=socket.session_id
    )
    return {"roomId": known.room_id, "iceServers": servers_for(socket.app, socket.user_id)}


async def call_reject(socket: Socket, *, call_id: UUID, reason: str | None) -> dict[str, Any]:
    """Decline; the caller has every coin back."""
    await conduct.reject(
        socket.app, call_id=call_id, user_id=socket.user_id, session_id=socket.session_id, reason=reason
    )
    return {}


async def call_stats(socket: Socket, *, call_id: UUID, sample: dict[str, Any]) -> None:
    """A client's view of its own leg: quality, never money."""
    await _find(socket, call_id)
    await _at_keeper(socket, call_id, "sample", sample=sample)


async def _find(socket: Socket, call_id: UUID) -> KnownCall:
    try:
        return await socket.app[KEEPING].find(call_id=call_id, user_id=socket.user_id)
    except (CallNotFound, InvalidCallState):
        raise NotInCall from None


async def monitor_offer(socket: Socket, *, call_id: UUID, sdp: str) -> dict[str, Any]:
    """Open the party's monitor, or replace it: a new offer is a new peer, at the node that answers it."""
    settings = socket.app[SETTINGS]
    legs = (await _find(socket, call_id)).legs
    if settings.monitor_mode == "off":
        raise MonitorBusy("Monitors are switched off.")
    peer = await legs.answer(socket.app[PEERS], socket.user_id, sdp)
    known = socket.app[LIVE].known(call_id)
    if known is None or known.legs is not legs:
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
    known = socket.app[LIVE].known(call_id)
    if known is None or socket.user_id not in known.parties:
        raise NotInCall
    known.legs.socket_beat(socket.user_id, body)


EVENTS = (
    on("join-room", join_room, RoomEvent, in_call=True, of_socket=True),
    on("leave-room", leave_room, RoomEvent, in_call=True, of_socket=True),
    on("webrtc-offer", offer, Offer, in_call=True),
    on("webrtc-answer", answer, Answer, in_call=True),
    on("ice-candidate", ice_candidate, IceCandidate, in_call=True, bucket="candidates"),
    on("call-end", call_end, CallEnd, in_call=True),
    on("call-ringing", call_ringing, CallEvent),
    on("call-accept", call_accept, CallEvent),
    on("call-reject", call_reject, CallReject),
    on("call-stats", call_stats, CallStats, in_call=True, of_socket=True),
    on("monitor-offer", monitor_offer, MonitorOffer, in_call=True, of_socket=True),
    on("monitor-beat", monitor_beat, MonitorBeat, in_call=True, of_socket=True),
)
