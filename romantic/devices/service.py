"""Devices in the database: one per session and platform, gone with the session."""

from uuid import UUID

from romantic.db import Connection, Row, load_queries
from romantic.devices.errors import DeviceNotFound
from romantic.errors import Unauthorized

sql = load_queries("devices")

#: Per person; the one seen longest ago makes room. As many as there are sessions.
MOST_DEVICES = 10


async def add_device(conn: Connection, *, user_id: UUID, session_id: UUID, token: str, platform: str) -> Row:
    """Know a phone by its token; the same again is the same device, and somebody else's moves here.

    One statement. Raises Unauthorized for a session that has just ended.
    """
    device = await conn.one(
        sql.add_device,
        user_id=user_id,
        session_id=session_id,
        token=token,
        platform=platform,
        most=MOST_DEVICES,
    )
    if device is None:
        raise Unauthorized("The session is over.")
    return device


async def delete_device(conn: Connection, *, user_id: UUID, device_id: UUID) -> None:
    """Raises DeviceNotFound."""
    if await conn.value(sql.delete_device, device_id=device_id, user_id=user_id) is None:
        raise DeviceNotFound
