"""Blocks and reports."""

from uuid import UUID

from romantic.db import Connection, Row, load_queries
from romantic.errors import NotFound, RateLimited
from romantic.users.errors import UserNotFound
from romantic.users.matching import page

sql = load_queries("users")

DAY_SECONDS = 86_400


async def block(conn: Connection, *, user_id: UUID, target_user_id: UUID) -> None:
    """From now on neither can see, like, message or call the other; repeats are fine. Raises UserNotFound."""
    if not await conn.value(sql.block_user, user_id=user_id, target_user_id=target_user_id):
        raise UserNotFound


async def unblock(conn: Connection, *, user_id: UUID, target_user_id: UUID) -> None:
    if await conn.value(sql.delete_block, user_id=user_id, target_user_id=target_user_id) is None:
        raise NotFound("You have not blocked this person.")


async def list_blocked(conn: Connection, *, user_id: UUID, **window: int) -> tuple[list[Row], int]:
    return await page(conn, sql.list_blocked, user_id=user_id, **window)


async def report(
    conn: Connection, *, user_id: UUID, target_user_id: UUID, reason: str, description: str | None
) -> UUID:
    """Tell the moderators, with the profile and the last messages as they are now; once a day per person.

    Raises UserNotFound, RateLimited.
    """
    row = await conn.one(
        sql.add_report,
        user_id=user_id,
        target_user_id=target_user_id,
        reason=reason,
        description=description,
    )
    assert row is not None
    if not row["is_known"]:
        raise UserNotFound
    if row["report_id"] is None:
        raise RateLimited("You reported this person today.", retry_after=DAY_SECONDS)
    report_id: UUID = row["report_id"]
    return report_id
