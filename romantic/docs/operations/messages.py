"""Conversations, messages and the files in them."""

from typing import Any

from romantic.docs.operation import Operation
from romantic.docs.operations.users import PHOTO, Face
from romantic.docs.shapes import ADA, BEN, Answer, Pagination, flag, many, moment, one, text, uid, whole


class Conversation(Answer):
    """The newest message with somebody."""

    id = uid()
    user = one(Face)
    last_message = text("Hey there! 👋", null=True)
    last_message_type = text("text")
    last_message_time = moment()
    unread_count = whole(2)


class Conversations(Answer):
    """A page of conversations, the newest first."""

    conversations = many(Conversation)
    pagination = one(Pagination)


class Message(Answer):
    """A message. `mediaUrl` is there for files, and soon closes."""

    sometimes = ("media_url",)

    id = uid()
    sender_id = uid(BEN)
    receiver_id = uid(ADA)
    message_text = text("Hello! How are you?", null=True)
    message_type = text("text", about="text, image, audio or video.")
    media_url = text(PHOTO)
    is_read = flag(False)
    created_at = moment()


class Messages(Answer):
    """A page of a conversation, the newest first."""

    messages = many(Message)
    pagination = one(Pagination)
    next_cursor = uid(null=True, about="Goes into `before`.")


class Sent(Answer):
    """The message as it is stored, and what it cost."""

    message = one(Message)
    coins_spent = whole(5)
    new_balance = whole(140)


class Read(Answer):
    """How many were unread."""

    read_count = whole(5)


REFUSED = "USER_UNAVAILABLE MATCH_REQUIRED INSUFFICIENT_COINS"
TEXT = {"receiverId": ADA, "messageText": "Hello! How are you?", "messageType": "text"}
ENDINGS = {
    "jpg": "image/jpeg", "m4a": "audio/mp4", "mp4": "video/mp4", "mov": "video/quicktime",
    "weba": "audio/webm", "webm": "video/webm", "ogg": "audio/ogg", "mp3": "audio/mpeg", "aac": "audio/aac",
}  # fmt: skip


def _file(content_type: str) -> dict[str, Any]:
    content = {content_type: {"schema": {"type": "string", "format": "binary"}}}
    return {
        "200": {"description": "The file", "content": content},
        "206": {"description": "The range of it that was asked for", "content": content},
        "304": {"description": "Not modified"},
        "412": {"description": "A precondition of the request does not hold"},
        "416": {"description": "There is no such range"},
    }


OPERATIONS = {
    "GET /api/messages/conversations": Operation(
        "One's conversations", "Conversations retrieved successfully", Conversations
    ),
    "GET /api/messages/conversation/{user_id}": Operation(
        "The messages with somebody", "Messages retrieved successfully", Messages,
        "USER_NOT_FOUND MESSAGE_NOT_FOUND", "`before` is the `nextCursor` of the page before.",
    ),
    "POST /api/messages/send": Operation(
        "Send a message", "Message sent successfully", Sent, REFUSED,
        "The same `clientMessageId` is one message, however often it is sent, and costs once.", body=TEXT,
    ),
    "PUT /api/messages/read/{user_id}": Operation(
        "Mark a conversation as read", "Messages marked as read", Read
    ),
    "DELETE /api/messages/{message_id}": Operation(
        "Delete a message", "Message deleted successfully", None, "MESSAGE_NOT_FOUND",
        "Who sent it deletes it for both.",
    ),
    "POST /api/messages/send-media": Operation(
        "Send a picture or a recording", "Media message sent successfully", Sent,
        f"{REFUSED} INVALID_IMAGE INVALID_RECORDING UNAVAILABLE",
        "Pictures and sound up to 10 MB, films up to 50 MB. What a file is, is read from the file itself.",
        file="media",
    ),
    **{
        f"GET /media/messages/{{sender_id}}/{{media_id}}.{ending}": Operation(
            f"A file of a message ({ending})", errors="FORBIDDEN", gives=_file(content_type),
            in_envelope=False,
            about="`mediaUrl` of a message leads here, signed and for a short time.",
        )
        for ending, content_type in ENDINGS.items()
    },
}  # fmt: skip
