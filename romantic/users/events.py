"""The socket events of people: watching who is online."""

from typing import Any
from uuid import UUID

from romantic.realtime import Socket, on
from romantic.users.schemas import People
from romantic.users.watching import WATCHING


async def subscribe(socket: Socket, *, user_ids: list[UUID]) -> dict[str, Any]:
    """What these people show now; `presence` tells of every change from here on."""
    return {"presences": await socket.app[WATCHING].subscribe(socket, user_ids)}


def unsubscribe(socket: Socket, *, user_ids: list[UUID]) -> dict[str, Any]:
    """Hear no more of these people."""
    socket.app[WATCHING].unsubscribe(socket, user_ids)
    return {"presences": []}


EVENTS = (
    on("presence-subscribe", subscribe, People, bucket="subscriptions"),
    on("presence-unsubscribe", unsubscribe, People),
)
