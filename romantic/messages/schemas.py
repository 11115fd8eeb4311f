"""The JSON of the message endpoints and events."""

import uuid
from typing import Any
from uuid import UUID

from marshmallow import fields, validate

from romantic.db import Row
from romantic.http import Digits, PageQuery, Schema, Words
from romantic.realtime.schemas import EventData

LONGEST_TEXT = 2000
NAMESPACE = UUID("6f1d1d0c-6d2f-5b59-9a3e-2f3c5d7e9b11")

_CLIENT_ID = validate.Regexp(r"^[A-Za-z0-9._:-]{1,64}\Z", error="1 to 64 letters, digits or . _ : -")


class SendBody(Schema):
    """Text only: files go through send-media, which looks into them."""

    receiver_id = fields.UUID(required=True)
    message_text = Words(required=True, least=1, most=LONGEST_TEXT)
    message_type = fields.Str(load_default="text", validate=validate.Equal("text"))
    client_message_id = fields.Str(load_default=None, validate=_CLIENT_ID)


class SendMediaForm(Schema):
    """The fields beside the file."""

    receiver_id = fields.UUID(required=True)
    client_message_id = fields.Str(load_default=None, validate=_CLIENT_ID)


class SignedQuery(Schema):
    """What opens a private file."""

    expires = Digits(required=True)
    signature = fields.Str(required=True)


class MessageSend(EventData):
    receiver_id = fields.UUID(required=True)
    message_text = Words(required=True, least=1, most=LONGEST_TEXT)
    message_type = fields.Str(load_default="text", validate=validate.Equal("text"))
    client_message_id = fields.Str(load_default=None, validate=_CLIENT_ID)


class MessageRead(EventData):
    user_id = fields.UUID(required=True)


class Typing(EventData):
    user_id = fields.UUID(required=True)
    is_typing = fields.Bool(required=True, truthy={True}, falsy={False})


class ConversationsQuery(PageQuery):
    pass


class MessagesQuery(PageQuery):
    default_limit = 50

    before = fields.UUID(load_default=None)


def conversation_id(one: UUID, other: UUID) -> UUID:
    """Stable for a pair, whoever asks: UUIDv5 of the two ids in order."""
    low, high = sorted((one, other))
    return uuid.uuid5(NAMESPACE, f"{low}:{high}")


def message_view(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "senderId": row["sender_id"],
        "receiverId": row["receiver_id"],
        "messageText": row["message_text"],
        "messageType": row["message_type"],
        "isRead": row["is_read"],
        "createdAt": row["created_at"],
    }


def conversation_view(row: Row, *, me: UUID) -> dict[str, Any]:
    return {
        "id": conversation_id(me, row["user_id"]),
        "user": {
            "id": row["user_id"],
            "fullName": row["full_name"],
            "profileImageUrl": row["profile_image_url"],
        },
        "lastMessage": row["message_text"],
        "lastMessageType": row["message_type"],
        "lastMessageTime": row["last_message_at"],
        "unreadCount": row["unread"],
    }
