"""Which sessions have a socket at which node, for the moment: leases in Redis that end by themselves."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from uuid import UUID

from aiohttp import web

from romantic.background import running
from romantic.realtime.bus import NODE
from romantic.realtime.hub import HUB
from romantic.realtime.socket import Socket
from romantic.realtime.streams import alive_elsewhere, channel_of
from romantic.redis import REDIS, Command, RedisAway
from romantic.settings import SETTINGS

#: People written in one pipeline; the next waits for its answer.
BATCH = 500
#: Sockets that come or go together are written together.
GATHER_SECONDS = 0.05


class Presence:
    """One hash per person, `romantic:{u:…}:presence`: a field per session and node, its value when it ends
    and whether the app is in front (`<milliseconds of the epoch> f|b`).

    A refresh is a pipeline over everybody here, not a question per person; the braces keep a person's keys in
    one slot of a Redis Cluster. Readers judge each field by its own end, since the key lives as long as the
    newest: clocks of nodes must agree to within seconds. Without Redis every node knows its own people only.
    """

    def __init__(self, app: web.Application) -> None:
        self.node = app[NODE]
        self._app = app
        self._seconds = app[SETTINGS].presence_lease_seconds
        self._changed: dict[UUID, set[UUID]] = {}
        self._wake = asyncio.Event()

    def note(self, socket: Socket) -> None:
        """The socket came, went, or its app went to the back or the front."""
        self._changed.setdefault(socket.user_id, set()).add(socket.session_id)
        self._wake.set()

    async def follow(self) -> None:
        """Write down what was noted, for ever."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._wake.clear()
            await self.flush()

    async def renew(self) -> None:
        """Renew every lease of this node three times in its life, for ever."""
        while True:
            await asyncio.sleep(self._seconds / 3)
            for user_id in self._app[HUB].online():
                sessions = {socket.session_id for socket in self._app[HUB].sockets_of(user_id)}
                self._changed.setdefault(user_id, set()).update(sessions)
            self._wake.set()

    async def flush(self) -> None:
        """What Redis does not take now is written with the next renewal."""
        while self._changed:
            batch = [self._changed.popitem() for _ in range(min(BATCH, len(self._changed)))]
            commands = [command for user_id, sessions in batch for command in self._lines(user_id, sessions)]
            with suppress(RedisAway):
                await self._app[REDIS].run(commands)

    def _lines(self, user_id: UUID, sessions: Iterable[UUID]) -> list[Command]:
        key, ends = _key(user_id), round((time.time() + self._seconds) * 1000)
        own = self._app[HUB].sockets_of(user_id)
        lines: list[Command] = []
        for session_id in sessions:
            field = f"{self.node} {session_id}"
            here = [socket for socket in own if socket.session_id == session_id]
            if here:
                state = "f" if any(socket.in_foreground for socket in here) else "b"
                lines.append(("HSET", key, field, f"{ends} {state}"))
                lines.append(("PEXPIRE", key, round(self._seconds * 1000)))
            else:
                lines.append(("HDEL", key, field))
        return lines

    async def states_of(self, user_id: UUID) -> list[str]:
        """`f` or `b` of every session that has a socket anywhere; those of this node only, without Redis."""
        own = self._app[HUB].sockets_of(user_id)
        states = ["f" if socket.in_foreground else "b" for socket in own]
        with suppress(RedisAway):
            fields = await self._app[REDIS].run([("HGETALL", _key(user_id))])
            if isinstance(fields[0], dict):
                states += [state for _, state in alive_elsewhere(fields[0], node=self.node)]
        return states


def _key(user_id: UUID) -> str:
    return f"{channel_of(user_id)}:presence"


PRESENCE = web.AppKey("PRESENCE", Presence)


async def in_foreground(app: web.Application, user_id: UUID) -> bool:
    """Whether the person looks at the app now, on any phone at any node."""
    if any(socket.in_foreground for socket in app[HUB].sockets_of(user_id)):
        return True
    return "f" in await app[PRESENCE].states_of(user_id)


async def is_connected(app: web.Application, user_id: UUID) -> bool:
    """Whether the person has a socket at any node."""
    return app[HUB].is_online(user_id) or bool(await app[PRESENCE].states_of(user_id))


async def presence(app: web.Application) -> AsyncIterator[None]:
    async with running(app[PRESENCE].follow()), running(app[PRESENCE].renew()):
        yield
    with suppress(TimeoutError):
        async with asyncio.timeout(1):
            await app[PRESENCE].flush()


def add_presence(app: web.Application) -> None:
    """Needs the hub."""
    app[PRESENCE] = Presence(app)
    app[HUB].on_enter(app[PRESENCE].note)
    app[HUB].on_leave(app[PRESENCE].note)
    app.cleanup_ctx.append(presence)
