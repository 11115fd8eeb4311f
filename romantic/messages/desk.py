"""What REST and sockets both do with messages: one statement, and then the phones are told."""

from typing import Any
from uuid import UUID

from aiohttp import web

from romantic.coins import service as coins
from romantic.coins.news import tell_entry
from romantic.db import Row, connection
from romantic.integrations.storage import STORAGE
from romantic.messages import service
from romantic.messages.schemas import message_view
from romantic.realtime import HUB, Event, Kind
from romantic.realtime.presence import is_connected
from romantic.settings import SETTINGS


async def send(
    app: web.Application, *, sender_id: UUID, session_id: UUID, receiver_id: UUID, text: str,
    client_message_id: str | None, message_type: str = "text", media_key: str | None = None,
    cost: int | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Send once, tell the receiver's phones and the sender's other ones; the data of the answer."""
    settings = app[SETTINGS]
    async with connection(app) as conn:
        row = await service.send(
            conn,
            sender_id=sender_id,
            receiver_id=receiver_id,
            text=text,
            message_type=message_type,
            cost=settings.message_cost if cost is None else cost,
            policy=settings.messaging_policy,
            client_message_id=client_message_id,
            media_key=media_key,
        )
        balance = row["balance_after"]
        if balance is None:
            balance = (await coins.get_balance(conn, user_id=sender_id))["coins_balance"]
    view = await shown(app, row)
    if row["is_new"]:
        _tell(app, row, view, session_id=session_id)
    return {"message": view, "coinsSpent": row["coins_spent"], "newBalance": balance}


async def shown(app: web.Application, row: Row) -> dict[str, Any]:
    """The message as people see it; the address of its file is a new one each time, and soon closes."""
    view = message_view(row)
    if row["media_key"] is not None:
        view["mediaUrl"] = await app[STORAGE].private_url(row["media_key"])
    return view


def _tell(app: web.Application, row: Row, view: dict[str, Any], *, session_id: UUID) -> None:
    hub = app[HUB]
    hub.send(row["receiver_id"], Event("message", view))
    hub.send(row["sender_id"], Event("message", view), but_session=session_id)
    if row["entry_id"] is None:
        return
    tell_entry(
        app,
        {
            "id": row["entry_id"],
            "is_new": True,
            "transaction_type": "spend",
            "user_id": row["sender_id"],
            "signed_amount": -row["coins_spent"],
            "balance_after": row["balance_after"],
            "reference_type": "chat",
            "reference_id": row["id"],
            "idempotency_key": row["idempotency_key"],
        },
    )


async def read(app: web.Application, *, user_id: UUID, other_id: UUID) -> int:
    """Mark as read and tell who wrote it how far."""
    async with connection(app) as conn:
        row = await service.read(conn, user_id=user_id, other_id=other_id)
    if row["read_count"]:
        data = {"byUserId": user_id, "upToMessageId": row["up_to"], "readCount": row["read_count"]}
        app[HUB].send(other_id, Event("message-read", data))
    return int(row["read_count"])


async def delete(app: web.Application, *, user_id: UUID, message_id: UUID) -> None:
    async with connection(app) as conn:
        receiver_id = await service.delete(conn, user_id=user_id, message_id=message_id)
    if receiver_id is not None:
        event = Event("message-deleted", {"messageId": message_id, "byUserId": user_id})
        for person in (receiver_id, user_id):
            app[HUB].send(person, event)


async def tell_typing(app: web.Application, *, user_id: UUID, other_id: UUID, is_typing: bool) -> None:
    """Never stored, and nothing for whoever may not know of the other."""
    if not await is_connected(app, other_id):
        return
    async with connection(app) as conn:
        if not await service.may_interact(conn, user_id=user_id, other_id=other_id):
            return
    event = Event("typing", {"userId": user_id, "isTyping": is_typing}, Kind.VOLATILE)
    app[HUB].send(other_id, event)
