"""Who is online, as the database knows it: a row for each person and node, and the node's own lease."""

import asyncio
import os
import socket as sockets
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from itertools import islice
from time import monotonic
from uuid import UUID

import structlog
from aiohttp import web

from romantic.background import running
from romantic.db import DatabaseBusy, Row, connection, load_queries
from romantic.realtime import HUB, Socket
from romantic.realtime.bus import NODE
from romantic.settings import SETTINGS
from romantic.signals import announce_changed

log = structlog.get_logger()
sql = load_queries("presence")

BATCH = 500
GATHER_SECONDS = 0.1
RETRY_SECONDS = 1.0
#: Somebody whose row is held elsewhere so often, or who cannot be found for so long, is not there.
TRIES = 20
FORGET_SECONDS = 3600.0

#: The nodes of this very process: their number proves nothing against each other.
_HERE: set[str] = set()


class Presence:
    """Writes down who came and who went, many at a time and in the order it happened.

    Nothing is written while somebody stays: the node beats for all of its people. Whoever comes back within
    the grace was never gone. Times as shares of the lease (45 s): a beat each 15 s, a node is dead 40 s after
    its last, and the dead are looked for each 3 s: its people are offline within the lease.
    """

    def __init__(self, app: web.Application) -> None:
        self._app = app
        self._node = app[NODE]
        self._lease = app[SETTINGS].presence_lease_seconds
        self._grace = app[SETTINGS].presence_grace_seconds
        self._came: dict[UUID, int] = {}  # how often each was tried
        self._went: dict[UUID, tuple[float, float]] = {}  # when it is due to be written, and when they left
        self._wake = asyncio.Event()
        self._beating_since: float | None = None

    def enter(self, socket: Socket) -> None:
        user_id = socket.user_id
        if self._went.pop(user_id, None) is None and len(self._app[HUB].sockets_of(user_id)) == 1:
            self._came[user_id] = 0
            self._wake.set()

    def leave(self, socket: Socket) -> None:
        if not self._app[HUB].is_online(socket.user_id):
            now = monotonic()
            self._went.pop(socket.user_id, None)
            self._went[socket.user_id] = now + self._grace, now
            self._wake.set()

    async def follow(self) -> None:
        """Write down comings and, after the grace, goings, for ever."""
        while True:
            await self._rest()
            try:
                await self._write_arrivals()
                await self._write_departures()
            except DatabaseBusy as error:
                log.warning("presence.delayed", reason=str(error))
                await asyncio.sleep(RETRY_SECONDS)
            except Exception:
                log.exception("presence.crashed")
                await asyncio.sleep(RETRY_SECONDS)

    async def _rest(self) -> None:
        """Until somebody comes or goes, or the grace of somebody is over; then a moment for the others."""
        due, _ = next(iter(self._went.values()), (None, None))
        with suppress(TimeoutError):
            async with asyncio.timeout(None if due is None else max(0.0, due - monotonic())):
                await self._wake.wait()
        await asyncio.sleep(GATHER_SECONDS)
        self._wake.clear()

    async def _write_arrivals(self) -> None:
        while batch := dict(islice(self._came.items(), BATCH)):
            async with connection(self._app) as conn:
                rows = await conn.all(sql.arrive, user_ids=list(batch), node=self._node)
            if not rows:
                await self._beat()
            self._retry(batch, written={row["user_id"] for row in rows})
            self._announce(rows)
            if len(rows) < len(batch):
                await asyncio.sleep(GATHER_SECONDS)

    def _retry(self, batch: dict[UUID, int], *, written: set[UUID]) -> None:
        """Who was written is done; who was held elsewhere comes again, at the end of the line."""
        for user_id, tried in batch.items():
            del self._came[user_id]
            if user_id not in written and tried < TRIES:
                self._came[user_id] = tried + 1

    async def _write_departures(self) -> None:
        while batch := self._due():
            now = monotonic()
            async with connection(self._app) as conn:
                rows = await conn.all(
                    sql.depart,
                    user_ids=list(batch),
                    seconds_ago=[now - left_at for left_at in batch.values()],
                    node=self._node,
                )
            written = {row["user_id"] for row in rows}
            for user_id, left_at in batch.items():
                if self._app[HUB].is_online(user_id):  # back while this was written
                    self._went.pop(user_id, None)
                    self._came[user_id] = 0
                    self._wake.set()
                elif user_id in written or now - left_at > FORGET_SECONDS:
                    self._went.pop(user_id, None)
                    self._came.pop(user_id, None)
                elif self._went.pop(user_id, None):
                    self._went[user_id] = monotonic() + RETRY_SECONDS, left_at
            self._announce(rows)

    def _due(self) -> dict[UUID, float]:
        """Some of those whose grace is over, and when they left."""
        now, first = monotonic(), islice(self._went.items(), BATCH)
        return {user_id: left_at for user_id, (due, left_at) in first if due <= now}

    def _announce(self, rows: Iterable[Row]) -> None:
        announce_changed(self._app, *(row["user_id"] for row in rows if row["has_changed"]))

    async def vouch(self) -> None:
        """Keep the node's lease, for ever."""
        while True:
            try:
                await self._beat()
                self._beating_since = self._beating_since or monotonic()
            except DatabaseBusy as error:
                self._beating_since = None
                log.warning("presence.delayed", reason=str(error))
            await asyncio.sleep(self._lease / 3)

    async def _beat(self) -> None:
        """Live on; a node that was given up meanwhile says again who is here."""
        async with connection(self._app) as conn:
            if await conn.value(sql.beat, node=self._node, seconds=self._lease * 8 / 9):
                self._came |= dict.fromkeys(self._app[HUB].online(), 0)
                self._wake.set()

    async def sweep(self) -> None:
        """End what nodes held that are dead, for ever.

        Only while the own lease has been kept for longer than a beat: after the database was away every node
        looks dead until it could say otherwise.
        """
        await self._bury_own()
        while True:
            await asyncio.sleep(self._lease / 15)
            since = self._beating_since
            if since is None or monotonic() - since < self._lease * 4 / 9:
                continue
            try:
                await self._expire()
            except DatabaseBusy as error:
                log.warning("presence.delayed", reason=str(error))
            except Exception:
                log.exception("presence.crashed")

    async def _expire(self) -> None:
        async with connection(self._app) as conn:
            while rows := await conn.all(sql.expire_presences, most=BATCH):
                log.info("presence.expired", count=len(rows))
                self._announce(rows)
            await conn.run(sql.delete_dead_nodes)
            quiet = await conn.all(sql.list_gone_quiet, seconds=self._lease / 5)
        announce_changed(self._app, *(row["id"] for row in quiet))

    async def _bury_own(self) -> None:
        """Earlier lives of this server, and neighbours that died here: their people may come back."""
        host = f"{sockets.gethostname()[:20]}:"
        with suppress(DatabaseBusy):
            async with connection(self._app) as conn:
                rows = await conn.all(sql.list_nodes, host=host)
                dead = [row["node"] for row in rows if _is_dead(row["node"])]
                await conn.run(sql.give_notice, nodes=dead, seconds=self._grace)

    async def resign(self) -> None:
        """The server stops: its people have the grace to come back elsewhere."""
        async with connection(self._app) as conn:
            await conn.run(sql.give_notice, nodes=[self._node], seconds=self._grace)


def _is_dead(node: str) -> bool:
    """Whether no process of that number runs on this machine, or it is ours and had another name."""
    pid = int(node.split(":")[1])
    if pid == os.getpid():
        return node not in _HERE
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


PRESENCE = web.AppKey("WHO_IS_ONLINE", Presence)


async def presence(app: web.Application) -> AsyncIterator[None]:
    own, node = app[PRESENCE], app[NODE]
    _HERE.add(node)
    async with running(own.vouch()), running(own.follow()), running(own.sweep()):
        yield
    _HERE.discard(node)
    with suppress(TimeoutError, DatabaseBusy):
        async with asyncio.timeout(2):
            await own.resign()


def add_presence(app: web.Application) -> None:
    """Needs the hub and the node's name."""
    app[PRESENCE] = Presence(app)
    app[HUB].on_enter(app[PRESENCE].enter)
    app[HUB].on_leave(app[PRESENCE].leave)
    app.cleanup_ctx.append(presence)
