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


async def set_profile(conn: Connection, *, user_id: UUID, **values: Any) -> Row:
    """Change the given fields of one's own profile; bio and location may be emptied with None."""
    row = await conn.one(
        sql.set_profile,
        user_id=user_id,
        full_name=values["full_name"],
        age=values["age"],
        gender=values["gender"],
        bio=values.get("bio"),
        set_bio="bio" in values,
        location=values.get("location"),
        set_location="location" in values,
    )
    if row is None:
        raise UserNotFound
    return row


async def get_visible_profile(conn: Connection, *, viewer_id: UUID, user_id: UUID) -> Row:
    """Somebody else's profile; raises UserNotFound also for people the viewer may not know of."""
    row = await conn.one(sql.find_visible_profile, viewer_id=viewer_id, user_id=user_id)
    if row is None:
        raise UserNotFound
    return row


async def delete_account(conn: Connection, *, user_id: UUID) -> None:
    """Anonymise a person and cut every tie; money, calls and reports keep their rows. Needs a transaction."""
    await conn.run(sql.delete_account, user_id=user_id)
    await conn.run(sql.delete_ties, user_id=user_id)


async def export(conn: Connection, *, user_id: UUID) -> dict[str, Any]:
    """Everything that is stored about a person, as JSON."""
    everything: dict[str, Any] = await conn.value(sql.export_user, user_id=user_id)
    return everything
