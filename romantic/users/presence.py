"""Who is online, as the database knows it: the first socket of a person and the last one to go."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from uuid import UUID

import structlog
from aiohttp import web

from romantic.background import running
from romantic.db import DatabaseBusy, connection
from romantic.realtime import HUB, Socket
from romantic.users import service

log = structlog.get_logger()

LEASE_SECONDS = 45.0


class Presence:
    """Writes what changed, in the order it changed, one person at a time."""

    def __init__(self, app: web.Application) -> None:
        self._app = app
        self._changed: dict[UUID, None] = {}
        self._wake = asyncio.Event()

    def note(self, socket: Socket) -> None:
        self._changed[socket.user_id] = None
        self._wake.set()

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self.flush()

    async def vouch(self) -> None:
        """Renew the lease of everybody here, for ever: a server that dies takes nobody with it for long."""
        while True:
            try:
                async with connection(self._app) as conn:
                    await service.vouch_for(conn, user_ids=self._app[HUB].online(), seconds=LEASE_SECONDS)
            except DatabaseBusy as error:
                log.warning("presence.delayed", reason=str(error))
            await asyncio.sleep(LEASE_SECONDS / 3)

    async def flush(self) -> None:
        """Write down where everybody who came or went stands now."""
        while self._changed:
            user_id = next(iter(self._changed))
            del self._changed[user_id]
            try:
                async with connection(self._app) as conn:
                    await service.set_presence(
                        conn, user_id=user_id, is_online=self._app[HUB].is_online(user_id)
                    )
            except DatabaseBusy as error:
                log.warning("presence.delayed", reason=str(error))
                self._changed[user_id] = None
                await asyncio.sleep(1)
            except Exception:
                log.exception("presence.crashed", user_id=str(user_id))


PRESENCE = web.AppKey("PRESENCE", Presence)


async def presence(app: web.Application) -> AsyncIterator[None]:
    async with running(app[PRESENCE].run()), running(app[PRESENCE].vouch()):
        yield
    with suppress(TimeoutError):
        async with asyncio.timeout(2):
            await app[PRESENCE].flush()


def add_presence(app: web.Application) -> None:
    app[PRESENCE] = Presence(app)
    app[HUB].on_enter(app[PRESENCE].note)
    app[HUB].on_leave(app[PRESENCE].note)
    app.cleanup_ctx.append(presence)
