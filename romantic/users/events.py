"""The socket events of people: watching who is online."""

from typing import Any
from uuid import UUID

from aiohttp import web

from romantic.db import connection
from romantic.realtime import Socket, on
from romantic.realtime.reading import Missed
from romantic.realtime.turnstile import turn
from romantic.users import service
from romantic.users.schemas import People
from romantic.users.watching import WATCHING

#: Where events name the person they come from, and where the person is an object of its own.
FROM = ("senderId", "fromUserId", "byUserId", "userId")
FROM_WHOM = ("caller", "matchUser")


async def from_strangers(app: web.Application, user_id: UUID, missed: list[Missed]) -> set[int]:
    """What comes from people who are blocked by now, either way, or banned."""
    senders = {event.seq: _sender(event.data) for event in missed}
    people = set(senders.values()) - {None, str(user_id)}
    if not people:
        return set()
    async with turn(app), connection(app) as conn:
        rows = await conn.all(service.sql.list_strangers, user_id=user_id, people=sorted(map(str, people)))
    strangers = {str(row["id"]) for row in rows}
    return {seq for seq, sender in senders.items() if sender in strangers}


def _sender(data: dict[str, Any]) -> str | None:
    names = [data[key] for key in FROM if key in data]
    names += [data[key]["id"] for key in FROM_WHOM if key in data]
    return next(iter(names), None)


async def subscribe(socket: Socket, *, user_ids: list[UUID]) -> dict[str, Any]:
    """What these people show now; `presence` tells of every change from here on."""
    return {"presences": await socket.app[WATCHING].subscribe(socket, user_ids)}


def unsubscribe(socket: Socket, *, user_ids: list[UUID]) -> dict[str, Any]:
    socket.app[WATCHING].unsubscribe(socket, user_ids)
    return {"presences": []}


EVENTS = (
    on("presence-subscribe", subscribe, People, bucket="subscriptions", of_socket=True),
    on("presence-unsubscribe", unsubscribe, People, of_socket=True),
)
