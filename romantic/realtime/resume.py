"""A phone that lost its socket comes back: what it missed, in order and once, or the state as it is now."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any
from uuid import UUID

import structlog
from aiohttp import web

from romantic import metrics
from romantic.background import running
from romantic.db import DatabaseBusy
from romantic.errors import InvalidInput, RomanticError
from romantic.realtime.events import CloseCode, Event, Kind, timestamp
from romantic.realtime.hub import HUB
from romantic.realtime.line import Line, Reader
from romantic.realtime.reading import Judge, Lost, Missed, Replay
from romantic.realtime.socket import Replies, Socket, hash_of
from romantic.realtime.turnstile import turn
from romantic.settings import SETTINGS

log = structlog.get_logger()

MAX_FORMER = 10_000
FORMER_BYTES = 32 * 1024 * 1024
REPLY_SECONDS = 120.0
RENEW_AT_ONCE = 200
SYNC_SECONDS = 30.0

#: What a feature adds to `sync`: called with the socket, returns keys of its data.
Snapshot = Callable[[Socket], Awaitable[dict[str, Any]]]
#: Told the socket that takes the place of another of its session.
OnResume = Callable[[Socket], None]


@dataclass(frozen=True, slots=True)
class Former:
    """What is kept of a socket that closed."""

    session_id: UUID
    replies: Replies
    in_foreground: bool
    left_at: float
    size: int


class Resumption:
    """Who may resume, and from where. A socket's secret proves that its session had it: here by memory, on
    other nodes by Redis. What is replayed is judged again by features: blocks, bans, the state of calls."""

    def __init__(self, app: web.Application) -> None:
        self._app = app
        self._seconds = 2 * app[SETTINGS].stream_seconds
        self._formers: OrderedDict[str, Former] = OrderedDict()
        self._held = 0
        self._tasks: set[asyncio.Future[None]] = set()
        self.judges: list[Judge] = []
        self.snapshots: list[Snapshot] = []
        self.on_resume: list[OnResume] = []

    # Those who left

    def remember(self, socket: Socket) -> None:
        """A socket closed; its client may come back."""
        replies = _replies_of(socket)
        size = sum(len(answer) for _, answer, _ in replies.values())
        former = Former(socket.session_id, replies, socket.in_foreground, monotonic(), size)
        self._formers[socket.secret_hash] = former
        self._held += size
        oldest = monotonic() - self._seconds
        while self._formers:
            name, first = next(iter(self._formers.items()))
            if len(self._formers) <= MAX_FORMER and self._held <= FORMER_BYTES and first.left_at > oldest:
                return
            del self._formers[name]
            self._held -= first.size

    async def renew(self) -> None:
        """Every socket that is here may still be resumed elsewhere, for ever."""
        hub = self._app[HUB]
        while True:
            await asyncio.sleep(self._seconds / 4)
            for n, socket in enumerate([one for user in hub.online() for one in hub.sockets_of(user)]):
                hub.delivery.store.renew(
                    socket.user_id, secret=socket.secret_hash, session_id=socket.session_id
                )
                if n % RENEW_AT_ONCE == 0:
                    await asyncio.sleep(0.05)

    async def _find(self, socket: Socket, secret: str) -> bool:
        """Whether this session had a socket of that secret; takes over what this node knows of it."""
        name = hash_of(secret)
        for other in self._app[HUB].sockets_of(socket.user_id):
            if other is not socket and other.secret_hash == name and other.session_id == socket.session_id:
                other.close(CloseCode.REPLACED, "session replaced")
                self._app[HUB].leave(other)
        former = self._formers.get(name)
        if former is not None and former.session_id == socket.session_id:
            socket.former_replies = former.replies
            socket.in_foreground = former.in_foreground
            return True
        delivery = self._app[HUB].delivery
        is_own = await delivery.store.session_of(socket.user_id, secret=name) == str(socket.session_id)
        if is_own:
            delivery.replace(socket.user_id, name)
        return is_own

    # Those who come back

    async def resume(self, socket: Socket, *, secret: str, epoch: str, seq: int) -> None:
        place = self._app[HUB].delivery.place_of(socket)
        if place is None:
            return  # it is being closed
        line, reader = place
        if reader.following is not None:
            reader.following.cancel()
        reader.is_live, reader.is_resuming, socket.release = False, True, None
        try:
            replay = await self._missed(line, reader, secret=secret, epoch=epoch, seq=seq)
        except Lost as reason:
            metrics.WS_RESUMED.labels(str(reason)).inc()
            self._start_over(line, reader, str(reason))
        except BaseException:
            socket.close(CloseCode.INTERNAL, "UNAVAILABLE")
            raise
        else:
            metrics.WS_RESUMED.labels("recovered").inc()
            self._go_on(line, reader, replay, seq=seq)

    async def _missed(self, line: Line, reader: Reader, *, secret: str, epoch: str, seq: int) -> Replay:
        """Raises Lost."""
        if not await self._find(reader.socket, secret):
            raise Lost("unknown_session")
        replay = await self._app[HUB].delivery.reading.missed(
            line, reader, epoch=epoch, seq=seq, judge=self._judge
        )
        if reader.is_live or reader.epoch != line.epoch:
            raise Lost("epoch_changed")  # while it was asked
        return replay

    async def _judge(self, user_id: UUID, missed: list[Missed]) -> set[int]:
        wrong: set[int] = set()
        for judge in self.judges:
            wrong |= await judge(user_id, missed)
        return wrong

    def _go_on(self, line: Line, reader: Reader, replay: Replay, *, seq: int) -> None:
        """Tell what was missed; the phone has its seat in a room again before anything new comes."""
        for hook in self.on_resume:
            hook(reader.socket)
        reader.seq = replay.end
        reader.socket.resumed = True
        tell_resumed(reader, recovered=True, replayed=replay.count)
        reader.seq, reader.is_resuming = seq, False
        self._app[HUB].delivery.reading.follow(line, reader, replay.skip)

    def _start_over(self, line: Line, reader: Reader, reason: str) -> None:
        if reader.epoch != line.epoch:
            reader.epoch, reader.seq = line.epoch, line.seq
        tell_resumed(reader, recovered=False, reason=reason)
        self._later(self._sync(line, reader))

    def lapse(self, reader: Reader, reason: str) -> None:
        """Events may have passed a socket by: it is told, and what the database says."""
        place = self._app[HUB].delivery.place_of(reader.socket)
        if place is not None and not reader.is_resuming:  # else it hears so in answer
            tell_resumed(reader, recovered=False, reason=reason)
            self._later(self._sync(place[0], reader))

    def _later(self, job: Awaitable[None]) -> None:
        task = asyncio.ensure_future(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _sync(self, line: Line, reader: Reader) -> None:
        """The state as it is now, and then whatever comes."""
        socket = reader.socket
        data: dict[str, Any] = {"activeCall": None}
        try:
            async with turn(self._app, within=SYNC_SECONDS):
                for snapshot in self.snapshots:
                    data |= await snapshot(socket)
        except (RomanticError, DatabaseBusy):
            socket.close(CloseCode.INTERNAL, "UNAVAILABLE")
        except Exception:
            log.exception("ws.sync_crashed")
            socket.close(CloseCode.INTERNAL, "INTERNAL")
        else:
            socket.send_frame(Event("sync", {**data, "serverTime": timestamp()}, Kind.VOLATILE).frame())
            reader.is_resuming = False
            if not reader.is_live:
                self._app[HUB].delivery.reading.follow(line, reader)


def _replies_of(socket: Socket) -> Replies:
    """The answers that may still be asked for, those of sockets before it included."""
    oldest = monotonic() - REPLY_SECONDS
    for message_id, reply in socket.former_replies.items():
        if reply[0] > oldest:
            socket.replies.setdefault(message_id, reply)
    return socket.replies


def tell_resumed(reader: Reader, *, recovered: bool, **facts: Any) -> None:
    data = {"recovered": recovered, **facts, "epoch": reader.epoch, "seq": reader.seq}
    reader.socket.send_frame(Event("resumed", data, Kind.VOLATILE).frame())


async def resume(socket: Socket, *, session_id: str, epoch: str, seq: int) -> None:
    """Must be the first thing a client says."""
    if socket.counts["events_in"] > 1:
        raise InvalidInput("resume comes before everything else.")
    await socket.app[RESUMPTION].resume(socket, secret=session_id, epoch=epoch, seq=seq)


RESUMPTION = web.AppKey("RESUMPTION", Resumption)


async def resumption(app: web.Application) -> AsyncIterator[None]:
    async with running(app[RESUMPTION].renew()):
        yield


def add_resumption(app: web.Application) -> Resumption:
    """Needs the hub."""
    own = app[RESUMPTION] = Resumption(app)
    app[HUB].on_leave(own.remember)
    app[HUB].delivery.on_lapse(own.lapse)
    app.cleanup_ctx.append(resumption)
    return own
