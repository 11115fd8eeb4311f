"""What phones are told of a call, after the commit."""

from uuid import UUID

from aiohttp import web

from romantic.calls.schemas import ended_view
from romantic.coins import service as coins
from romantic.coins.news import tell_entry
from romantic.db import Row
from romantic.realtime import HUB, Event


def tell_incoming(app: web.Application, call: Row) -> None:
    """Ring every device of the receiver."""
    data = {
        "callId": call["id"],
        "roomId": call["webrtc_room_id"],
        "callType": call["call_type"],
        "caller": {
            "id": call["caller_id"],
            "fullName": call["caller_name"],
            "profileImageUrl": call["caller_image_url"],
            "isVerified": call["caller_is_verified"],
        },
        "expiresAt": call["ring_deadline"],
        "ringSecondsLeft": round(call["ring_seconds_left"]),
    }
    app[HUB].send(call["receiver_id"], Event("incoming-call", data))


def tell_rejected(app: web.Application, call: Row, entries: list[Row], *, reason: str) -> None:
    data = {
        "callId": call["id"],
        "reason": reason,
        "refunded": call["coins_refunded"],
        "newBalance": _balance_of(entries, call["caller_id"]),
    }
    app[HUB].send(call["caller_id"], Event("call-rejected", data))


def tell_over(app: web.Application, call: Row, entries: list[Row]) -> None:
    """The news of a call that is over, in the words of how it ended."""
    if call["status"] == "ended":
        event = Event("call-ended", ended_view(call))
        app[HUB].send(call["caller_id"], event)
        app[HUB].send(call["receiver_id"], event)
    elif call["status"] == "rejected":
        tell_rejected(app, call, entries, reason="declined")
    else:
        _tell_missed(app, call, entries)


def _tell_missed(app: web.Application, call: Row, entries: list[Row]) -> None:
    hub, call_id = app[HUB], call["id"]
    reason = "caller_cancelled" if call["end_reason"] == "caller_cancelled" else "timeout"
    hub.send(call["receiver_id"], Event("call-cancelled", {"callId": call_id, "reason": reason}))
    hub.send(call["receiver_id"], Event("call-missed", {"callId": call_id, "role": "receiver"}))
    missed = {"callId": call_id, "role": "caller", "refunded": call["coins_refunded"]}
    missed["newBalance"] = _balance_of(entries, call["caller_id"])
    hub.send(call["caller_id"], Event("call-missed", missed))


def tell_charge(app: web.Application, call: Row) -> None:
    """The charge of a call that rings; a free call has none."""
    if call["entry_id"] is None:
        return
    entry = {
        "id": call["entry_id"],
        "user_id": call["caller_id"],
        "transaction_type": "spend",
        "signed_amount": -call["price"],
        "balance_after": call["balance"],
        "reference_type": "call",
        "reference_id": call["id"],
        "idempotency_key": call["idempotency_key"],
        "is_new": True,
        "is_test": call["is_test"],
    }
    tell_entry(app, entry)


def _balance_of(entries: list[Row], user_id: UUID) -> int | None:
    return next((coins.left_by(e) for e in reversed(entries) if e["user_id"] == user_id), None)
