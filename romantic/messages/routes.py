"""/api/messages"""

from uuid import UUID

from aiohttp import web

from romantic.db import connection
from romantic.http import PRINCIPAL, delete, get, ok, page_of, post, put, signed_in
from romantic.http.limits import MESSAGES
from romantic.messages import desk, service
from romantic.messages.schemas import (
    ConversationsQuery,
    MessagesQuery,
    SendBody,
    conversation_view,
)


async def list_conversations(
    request: web.Request, *, page: int, page_size: int, page_offset: int
) -> web.Response:
    me = request[PRINCIPAL].id
    async with connection(request.app) as conn:
        rows, total = await service.list_conversations(
            conn, user_id=me, page_size=page_size, page_offset=page_offset
        )
    data = {
        "conversations": [conversation_view(row, me=me) for row in rows],
        "pagination": page_of(page=page, page_size=page_size, total=total),
    }
    return ok(data, "Conversations retrieved successfully")


async def list_messages(
    request: web.Request, *, user_id: UUID, before: UUID | None, page: int, page_size: int, page_offset: int
) -> web.Response:
    async with connection(request.app) as conn:
        rows, total = await service.list_messages(
            conn,
            user_id=request[PRINCIPAL].id,
            other_id=user_id,
            before=before,
            page_size=page_size,
            page_offset=0 if before else page_offset,
        )
    data = {
        "messages": [await desk.shown(request.app, row) for row in rows],
        "pagination": page_of(page=page, page_size=page_size, total=total),
        "nextCursor": rows[-1]["id"] if len(rows) == page_size else None,
    }
    return ok(data, "Messages retrieved successfully")


async def send(
    request: web.Request,
    *,
    receiver_id: UUID,
    message_text: str,
    message_type: str,
    client_message_id: str | None,
) -> web.Response:
    principal = request[PRINCIPAL]
    data = await desk.send(
        request.app,
        sender_id=principal.id,
        session_id=principal.session_id,
        receiver_id=receiver_id,
        text=message_text,
        message_type=message_type,
        client_message_id=client_message_id,
    )
    return ok(data, "Message sent successfully")


async def read(request: web.Request, *, user_id: UUID) -> web.Response:
    count = await desk.read(request.app, user_id=request[PRINCIPAL].id, other_id=user_id)
    return ok({"readCount": count}, "Messages marked as read")


async def delete_message(request: web.Request, *, message_id: UUID) -> web.Response:
    await desk.delete(request.app, user_id=request[PRINCIPAL].id, message_id=message_id)
    return ok(message="Message deleted successfully")


ROUTES = (
    get("/api/messages/conversations", list_conversations, signed_in, query=ConversationsQuery),
    get("/api/messages/conversation/{user_id}", list_messages, signed_in, query=MessagesQuery),
    post("/api/messages/send", send, signed_in, body=SendBody, limit=MESSAGES),
    put("/api/messages/read/{user_id}", read, signed_in),
    delete("/api/messages/{message_id}", delete_message, signed_in),
)
