"""One row of preferences per person, there since they registered."""

from typing import Any
from uuid import UUID

from romantic.db import Connection, Row, load_queries

sql = load_queries("preferences")


async def get_preferences(conn: Connection, *, user_id: UUID) -> Row:
    return _own(await conn.one(sql.get_preferences, user_id=user_id))


async def set_preferences(conn: Connection, *, user_id: UUID, **values: Any) -> Row:
    """Change the given columns and return them all; queries read them, so that they hold at once."""
    columns = dict.fromkeys(sql.set_preferences.parameters - {"user_id"}) | values
    return _own(await conn.one(sql.set_preferences, user_id=user_id, **columns))


async def get_statistics(conn: Connection, *, user_id: UUID) -> Row:
    return _own(await conn.one(sql.get_statistics, user_id=user_id))


def _own(row: Row | None) -> Row:
    assert row is not None  # the principal's own
    return row
