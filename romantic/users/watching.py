"""Who watches whom, and `presence` events when what they may see changes."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any
from uuid import UUID

import structlog
from aiohttp import web

from romantic.background import running
from romantic.db import Connection, DatabaseBusy, Row, connection, load_queries
from romantic.errors import InvalidInput
from romantic.realtime import HUB, Event, Kind, Socket
from romantic.realtime.bus import BUS
from romantic.signals import CHANGED

log = structlog.get_logger()
sql = load_queries("presence")

MOST_WATCHED = 200
#: Changes are gathered this long; it bounds how often one person is looked at.
GATHER_SECONDS = 0.2
#: A phone that had no room for an event is tried again this often.
RETRY_SECONDS = 5.0
TARGETS_AT_ONCE = 200
PAIRS_AT_ONCE = 5_000
SENDS_AT_ONCE = 500
HINTS_AT_ONCE = 1_000
TOPIC = "presence.changed"


@dataclass(frozen=True, slots=True)
class Sight:
    """What a viewer sees of somebody as of the look of that number; equal sights need no event."""

    look: int
    is_online: bool = False
    last_seen_at: Any = None
    status: str = "offline"
    is_busy: bool = False

    @property
    def shown(self) -> tuple[Any, ...]:
        """While somebody is online their last moment is now, and no news."""
        return self.is_online, None if self.is_online else self.last_seen_at, self.status, self.is_busy


Watchers = dict[UUID, dict[Socket, Sight | None]]


class Watching:
    """The subscriptions of this process.

    Whoever announces a change names the person only; each node that has watchers of them looks once for all
    of them, asks the gate for the pairs, and tells those who see something else than before. Somebody who may
    not be seen, who hides, and who does not exist look alike: offline.
    """

    def __init__(self, app: web.Application) -> None:
        self._app = app
        self._watchers: Watchers = {}
        self._watched: dict[Socket, set[UUID]] = {}
        self._looks = itertools.count(1)
        self._changed: dict[UUID, set[UUID] | None] = {}  # the viewers concerned, None for all
        self._hints: dict[tuple[UUID, UUID | None], None] = {}
        self._wake = asyncio.Event()
        self._told = asyncio.Event()
        self._late: set[UUID] = set()
        app[BUS].on(TOPIC, self._hear)
        app[BUS].on_back(self._mark_all)

    async def subscribe(self, socket: Socket, user_ids: Iterable[UUID]) -> list[dict[str, Any]]:
        """From now on the socket hears of these people; what it sees of them at once. Raises InvalidInput."""
        wanted = list(dict.fromkeys(user_ids))
        watched = self._watched.setdefault(socket, set())
        if len(watched | set(wanted)) > MOST_WATCHED:
            message = f"A socket watches {MOST_WATCHED} people at most."
            raise InvalidInput(fields=[{"path": "userIds", "code": "too_many", "message": message}])
        new = [user_id for user_id in wanted if user_id not in watched]
        watched.update(new)
        for user_id in new:
            self._watchers.setdefault(user_id, {})[socket] = None
        try:
            sights = await self._look({user_id: [socket] for user_id in wanted})
        except BaseException:
            self.unsubscribe(socket, new)
            raise
        return [self._keep(socket, user_id, sights[user_id][socket]) for user_id in wanted]

    def _keep(self, socket: Socket, user_id: UUID, sight: Sight) -> dict[str, Any]:
        """The first sight, unless a newer one has been told meanwhile."""
        known = self._watchers.get(user_id, {}).get(socket)
        if known is not None and known.look > sight.look:
            return view(user_id, known)
        if socket in self._watchers.get(user_id, {}):
            self._watchers[user_id][socket] = sight
        return view(user_id, sight)

    def unsubscribe(self, socket: Socket, user_ids: Iterable[UUID]) -> None:
        watched = self._watched.get(socket, set())
        for user_id in user_ids:
            watched.discard(user_id)
            watchers = self._watchers.get(user_id, {})
            watchers.pop(socket, None)
            if not watchers:
                self._watchers.pop(user_id, None)
        if not watched:
            self._watched.pop(socket, None)

    def leave(self, socket: Socket) -> None:
        self.unsubscribe(socket, list(self._watched.get(socket, ())))

    def note(self, user_id: UUID, viewer: UUID | None) -> None:
        """Somebody changed here: every node that watches them looks again."""
        self._hints[user_id, viewer] = None
        self._told.set()

    def _mark(self, user_id: UUID, viewer: UUID | None) -> None:
        if user_id not in self._watchers:
            return
        known = self._changed.setdefault(user_id, set())
        if viewer is None or known is None:
            self._changed[user_id] = None
        else:
            known.add(viewer)
        self._wake.set()

    async def tell(self) -> None:
        """Tell every node who changed, for ever; many in one message."""
        while True:
            await self._told.wait()
            await asyncio.sleep(GATHER_SECONDS / 4)
            self._told.clear()
            while self._hints:
                batch = [self._hints.popitem()[0] for _ in range(min(HINTS_AT_ONCE, len(self._hints)))]
                self._app[BUS].publish(TOPIC, {"changed": batch})

    def _hear(self, payload: dict[str, Any]) -> None:
        for user_id, viewer in payload["changed"]:
            self._mark(UUID(user_id), UUID(viewer) if viewer else None)

    def _mark_all(self) -> None:
        """What other nodes said meanwhile was lost."""
        for user_id in self._watchers:
            self._mark(user_id, None)

    async def follow(self) -> None:
        """Look at whoever changed and tell their watchers, for ever."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._wake.clear()
            while batch := self._next():
                try:
                    await self._tell_watchers(batch)
                except DatabaseBusy as error:
                    log.warning("presence.delayed", reason=str(error))
                    self._changed |= dict.fromkeys(batch)
                    await asyncio.sleep(1)
                except Exception:
                    log.exception("presence.crashed")

    def _next(self) -> dict[UUID, list[Socket]]:
        """Some of those who changed, with the sockets that watch them."""
        batch: dict[UUID, list[Socket]] = {}
        for user_id in list(islice(self._changed, TARGETS_AT_ONCE)):
            viewers, watchers = self._changed.pop(user_id), self._watchers.get(user_id, {})
            if viewers is None:
                batch[user_id] = list(watchers)
            else:
                own = (socket for viewer in viewers for socket in self._app[HUB].sockets_of(viewer))
                batch[user_id] = [socket for socket in own if socket in watchers]
        return batch

    async def repeat(self) -> None:
        """Look again at those whom a phone had no room to hear of, for ever."""
        while True:
            await asyncio.sleep(RETRY_SECONDS)
            late, self._late = self._late, set()
            for user_id in late:
                self._mark(user_id, None)

    async def _tell_watchers(self, batch: dict[UUID, list[Socket]]) -> None:
        sent = 0
        for user_id, sights in (await self._look(batch)).items():
            frames: dict[Sight, bytes] = {}
            for socket, sight in sights.items():
                watchers = self._watchers.get(user_id, {})
                if socket not in watchers:
                    continue
                known = watchers[socket]
                if known is not None and (known.look > sight.look or known.shown == sight.shown):
                    continue
                if sight not in frames:
                    frames[sight] = Event("presence", view(user_id, sight), Kind.VOLATILE).frame()
                if socket.send_frame(frames[sight], volatile=True):
                    watchers[socket] = sight
                else:
                    self._late.add(user_id)
                sent += 1
                if sent % SENDS_AT_ONCE == 0:
                    await asyncio.sleep(0)

    async def _look(self, targets: dict[UUID, list[Socket]]) -> dict[UUID, dict[Socket, Sight]]:
        """What each of these sockets may see of its target now.

        The gate is asked last: nothing that was read before a block is shown after it.
        """
        pairs = {(socket.user_id, user_id) for user_id, sockets in targets.items() for socket in sockets}
        async with connection(self._app) as conn:
            look = next(self._looks)
            rows = await conn.all(sql.read_presences, user_ids=list(targets))
            allowed = await _sights(conn, pairs)
        nothing, shown = Sight(look), {row["id"]: _sight(look, row) for row in rows}
        return {
            user_id: {
                socket: shown.get(user_id, nothing) if (socket.user_id, user_id) in allowed else nothing
                for socket in sockets
            }
            for user_id, sockets in targets.items()
        }


async def _sights(conn: Connection, pairs: Iterable[tuple[UUID, UUID]]) -> set[tuple[UUID, UUID]]:
    """Those of the pairs (viewer, target) that pass the gate."""
    allowed: set[tuple[UUID, UUID]] = set()
    waiting = iter(pairs)
    while chunk := list(islice(waiting, PAIRS_AT_ONCE)):
        viewers, targets = zip(*chunk, strict=True)
        rows = await conn.all(sql.list_sights, viewers=list(viewers), targets=list(targets))
        allowed.update((row["viewer"], row["target"]) for row in rows)
    return allowed


def _sight(look: int, row: Row) -> Sight:
    return Sight(look, row["is_online"], row["last_seen_at"], row["super_lover_status"], row["is_busy"])


def view(user_id: UUID, sight: Sight) -> dict[str, Any]:
    return {
        "userId": user_id,
        "isOnline": sight.is_online,
        "lastSeenAt": sight.last_seen_at,
        "superLoverStatus": sight.status,
        "isBusy": sight.is_busy,
    }


WATCHING = web.AppKey("WATCHING", Watching)


async def watching(app: web.Application) -> AsyncIterator[None]:
    own = app[WATCHING]
    async with running(own.follow()), running(own.tell()), running(own.repeat()):
        yield


def add_watching(app: web.Application) -> None:
    """Needs the hub and the bus; whoever announces a change is heard."""
    app[WATCHING] = Watching(app)
    app[HUB].on_leave(app[WATCHING].leave)
    app[CHANGED].append(_note)
    app.cleanup_ctx.append(watching)


def _note(app: web.Application, user_id: UUID, viewer: UUID | None) -> None:
    app[WATCHING].note(user_id, viewer)


async def look_again(app: web.Application, one: UUID, other: UUID) -> None:
    """Two people were parted: neither sees the other any more."""
    for target, viewer in ((one, other), (other, one)):
        app[WATCHING].note(target, viewer)


async def hide(app: web.Application, user_id: UUID, _reason: str) -> None:
    """Somebody may no longer take part: nobody sees them any more."""
    app[WATCHING].note(user_id, None)
