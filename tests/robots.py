"""Robots: accounts with a key, as `run.py admin probe-account create` makes them."""

import itertools
from typing import Any

from romantic.auth import robots
from romantic.auth.keys import Key
from romantic.db import DATABASE
from tests.phone import Client, Person

_numbers = itertools.count(1)

COINS = 1000


async def make_robot(client: Client, name: str = "robot", *, coins: int = COINS, days: int = 365) -> Person:
    """Somebody whose access token is a key."""
    async with client.app[DATABASE].transaction() as conn:  # type: ignore[union-attr]
        robot_id = await robots.add_robot(conn, name=f"{name}-{next(_numbers)}", coin_count=coins)
        key, _ = await robots.give_key(conn, robot_id=robot_id, days=days)
    return person_of(client, robot_id, key)


async def rotate(client: Client, robot: Person) -> Person:
    """The same robot with a new key."""
    async with client.app[DATABASE].transaction() as conn:  # type: ignore[union-attr]
        key, _ = await robots.give_key(conn, robot_id=robot.id, days=1)
    return person_of(client, robot.id, key)


def person_of(client: Client, robot_id: Any, key: Key) -> Person:
    return Person(client, robot_id, "", {"accessToken": str(key), "refreshToken": ""})
