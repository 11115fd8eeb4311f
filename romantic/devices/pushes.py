"""What pushes say: names and ids, never a text, a picture or a number that somebody sent."""

from datetime import UTC, datetime
from typing import Any

from romantic.db import Row
from romantic.integrations.push import Push
from romantic.realtime.events import timestamp


def ring(row: Row) -> Push:
    """Wakes the phone, for as long as it may still ring: less than a second is too late."""
    data = {
        "callId": row["call_id"],
        "roomId": row["webrtc_room_id"],
        "callType": row["call_type"],
        "callerId": row["caller_id"],
        "callerName": row["caller_name"],
        "callerImageUrl": row["caller_image_url"],
        "expiresAt": _instant(row["ring_deadline"]),
    }
    seconds = int(row["seconds_left"])
    return Push(_strings("call-incoming", data), seconds, is_urgent=True, collapse=row["call_id"].hex)


def cancel(row: Row, seconds: int) -> Push:
    """Silences a phone, and takes the place of a ring that still waits for it."""
    data = {"callId": row["call_id"], "reason": row["reason"]}
    return Push(_strings("call-cancelled", data), seconds, is_urgent=True, collapse=row["call_id"].hex)


def missed(row: Row, seconds: int) -> Push:
    data = {
        "callId": row["call_id"],
        "callType": row["call_type"],
        "callerId": row["caller_id"],
        "callerName": row["caller_name"],
        "calledAt": _instant(row["created_at"]),
    }
    return Push(_strings("call-missed", data), seconds, collapse=row["call_id"].hex)


def message(row: Row, seconds: int) -> Push:
    """Without a collapse key: FCM keeps four per phone, and somebody may be written to by more."""
    data = {
        "messageId": row["message_id"],
        "messageType": row["message_type"],
        "senderId": row["sender_id"],
        "senderName": row["sender_name"],
        "unread": row["unread"],
    }
    return Push(_strings("message-new", data), seconds, is_urgent=True)


def match(row: Row, seconds: int) -> Push:
    data = {"userId": row["match_id"], "fullName": row["match_name"], "imageUrl": row["match_image_url"]}
    return Push(_strings("match-new", data), seconds)


def credit(row: Row, seconds: int) -> Push:
    """The newest balance is enough."""
    data = {
        "entryId": row["entry_id"],
        "coins": row["amount"],
        "balance": row["coins_balance"],
        "entryType": row["transaction_type"],
        "referenceType": row["reference_type"],
    }
    return Push(_strings("coins-credited", data), seconds, collapse="coins")


def _strings(name: str, data: dict[str, Any]) -> dict[str, str]:
    """FCM takes strings only; what is not known is not there."""
    known = {key: str(value) for key, value in data.items() if value is not None}
    return {"type": name, **known, "sentAt": timestamp()}


def _instant(at: datetime) -> str:
    return timestamp(at.astimezone(UTC).timestamp())
