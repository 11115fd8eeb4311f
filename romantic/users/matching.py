"""Discovery, likes, passes and matches."""

from datetime import datetime
from typing import Any
from uuid import UUID

from romantic.db import Connection, DatabaseRefusal, Query, Row, load_queries
from romantic.errors import NotFound
from romantic.jobs import announce
from romantic.users.errors import UserNotFound

sql = load_queries("users")

#: `total` is exact below this; above it the list says so many at least.
COUNT_CAP = 10_000


async def discover(
    conn: Connection,
    *,
    user_id: UUID,
    gender: str | None,
    age_min: int,
    age_max: int,
    location: str | None,
    before: tuple[datetime, UUID] | None,
    page_size: int,
    page_offset: int,
) -> tuple[list[Row], bool, int]:
    """One page of people who are new to the user, whether there are more, and how many in all (capped)."""
    filters: dict[str, Any] = {
        "user_id": user_id,
        "gender": gender,
        "age_min": age_min,
        "age_max": age_max,
        "location": location,
    }
    at, last = before or (None, None)
    rows = await conn.all(
        sql.discover, before_at=at, before_id=last, page_size=page_size, page_offset=page_offset, **filters
    )
    total = await conn.value(sql.count_discoverable, cap=COUNT_CAP, **filters)
    return rows[:page_size], len(rows) > page_size, total


async def like(conn: Connection, *, user_id: UUID, target_user_id: UUID) -> Row:
    """Like somebody: `is_match`, and `is_new` for the one like that made it. Raises UserNotFound."""
    try:
        row = await conn.one(sql.like_user, user_id=user_id, target_user_id=target_user_id)
    except DatabaseRefusal:
        raise UserNotFound from None
    if row is None:
        raise UserNotFound
    announce(conn, row["pushes"])
    return row


async def pass_over(conn: Connection, *, user_id: UUID, target_user_id: UUID) -> None:
    """Not now: they come back to discovery after thirty days. Raises UserNotFound."""
    if await conn.value(sql.pass_user, user_id=user_id, target_user_id=target_user_id) is None:
        raise UserNotFound


async def undo_pass(conn: Connection, *, user_id: UUID, target_user_id: UUID) -> None:
    if await conn.value(sql.delete_pass, user_id=user_id, target_user_id=target_user_id) is None:
        raise NotFound("You have not passed this person.")


async def unmatch(conn: Connection, *, user_id: UUID, target_user_id: UUID) -> None:
    if not await conn.value(sql.delete_match, user_id=user_id, target_user_id=target_user_id):
        raise NotFound("You have no match with this person.")


async def list_matches(conn: Connection, *, user_id: UUID, **window: int) -> tuple[list[Row], int]:
    return await page(conn, sql.list_matches, user_id=user_id, **window)


async def list_likes_received(conn: Connection, *, user_id: UUID, **window: int) -> tuple[list[Row], int]:
    return await page(conn, sql.list_likes_received, user_id=user_id, **window)


async def page(
    conn: Connection, query: Query, *, user_id: UUID, page_size: int, page_offset: int
) -> tuple[list[Row], int]:
    """One page of a list whose rows carry the total; past the end the first row is asked for it."""
    rows = await conn.all(query, user_id=user_id, page_size=page_size, page_offset=page_offset)
    if rows or not page_offset:
        return rows, rows[0]["total"] if rows else 0
    first = await conn.one(query, user_id=user_id, page_size=1, page_offset=0)
    return [], first["total"] if first else 0
