"""Who is connected to this process, and how an event reaches all of a person's phones."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from time import monotonic
from uuid import UUID

import structlog
from aiohttp import web

from romantic.background import running
from romantic.realtime.bus import BUS, NODE
from romantic.realtime.delivery import Delivery
from romantic.realtime.events import CloseCode, Event, Kind, timestamp
from romantic.realtime.healing import Healing
from romantic.realtime.socket import Socket
from romantic.realtime.store import Store
from romantic.realtime.streams import Streams
from romantic.redis import REDIS
from romantic.settings import SETTINGS, Settings

log = structlog.get_logger()

EXPIRY_WARNING_SECONDS = 60.0
GREETED_AT_ONCE = 6  # fewer than the database has connections: requests need some as well


class Hub:
    """The sockets of this process by user and by session.

    `send` is the one way to reach a person, on whatever node their sockets are.
    """

    def __init__(self, settings: Settings, delivery: Delivery) -> None:
        self.delivery = delivery
        self.in_call: set[UUID] = set()
        self.turnstile = asyncio.Semaphore(GREETED_AT_ONCE)
        self._settings = settings
        self._by_user: dict[UUID, set[Socket]] = {}
        self._on_enter: list[Callable[[Socket], None]] = []
        self._on_leave: list[Callable[[Socket], None]] = []
        self._next_ping: dict[Socket, float] = {}

    @property
    def count(self) -> int:
        """How many sockets are open."""
        return sum(map(len, self._by_user.values()))

    def on_enter(self, greet: Callable[[Socket], None]) -> None:
        """Register what else must know of a socket when it has signed in."""
        self._on_enter.append(greet)

    def on_leave(self, forget: Callable[[Socket], None]) -> None:
        """Register what else must let go of a socket when it closes."""
        self._on_leave.append(forget)

    def enter(self, socket: Socket) -> bool:
        """Let a signed-in socket in; an older one of the same device gives way, a sixth is refused."""
        for other in self.sockets_of(socket.user_id):
            if socket.device_id is not None and other.device_id == socket.device_id:
                other.close(CloseCode.REPLACED, "session replaced")
                self.leave(other)
        own = self._by_user.setdefault(socket.user_id, set())
        if sum(other.closed_by is None for other in own) >= self._settings.ws_max_sockets:
            socket.close(CloseCode.TOO_MANY, "too many sockets")
            return False
        own.add(socket)
        for greet in self._on_enter:
            greet(socket)
        return True

    def leave(self, socket: Socket) -> None:
        own = self._by_user.get(socket.user_id, set())
        if socket not in own:
            return
        own.discard(socket)
        if not own:
            del self._by_user[socket.user_id]
        self._next_ping.pop(socket, None)
        self.delivery.leave(socket)
        for forget in self._on_leave:
            forget(socket)

    def online(self) -> list[UUID]:
        """Everybody with a socket in this process."""
        return list(self._by_user)

    def sessions(self) -> list[UUID]:
        """Every session with a socket in this process."""
        return list({socket.session_id for own in self._by_user.values() for socket in own})

    def is_online(self, user_id: UUID) -> bool:
        return user_id in self._by_user

    def sockets_of(self, user_id: UUID) -> tuple[Socket, ...]:
        return tuple(self._by_user.get(user_id, ()))

    def last_seen(self, user_id: UUID, *, session_id: UUID | None = None) -> float | None:
        """The monotonic instant of the newest byte from any socket of the user, None without one.

        With a session, only its sockets count: a tablet at home does not prove the phone in the call.
        """
        own = self._by_user.get(user_id, ())
        seen = (s.last_seen for s in own if session_id is None or s.session_id == session_id)
        return max(seen, default=None)

    def send(self, user_id: UUID, event: Event, *, but_session: UUID | None = None) -> None:
        """Send to every phone of the user except those of one session; no phone, no error."""
        if event.kind is not Kind.VOLATILE:
            self.delivery.send(user_id, event, but=but_session)
            return
        frame = event.frame()
        for socket in tuple(self._by_user.get(user_id, ())):
            if but_session is None or socket.session_id != but_session:
                socket.send_frame(frame, volatile=True)
        self.delivery.whisper(user_id, frame, but=but_session)

    def send_to(self, socket: Socket, event: Event) -> None:
        """Send to one phone; what it misses waits for the next socket of its session."""
        if event.kind is Kind.VOLATILE:
            socket.send(event)
        else:
            self.delivery.send(socket.user_id, event, only=socket.session_id, conn=socket.conn_id)

    def send_to_session(self, user_id: UUID, session_id: UUID, event: Event) -> None:
        """Send a numbered event to the phones of one session, on whatever node they are."""
        self.delivery.send(user_id, event, only=session_id)

    def end_session(self, session_id: UUID, reason: str) -> None:
        """Close the sockets of a session that was ended, on this or another node."""
        if reason == "registered":
            return
        code = CloseCode.BLOCKED if reason == "banned" else CloseCode.REVOKED
        for own in list(self._by_user.values()):
            for socket in [socket for socket in own if socket.session_id == session_id]:
                socket.send(Event("session-revoked", {"reason": reason}, Kind.VOLATILE))
                socket.close(code, reason)

    async def watch(self) -> None:
        """Look after every socket: pings in calls, expiring tokens, writes that hang. Runs for ever."""
        while True:
            await asyncio.sleep(min(1.0, self._settings.ws_call_ping_seconds / 2))
            now = monotonic()
            for own in list(self._by_user.values()):
                for socket in list(own):
                    try:
                        self._look_after(socket, now)
                    except Exception:
                        log.exception("ws.watch_crashed", conn_id=socket.conn_id)

    def _look_after(self, socket: Socket, now: float) -> None:
        if socket.is_stuck(now):
            socket.close(CloseCode.SLOW_CONSUMER, "slow consumer")
        elif socket.user_id in self.in_call and now >= self._next_ping.get(socket, 0.0):
            self._next_ping[socket] = now + self._settings.ws_call_ping_seconds
            socket.ping()
        self._mind_expiry(socket)

    def _mind_expiry(self, socket: Socket) -> None:
        """Warn a minute before the token ends; hang up half a minute after, but not out of a call."""
        assert socket.principal is not None
        left = socket.principal.token_expires_at - time.time()
        if left < EXPIRY_WARNING_SECONDS and not socket.warned_of_expiry:
            socket.warned_of_expiry = True
            expires_at = timestamp(socket.principal.token_expires_at)
            socket.send(Event("token-expiring", {"expiresAt": expires_at}, Kind.VOLATILE))
        if socket.is_expired and socket.user_id not in self.in_call:
            socket.close(CloseCode.UNAUTHORIZED, "token expired")

    async def drain(self, seconds: float) -> None:
        """Send every phone elsewhere, spread over `seconds`."""
        sockets = [socket for own in self._by_user.values() for socket in own]
        for socket in sockets:
            socket.close(CloseCode.DRAINING, "draining")
            await asyncio.sleep(seconds / max(len(sockets), 1))
        deadline = monotonic() + 2
        while self._by_user and monotonic() < deadline:  # noqa: ASYNC110 - sockets end one by one
            await asyncio.sleep(0.02)


HUB = web.AppKey("HUB", Hub)


async def hub(app: web.Application) -> AsyncIterator[None]:
    """Watch over the sockets while the application runs."""
    async with running(app[HUB].watch()), running(Healing(app[HUB].delivery).run()):
        yield


def add_hub(app: web.Application) -> Hub:
    """Needs the bus and the Redis client."""
    settings = app[SETTINGS]
    streams = Streams(events=settings.stream_events, seconds=settings.stream_seconds)
    store = Store(app[BUS], app[REDIS], streams)
    delivery = Delivery(store, node=app[NODE], max_sockets=settings.ws_max_sockets)
    app[BUS].on_back(delivery.listen_again)
    app[HUB] = Hub(settings, delivery)
    app.cleanup_ctx.append(hub)
    return app[HUB]
