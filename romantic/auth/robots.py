"""Accounts of robots that test the service: made, given keys and revoked by an operator."""

from datetime import datetime
from uuid import UUID, uuid4

from romantic.auth.keys import Key
from romantic.coins import service as coins
from romantic.db import Connection, Row, UniqueConflict, load_queries

sql = load_queries("robots")


class RobotExists(Exception):
    """There is a robot of this name."""


class RobotNotFound(Exception):
    """There is no robot of this name."""


async def add_robot(conn: Connection, *, name: str, coin_count: int) -> UUID:
    """A robot with the coins its calls move to and fro. Needs a transaction. Raises RobotExists."""
    try:
        robot_id: UUID = await conn.value(sql.add_robot, robot_id=uuid4(), robot_name=name)
    except UniqueConflict:
        raise RobotExists(name) from None
    if coin_count:
        await coins.add_entry(
            conn,
            user_id=robot_id,
            entry_type="earn",
            amount=coin_count,
            key=f"probe:{robot_id}:float",
            description="Coins to test with",
            reference_type="probe",
        )
    return robot_id


async def get_robot(conn: Connection, *, name: str) -> UUID:
    """Raises RobotNotFound."""
    robot_id: UUID | None = await conn.value(sql.find_robot, robot_name=name)
    if robot_id is None:
        raise RobotNotFound(name)
    return robot_id


async def give_key(conn: Connection, *, robot_id: UUID, days: int) -> tuple[Key, datetime]:
    """A new key and when it ends, in place of every older one. Needs a transaction."""
    await revoke_keys(conn, robot_id=robot_id)
    key = Key.new()
    ends_at: datetime = await conn.value(
        sql.add_key, key_id=key.session_id, user_id=robot_id, key_hash=key.hash, days=days
    )
    return key, ends_at


async def revoke_keys(conn: Connection, *, robot_id: UUID) -> list[UUID]:
    """End every key of a robot; other processes notice when they read its session again."""
    return [row["id"] for row in await conn.all(sql.revoke_keys, user_id=robot_id)]


async def list_robots(conn: Connection) -> list[Row]:
    """Every robot by name, with its live key if it has one."""
    return await conn.all(sql.list_robots)
