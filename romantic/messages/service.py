"""Messages in the database: charged, written and counted in one statement."""

from typing import Any
from uuid import UUID

from romantic.coins.service import paying
from romantic.db import Connection, Row, UniqueConflict, load_queries
from romantic.errors import UserUnavailable
from romantic.jobs import announce
from romantic.messages.errors import MatchRequired, MessageNotFound
from romantic.users.errors import UserNotFound

sql = load_queries("messages")

MOST_UNREAD = 200


async def send(
    conn: Connection,
    *,
    sender_id: UUID,
    receiver_id: UUID,
    text: str,
    message_type: str,
    cost: int,
    policy: str,
    client_message_id: str | None,
    media_key: str | None = None,
) -> Row:
    """Write a message and charge for it, or return what the same client id sent before, uncharged.

    `is_new` tells which. One statement. Raises UserUnavailable, MatchRequired, InsufficientCoins.
    """
    try:
        with paying():
            row = await conn.one(
                sql.send_message,
                sender_id=sender_id,
                receiver_id=receiver_id,
                message_text=text,
                message_type=message_type,
                media_key=media_key,
                cost=cost,
                policy=policy,
                client_message_id=client_message_id,
            )
    except UniqueConflict:
        row = None  # the same message is being written at this moment: it is there now
    if row is not None and row["id"] is not None:
        announce(conn, row["pushes"])
        return row | {"is_new": True}
    if row is None or row["earlier_id"] is not None:
        return await _earlier(conn, sender_id=sender_id, client_message_id=client_message_id)
    if not row["may_interact"]:
        raise UserUnavailable
    raise MatchRequired


async def _earlier(conn: Connection, *, sender_id: UUID, client_message_id: str | None) -> Row:
    row = await conn.one(sql.find_message_of_client, sender_id=sender_id, client_message_id=client_message_id)
    assert row is not None
    return row | {"is_new": False, "balance_after": row["balance"]}


async def list_conversations(
    conn: Connection, *, user_id: UUID, page_size: int, page_offset: int
) -> tuple[list[Row], int]:
    rows = await conn.all(
        sql.list_conversations, user_id=user_id, page_size=page_size, page_offset=page_offset
    )
    return rows, await conn.value(sql.count_conversations, user_id=user_id)


async def list_messages(
    conn: Connection, *, user_id: UUID, other_id: UUID, before: UUID | None, **window: Any
) -> tuple[list[Row], int]:
    """One page of a conversation, newest first, and how many there are; raises UserNotFound after a block."""
    conversation = await conn.one(sql.find_conversation, user_id=user_id, other_id=other_id)
    assert conversation is not None
    if not conversation["may_interact"]:
        raise UserNotFound
    place: Row = {"created_at": None, "id": None}
    if before is not None:
        found = await conn.one(sql.find_place, message_id=before, user_id=user_id)
        if found is None:
            raise MessageNotFound
        place = found
    rows = await conn.all(
        sql.list_messages,
        user_id=user_id,
        other_id=other_id,
        before_at=place["created_at"],
        before_id=place["id"],
        **window,
    )
    return rows, conversation["total"]


async def read(conn: Connection, *, user_id: UUID, other_id: UUID) -> Row:
    """Mark everything the other one wrote as read: `read_count` and `up_to`."""
    row = await conn.one(sql.read_messages, user_id=user_id, other_id=other_id)
    assert row is not None
    return row


async def delete(conn: Connection, *, user_id: UUID, message_id: UUID) -> UUID | None:
    """Take a message back for both; returns its receiver, None if it was gone. Raises MessageNotFound."""
    receiver_id: UUID | None = await conn.value(sql.delete_message, message_id=message_id, user_id=user_id)
    if (
        receiver_id is None
        and await conn.one(sql.find_own_message, message_id=message_id, user_id=user_id) is None
    ):
        raise MessageNotFound
    return receiver_id


async def may_interact(conn: Connection, *, user_id: UUID, other_id: UUID) -> bool:
    return bool(await conn.value(sql.may_interact, user_id=user_id, other_id=other_id))


async def get_standing(conn: Connection, *, user_id: UUID) -> Row:
    """Balance and unread counts by person, of the latest conversations that have some."""
    row = await conn.one(sql.get_standing, user_id=user_id, most=MOST_UNREAD)
    assert row is not None  # the principal's own row
    return row
