"""The JSON of the call endpoints and of the call events."""

from typing import Any, ClassVar
from uuid import UUID

import marshmallow as ma
import orjson
from marshmallow import fields, validate

from romantic.db import Row
from romantic.emodel import level
from romantic.errors import PayloadTooLarge
from romantic.http import PageQuery, Schema
from romantic.realtime.schemas import EventData

CALL_TYPES = ("audio", "video")
MAX_SDP = 48 * 1024
MAX_CANDIDATE = 2 * 1024
MAX_ROOM_ID = 100


class InitiateBody(Schema):
    receiver_id = fields.UUID(required=True)
    call_type = fields.Str(required=True, validate=validate.OneOf(CALL_TYPES))


class RejectBody(Schema):
    reason = fields.Str(load_default=None, validate=validate.Length(max=50))


class EndBody(Schema):
    """`duration` is taken in any shape, written down as a claim, and never billed."""

    duration = fields.Raw(load_default=None, allow_none=True)
    reason = fields.Str(load_default=None, validate=validate.Length(max=50))


class HistoryQuery(PageQuery):
    pass


class Sdp(fields.String):
    """A session description: passed on as it is, only its size is ours to judge."""

    described: ClassVar = {"pattern": r"[!-~]", "maxLength": MAX_SDP}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = str(super()._deserialize(value, attr, data, **kwargs))
        if len(text) > MAX_SDP:
            raise PayloadTooLarge(limit_bytes=MAX_SDP)
        if not text.strip():
            raise ma.ValidationError("Empty.")
        return text


class DescriptionBody(Schema):
    sdp = Sdp(required=True)
    room_id = fields.Str(required=True, validate=validate.Length(max=MAX_ROOM_ID))


class Description(fields.Field[Any]):
    """What createOffer and createAnswer give: {type, sdp}, or the bare text; forwarded verbatim."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        text = value.get("sdp") if isinstance(value, dict) else value
        if not isinstance(text, str) or not text.strip():
            raise ma.ValidationError("A session description is text, or an object with its sdp.")
        if len(text) > MAX_SDP:
            raise PayloadTooLarge(limit_bytes=MAX_SDP)
        return value


class Candidate(fields.Field[Any]):
    """An ICE candidate: an object, its text, null at the end, or several of them in an array."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        for item in value if isinstance(value, list) else (value,):
            if not isinstance(item, dict | str | None):
                raise ma.ValidationError("A candidate is an object, a text or null.")
            if item is not None and len(orjson.dumps(item)) > MAX_CANDIDATE:
                raise PayloadTooLarge(limit_bytes=MAX_CANDIDATE)
        return value


class RoomEvent(EventData):
    room_id = fields.Str(required=True, validate=validate.Length(max=MAX_ROOM_ID))
    user_id = fields.UUID(load_default=None)


class TargetedEvent(EventData):
    room_id = fields.Str(required=True, validate=validate.Length(max=MAX_ROOM_ID))
    target_user_id = fields.UUID(load_default=None)


class Offer(TargetedEvent):
    offer = Description(required=True)


class Answer(TargetedEvent):
    answer = Description(required=True)


class IceCandidate(TargetedEvent):
    candidate = Candidate(required=True, allow_none=True)


class CallEnd(RoomEvent):
    reason = fields.Str(load_default=None, validate=validate.Length(max=50))


class CallEvent(EventData):
    call_id = fields.UUID(required=True)


class CallReject(CallEvent):
    reason = fields.Str(load_default=None, validate=validate.Length(max=50))


class CallStats(CallEvent):
    """Of the sample `rttMs`, `lossPct`, `jitterMs`, `pair` and whether it is connected are read."""

    sample = fields.Dict(required=True)


class StatsBody(Schema):
    """The same over REST."""

    sample = fields.Dict(required=True)


class MonitorOffer(CallEvent):
    sdp = fields.Str(required=True)


class MonitorBeat(CallEvent):
    n = fields.Raw(required=True)
    c = fields.Raw(load_default=None)
    rx = fields.Raw(load_default=None, allow_none=True)
    tx = fields.Raw(load_default=None, allow_none=True)
    q = fields.Raw(load_default=None, allow_none=True)


def quality_view(call: Row, rows: list[Row]) -> dict[str, Any]:
    """A call's paths over time, for its two people: per party the monitor's view and the client's own."""
    return {
        "callId": call["id"],
        "score": _rounded(call["quality_score"], 2),
        "level": None if call["quality_score"] is None else level(float(call["quality_score"])),
        "parties": [
            {"userId": party} | {source: _timeline(rows, party, source) for source in ("monitor", "client")}
            for party in (call["caller_id"], call["receiver_id"])
        ],
    }


def _timeline(rows: list[Row], party: UUID, source: str) -> list[dict[str, Any]]:
    return [
        {
            "atMs": row["at_ms"],
            "rttMs": _rounded(row["rtt_ms"], 1),
            "jitterMs": _rounded(row["jitter_ms"], 1),
            "lossPct": _rounded(row["loss_pct"], 1),
            "score": _rounded(row["mos"], 2),
            "level": level(row["mos"]),
            "pair": row["pair"],
        }
        for row in rows
        if row["user_id"] == party and row["source"] == source
    ]


def _rounded(value: Any, digits: int) -> float | None:
    return None if value is None else round(float(value), digits)


def shown_reason(row: Row) -> str | None:
    """The end reason as the two people may read it: a block looks like any other ending."""
    if row["end_reason"] == "blocked":
        return "disconnected" if row["status"] == "ended" else "timeout"
    reason: str | None = row["end_reason"]
    return reason


def history_view(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "callerId": row["caller_id"],
        "receiverId": row["receiver_id"],
        "callType": row["call_type"],
        "status": row["status"],
        "endReason": shown_reason(row),
        "duration": row["duration_seconds"],
        "coinsSpent": row["coins_spent"],
        "coinsEarned": row["coins_earned"],
        "refunded": row["coins_refunded"],
        "startedAt": row["started_at"],
        "endedAt": row["ended_at"],
        "createdAt": row["created_at"],
    }


def call_view(row: Row) -> dict[str, Any]:
    """One call, for its two people."""
    return history_view(row) | {
        "roomId": row["webrtc_room_id"],
        "answeredAt": row["answered_at"],
        "billing": row["billing"],
        "price": row["price"],
        "meteredBy": row["metered_by"],
        "evidenceLevel": row["evidence_level"],
        "gaps": row["gaps"],
        "endedBy": row["ended_by"],
    }


def ended_view(call: Row) -> dict[str, Any]:
    """The numbers of a finished call, the same for both sides."""
    return {
        "roomId": call["webrtc_room_id"],
        "callId": call["id"],
        "status": call["status"],
        "endReason": shown_reason(call),
        "duration": call["duration_seconds"],
        "coinsSpent": call["coins_spent"],
        "coinsEarned": call["coins_earned"],
        "refunded": call["coins_refunded"],
        "endedBy": call["ended_by"],
    }
