"""Becoming a super lover, being found as one, and being rated for calls that took place."""

from typing import Any
from uuid import UUID

from romantic.coins import service as coins
from romantic.db import Connection, Row, load_queries
from romantic.super_lover.errors import AlreadySuperLover, NoRateableCall, NotSuperLover, RequirementsNotMet

sql = load_queries("super_lover")

MINIMUM_AGE = 18

#: `total` is exact below this; above it the list says so many at least.
COUNT_CAP = 10_000


async def become(conn: Connection, *, user_id: UUID, bio: str, fee: int) -> tuple[Row, Row | None]:
    """Pay the fee, once for ever: the person, and the entry (None if it is free). Needs a transaction.

    Raises AlreadySuperLover, RequirementsNotMet, InsufficientCoins.
    """
    person = await conn.one(sql.become_super_lover, user_id=user_id, bio=bio, minimum_age=MINIMUM_AGE)
    if person is None:
        await _refuse(conn, user_id=user_id)
    assert person is not None
    if not fee:
        return person, None
    entry = await coins.add_entry(
        conn,
        user_id=user_id,
        entry_type="spend",
        amount=fee,
        key=f"superlover:{user_id}",
        description="Became a Super Lover",
        reference_type="super_lover",
        reference_id=user_id,
    )
    return person | {"coins_balance": entry["balance_after"]}, entry


async def _refuse(conn: Connection, *, user_id: UUID) -> None:
    person = await get_standing(conn, user_id=user_id)
    if person["is_super_lover"]:
        raise AlreadySuperLover
    raise RequirementsNotMet(
        is_verified=person["is_verified"], minimum_age=MINIMUM_AGE, user_age=person["age"]
    )


async def get_standing(conn: Connection, *, user_id: UUID) -> Row:
    """What the requirements are measured against."""
    person = await conn.one(sql.get_standing, user_id=user_id)
    assert person is not None  # the principal's own row
    return person


def can_become(person: Row, *, fee: int) -> bool:
    return (
        not person["is_super_lover"]
        and person["is_verified"]
        and person["age"] >= MINIMUM_AGE
        and person["coins_balance"] >= fee
    )


async def set_status(conn: Connection, *, user_id: UUID, status: str) -> None:
    """Raises NotSuperLover."""
    if await conn.value(sql.set_status, user_id=user_id, status=status) is None:
        raise NotSuperLover


async def set_bio(conn: Connection, *, user_id: UUID, bio: str) -> None:
    """Raises NotSuperLover."""
    if await conn.value(sql.set_bio, user_id=user_id, bio=bio) is None:
        raise NotSuperLover


async def get_stats(conn: Connection, *, user_id: UUID) -> Row:
    """Sums over the person's calls and ledger; raises NotSuperLover."""
    row = await conn.one(sql.get_stats, user_id=user_id)
    if row is None:
        raise NotSuperLover
    return row


async def list_available(
    conn: Connection, *, user_id: UUID, status: str | None, page_size: int, page_offset: int
) -> tuple[list[Row], bool, int]:
    """One page of those the user may call, whether there are more, and how many in all (capped)."""
    who: dict[str, Any] = {"user_id": user_id, "status": status}
    rows = await conn.all(sql.list_available, page_size=page_size, page_offset=page_offset, **who)
    total = await conn.value(sql.count_available, cap=COUNT_CAP, **who)
    return rows[:page_size], len(rows) > page_size, total


async def rate(
    conn: Connection,
    *,
    user_id: UUID,
    super_lover_id: UUID,
    rating: int,
    comment: str | None,
    call_id: UUID | None,
) -> UUID:
    """Rate a call, the newest one not rated yet unless `call_id` says which; raises NoRateableCall."""
    rated: UUID | None = await conn.value(
        sql.rate_super_lover,
        user_id=user_id,
        super_lover_id=super_lover_id,
        call_id=call_id,
        rating=rating,
        comment=comment,
    )
    if rated is None:
        raise NoRateableCall
    return rated
