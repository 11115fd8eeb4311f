"""/api/calls"""

from typing import Any
from uuid import UUID

from aiohttp import web

from romantic.calls import conduct, service
from romantic.calls.conduct import servers_for
from romantic.calls.keeping import KEEPING
from romantic.calls.room import Phone
from romantic.calls.schemas import (
    DescriptionBody,
    EndBody,
    HistoryQuery,
    InitiateBody,
    RejectBody,
    StatsBody,
    call_view,
    ended_view,
    history_view,
    quality_view,
)
from romantic.calls.service import Ending
from romantic.db import connection
from romantic.errors import InvalidInput
from romantic.http import PRINCIPAL, client_ip, get, ok, page_of, person_or_robot, post
from romantic.http.limits import CALLS, SIGNALING
from romantic.realtime import NODE
from romantic.settings import SETTINGS

LARGEST_CLAIM = 2**31 - 1


async def initiate(request: web.Request, *, receiver_id: UUID, call_type: str) -> web.Response:
    settings, user_id = request.app[SETTINGS], request[PRINCIPAL].id
    call = await conduct.initiate(
        request.app,
        caller_id=user_id,
        receiver_id=receiver_id,
        call_type=call_type,
        address=client_ip(request),
    )
    data = {
        "callId": call["id"],
        "roomId": call["webrtc_room_id"],
        "coinsSpent": call["price"],
        "newBalance": call["balance"],
        "billing": call["billing"],
        "pricePerMinute": settings.price_per_minute(call_type) if call["billing"] == "metered" else None,
        "maxSeconds": round(call["max_seconds"]),
        "ringSecondsLeft": round(call["ring_seconds_left"]),
        "iceServers": servers_for(request.app, user_id),
        "connectivity": call["connectivity"],
    }
    return ok(data, "Call initiated successfully")


async def accept(request: web.Request, *, call_id: UUID) -> web.Response:
    principal = request[PRINCIPAL]
    known = await conduct.accept(
        request.app, call_id=call_id, user_id=principal.id, session_id=principal.session_id
    )
    data = {"roomId": known.room_id, "iceServers": servers_for(request.app, principal.id)}
    return ok(data, "Call accepted")


async def reject(request: web.Request, *, call_id: UUID, reason: str | None) -> web.Response:
    principal = request[PRINCIPAL]
    await conduct.reject(
        request.app, call_id=call_id, user_id=principal.id, session_id=principal.session_id, reason=reason
    )
    return ok(message="Call rejected")


async def end(request: web.Request, *, call_id: UUID, duration: Any, reason: str | None) -> web.Response:
    """The duration in the body is a claim; the answer is what the server metered."""
    ending = Ending(
        "ice_failed" if reason == "ice_failed" else "user_hangup",
        by=request[PRINCIPAL].id,
        client_duration=_claim(duration),
    )
    over = await conduct.end(request.app, call_id=call_id, ending=ending)
    data = ended_view(over.call) | {"newBalance": over.balance}
    return ok(data, "Call ended successfully")


def _claim(duration: Any) -> int | None:
    """The client's number where it is one that can be written down."""
    is_number = isinstance(duration, int | float) and not isinstance(duration, bool)
    return int(duration) if is_number and abs(duration) <= LARGEST_CLAIM else None


async def get_history(request: web.Request, *, page: int, page_size: int, page_offset: int) -> web.Response:
    async with connection(request.app) as conn:
        rows, total = await service.list_calls(
            conn, user_id=request[PRINCIPAL].id, page_size=page_size, page_offset=page_offset
        )
    data = {
        "calls": [history_view(row) for row in rows],
        "pagination": page_of(page=page, page_size=page_size, total=total),
    }
    return ok(data, "Call history retrieved successfully")


async def get_ice_servers(request: web.Request) -> web.Response:
    settings = request.app[SETTINGS]
    data = {
        "iceServers": servers_for(request.app, request[PRINCIPAL].id),
        "ttl": settings.webrtc_turn_ttl,
    }
    return ok(data, "ICE servers retrieved successfully")


async def get_active(request: web.Request) -> web.Response:
    """The live call of this person, for an app that was restarted in the middle of one."""
    user_id = request[PRINCIPAL].id
    async with connection(request.app) as conn:
        call_id = await service.find_active_call(conn, user_id=user_id)
        call = await service.get_call_of(conn, call_id=call_id, user_id=user_id) if call_id else None
    return ok({"call": call_view(call) if call else None}, "Active call retrieved successfully")


async def get_call(request: web.Request, *, call_id: UUID) -> web.Response:
    user_id = request[PRINCIPAL].id
    async with connection(request.app) as conn:
        call = await service.get_call_of(conn, call_id=call_id, user_id=user_id)
    conduct.touch(request.app, call, user_id=user_id)
    return ok({"call": call_view(call)}, "Call retrieved successfully")


async def take_stats(request: web.Request, *, call_id: UUID, sample: dict[str, Any]) -> web.Response:
    """The REST twin of the socket's call-stats."""
    await request.app[KEEPING].act(call_id, "sample", _asker(request), sample=sample)
    return ok(message="Statistics received")


async def get_quality(request: web.Request, *, call_id: UUID) -> web.Response:
    """Both paths over time and the score, during the call and for a month after it."""
    async with connection(request.app) as conn:
        call = await service.get_call_of(conn, call_id=call_id, user_id=request[PRINCIPAL].id)
        rows = await service.list_quality(conn, call_id=call_id)
    return ok(quality_view(call, rows), "Call quality retrieved successfully")


async def send_offer(request: web.Request, *, call_id: UUID, sdp: str, room_id: str) -> web.Response:
    await _describe(request, call_id, room_id, "offer", sdp)
    return ok(message="Offer sent successfully")


async def send_answer(request: web.Request, *, call_id: UUID, sdp: str, room_id: str) -> web.Response:
    await _describe(request, call_id, room_id, "answer", sdp)
    return ok(message="Answer sent successfully")


async def _describe(request: web.Request, call_id: UUID, room_id: str, kind: str, sdp: str) -> None:
    """The REST twin of the socket's webrtc-offer and webrtc-answer."""
    phone, keeping = _asker(request), request.app[KEEPING]
    known = await keeping.find(call_id=call_id, user_id=phone.user_id)
    if room_id != known.room_id:
        fault = {"path": "roomId", "code": "invalid", "message": "Not the room of this call."}
        raise InvalidInput(fields=[fault])
    description = {"type": kind, "sdp": sdp}
    await keeping.act(call_id, "describe", phone, kind=kind, description=description)


def _asker(request: web.Request) -> Phone:
    """A phone without a socket."""
    principal = request[PRINCIPAL]
    return Phone(principal.id, principal.session_id, request.app[NODE])


ROUTES = (
    post("/api/calls/initiate", initiate, person_or_robot, body=InitiateBody, limit=CALLS),
    get("/api/calls/history", get_history, person_or_robot, query=HistoryQuery),
    get("/api/calls/ice-servers", get_ice_servers, person_or_robot),
    get("/api/calls/active", get_active, person_or_robot),
    get("/api/calls/{call_id}", get_call, person_or_robot),
    get("/api/calls/{call_id}/quality", get_quality, person_or_robot),
    post("/api/calls/{call_id}/stats", take_stats, person_or_robot, body=StatsBody, limit=SIGNALING),
    post("/api/calls/{call_id}/accept", accept, person_or_robot, limit=SIGNALING),
    post("/api/calls/{call_id}/reject", reject, person_or_robot, body=RejectBody, limit=SIGNALING),
    post("/api/calls/{call_id}/end", end, person_or_robot, body=EndBody, limit=SIGNALING),
    post(
        "/api/calls/{call_id}/webrtc/offer",
        send_offer,
        person_or_robot,
        body=DescriptionBody,
        limit=SIGNALING,
    ),
    post(
        "/api/calls/{call_id}/webrtc/answer",
        send_answer,
        person_or_robot,
        body=DescriptionBody,
        limit=SIGNALING,
    ),
)
