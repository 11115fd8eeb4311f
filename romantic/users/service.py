"""People in the database."""

from typing import Any
from uuid import UUID

from romantic.db import Connection, Row, load_queries
from romantic.users.errors import UserNotFound

sql = load_queries("users")


async def get_profile(conn: Connection, *, user_id: UUID) -> Row:
    """The person's own view of themselves; raises UserNotFound."""
    profile = await conn.one(sql.get_profile, user_id=user_id)
    if profile is None:
        raise UserNotFound
    return profile


async def find_profile_by_phone(conn: Connection, *, phone_number: str) -> Row | None:
    return await conn.one(sql.find_profile_by_phone, phone_number=phone_number)


async def add_user(conn: Connection, **values: Any) -> UUID:
    """A new person with their preferences. Raises UniqueConflict for a phone number in use."""
    user_id: UUID = await conn.value(sql.add_user, **values)
    return user_id


async def set_presence(conn: Connection, *, user_id: UUID, is_online: bool) -> None:
    await conn.run(sql.set_presence, user_id=user_id, is_online=is_online)
