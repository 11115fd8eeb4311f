"""The socket events of messages: the twins of REST, and typing."""

from typing import Any
from uuid import UUID

from romantic.db import connection
from romantic.messages import desk, service
from romantic.messages.schemas import MessageRead, MessageSend, Typing
from romantic.realtime import Socket, on


async def message_send(
    socket: Socket, *, receiver_id: UUID, message_text: str, message_type: str, client_message_id: str | None
) -> dict[str, Any]:
    """Write to somebody; acknowledged only after the commit."""
    return await desk.send(
        socket.app,
        sender_id=socket.user_id,
        session_id=socket.session_id,
        receiver_id=receiver_id,
        text=message_text,
        message_type=message_type,
        client_message_id=client_message_id,
    )


async def message_read(socket: Socket, *, user_id: UUID) -> dict[str, Any]:
    """Everything this person has written is read."""
    return {"readCount": await desk.read(socket.app, user_id=socket.user_id, other_id=user_id)}


async def typing(socket: Socket, *, user_id: UUID, is_typing: bool) -> None:
    """Told to the other person at once, never stored."""
    await desk.tell_typing(socket.app, user_id=socket.user_id, other_id=user_id, is_typing=is_typing)


async def greet(socket: Socket) -> dict[str, Any]:
    """`sync` tells of coins and of what waits unread, from whom."""
    async with connection(socket.app) as conn:
        row = await service.get_standing(conn, user_id=socket.user_id)
    return {"balance": row["coins_balance"], "unreadCounts": row["unread_counts"]}


EVENTS = (
    on("message-send", message_send, MessageSend, bucket="messages", people=True),
    on("message-read", message_read, MessageRead, people=True),
    on("typing", typing, Typing, people=True),
)
