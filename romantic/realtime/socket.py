"""One WebSocket: a reader, a bounded queue and a single writer."""

import asyncio
import hashlib
import itertools
import secrets
import time
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from statistics import median
from time import monotonic
from typing import Any
from uuid import UUID

import structlog
from aiohttp import WebSocketError, WSMessage, WSMsgType, web

from romantic.http import Principal
from romantic.http.envelope import encode
from romantic.realtime.bucket import Bucket
from romantic.realtime.events import CloseCode, Event, Kind

log = structlog.get_logger()

QUEUE_FRAMES = 256
QUEUE_BYTES = 1024 * 1024
STUCK_SECONDS = 10.0
BATCH = 32  # answers that may pile up while frames are read
CLOSE_SECONDS = 3.0  # from the decision to hang up to the cut
ROUND_TRIPS = 60  # remembered, the newest
EXPIRY_GRACE_SECONDS = 30.0  # an expired token may still be renewed

COUNTS = ("events_in", "events_out", "bytes_in", "bytes_out", "dropped", "max_queue")

_COUNTER = itertools.count(1)

#: By the id they answer: when, the answer, and what was asked.
Replies = dict[str | int, tuple[float, bytes, bytes]]
Receive = Callable[["Socket", bytes], Coroutine[Any, Any, None]]


class Socket:
    """A phone, as far as the server can see it."""

    def __init__(
        self,
        app: web.Application,
        ws: web.WebSocketResponse,
        *,
        device_id: str | None = None,
        client: str = "other",
        address: str = "unknown",
    ) -> None:
        self.app = app
        self.ws = ws
        self.device_id = device_id
        self.client = client
        self.address = address  # never to be stored or logged
        self.conn_id = f"ws_{next(_COUNTER):x}{secrets.token_hex(3)}"
        self.principal: Principal | None = None
        self.auth_id: str | int | None = None  # of the frame it signed in with
        self.session_secret = f"s_{secrets.token_urlsafe(16)}"
        self.order = 0  # among the sockets of its person, on all nodes; later is more
        self.release: Callable[[], None] | None = None  # its events wait for what the client says first
        self.opened_at = self.last_seen = monotonic()
        self.warned_of_expiry = False
        self.in_foreground = True
        self.frames = Bucket(30, 60)
        self.candidates = Bucket(50, 200)
        self.messages = Bucket(1, 10)
        self.subscriptions = Bucket(2, 20)
        self.controls = Bucket(30, 60)
        self.patience = Bucket(10, 300)  # refusals we put up with before it is a flood
        self.bad_frames: deque[float] = deque(maxlen=3)
        self.replies: Replies = {}
        self.former_replies: Replies = {}
        self.counts = dict.fromkeys(COUNTS, 0)
        self.resumed = False  # with everything it had missed
        self._pinged: tuple[bytes, float] | None = None  # what only our last ping carried, and when it went
        self._round_trips: deque[float] = deque(maxlen=ROUND_TRIPS)
        self.closed_by: CloseCode | None = None
        self.close_reason = ""
        self.writing_since: float | None = None
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._wake = asyncio.Event()
        self._has_room = asyncio.Event()
        self._transport = ws._req.transport if ws._req is not None else None

    @property
    def secret_hash(self) -> str:
        """What others may know of the secret."""
        return hash_of(self.session_secret)

    @property
    def user_id(self) -> UUID:
        assert self.principal is not None, "the socket has not signed in"
        return self.principal.id

    @property
    def session_id(self) -> UUID:
        assert self.principal is not None, "the socket has not signed in"
        return self.principal.session_id

    @property
    def is_expired(self) -> bool:
        """The token has run out, and so has the time to renew it."""
        assert self.principal is not None, "the socket has not signed in"
        return self.principal.token_expires_at + EXPIRY_GRACE_SECONDS < time.time()

    @property
    def round_trip(self) -> float | None:
        """Seconds, the median of the last pings' answers; None before the first."""
        return median(self._round_trips) if self._round_trips else None

    @property
    def waiting_frames(self) -> int:
        """Queued, and not yet written."""
        return len(self._queue)

    def send(self, event: Event) -> None:
        """Queue the event without a number; never blocks, never raises."""
        self.send_frame(event.frame(), volatile=event.kind is Kind.VOLATILE)

    def send_frame(self, frame: bytes, *, volatile: bool = False) -> bool:
        """Queue bytes; whether they were taken. Volatile frames are dropped from half full; an overflow ends
        the socket."""
        if self.closed_by is not None:
            return False
        waiting, size = len(self._queue), self._queued_bytes + len(frame)
        if volatile and (waiting > QUEUE_FRAMES // 2 or size > QUEUE_BYTES // 2):
            self.counts["dropped"] += 1
            return False
        if waiting >= QUEUE_FRAMES or size > QUEUE_BYTES:
            self.close(CloseCode.SLOW_CONSUMER, "slow consumer")
            return False
        self._queue.append(frame)
        self._queued_bytes = size
        self.counts["max_queue"] = max(self.counts["max_queue"], waiting + 1)
        self._wake.set()
        return True

    def send_first(self, frame: bytes) -> None:
        """Put bytes before all that waits; only while nothing is being written yet."""
        self._queue.appendleft(frame)
        self._queued_bytes += len(frame)
        self._wake.set()

    async def until_room(self) -> None:
        """Return when little waits to be written, or the socket is to be closed."""
        while self.closed_by is None and (
            len(self._queue) >= QUEUE_FRAMES // 4 or self._queued_bytes >= QUEUE_BYTES // 4
        ):
            self._has_room.clear()
            await self._has_room.wait()

    def reply(self, name: str, message_id: str | int | None, data: dict[str, Any]) -> bytes:
        """Answer a frame of the client: `ack` or `error`."""
        frame = answer_frame(name, message_id, data)
        self.send_frame(frame)
        return frame

    def close(self, code: CloseCode, reason: str = "") -> None:
        """Send what is queued, then hang up with this code; the first call decides.

        No frame of the client is served from here on. Whoever does not read in time is cut off.
        """
        if self.closed_by is not None:
            return
        self.closed_by, self.close_reason = code, reason
        asyncio.get_running_loop().call_later(CLOSE_SECONDS, self.cut)
        if self.writing_since is not None:
            self._queue.clear()
        self._wake.set()
        self._has_room.set()

    def is_stuck(self, now: float) -> bool:
        """One write has been waiting for the client for too long."""
        return self.writing_since is not None and now - self.writing_since > STUCK_SECONDS

    def ping(self) -> None:
        """Ask for a sign of life now; the answer moves `last_seen`."""
        if not self.ws.closed:
            token = secrets.token_bytes(8)
            self._pinged = token, monotonic()
            task = asyncio.ensure_future(self.ws.ping(token))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def serve(self, receive: Receive) -> None:
        """Run until the client leaves, breaks the protocol or is closed."""
        writer = asyncio.create_task(self._write())
        try:
            await self._read(receive)
            if self.closed_by is not None:
                await asyncio.wait({writer}, timeout=CLOSE_SECONDS)
        finally:
            writer.cancel()
            with suppress(asyncio.CancelledError):
                await writer

    async def _read(self, receive: Receive) -> None:
        while True:
            message = await self.ws.receive()
            if self.closed_by is not None:
                return
            if message.type is WSMsgType.TEXT:
                self.last_seen = monotonic()
                self.counts["events_in"] += 1
                self.counts["bytes_in"] += len(message.data)
                await receive(self, message.data)
                if len(self._queue) > BATCH:
                    await asyncio.sleep(0)  # what is buffered is read without a pause: let the answers out
            elif message.type in (WSMsgType.PING, WSMsgType.PONG):
                await self.take_control(message)
            elif message.type is WSMsgType.BINARY:
                self.close(CloseCode.NOT_TEXT, "text frames only")
                return
            else:
                await self._part(message)
                return

    async def take_control(self, message: WSMessage) -> None:
        """A ping or a pong: a sign of life, unless there are too many of them."""
        self.last_seen = monotonic()
        if self.controls.take():
            self.close(CloseCode.FLOOD, "control frames")
        elif message.type is WSMsgType.PING:
            with suppress(ConnectionError):
                await self.ws.pong(message.data)
        elif self._pinged is not None and message.data == self._pinged[0]:
            self._round_trips.append(monotonic() - self._pinged[1])
            self._pinged = None

    async def _part(self, message: WSMessage) -> None:
        """Answer the client's close frame; codes nobody may send (RFC 6455, 7.4.1) are a protocol error.

        Any other message here is the connection's own end, and no sign of life.
        """
        if message.type is WSMsgType.CLOSE:
            self.last_seen = monotonic()
            code = 1002 if message.data in (1004, 1005, 1006, 1015) else message.data or 1000
            await self.ws.close(code=code)
        elif isinstance(message.data, WebSocketError):
            self.closed_by, self.close_reason = CloseCode(message.data.code), "not the WebSocket protocol"

    async def _write(self) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                await self._drain()
                if self.closed_by is not None:
                    await self._hang_up(self.closed_by, self.close_reason)
                    return
        except (ConnectionError, RuntimeError):
            return  # the reader learns of it as well and ends the socket

    async def _drain(self) -> None:
        while self._queue:
            frame = self._queue.popleft()
            self._queued_bytes -= len(frame)
            self.writing_since = monotonic()
            await self.ws.send_frame(frame, WSMsgType.TEXT)
            self.writing_since = None
            self.counts["events_out"] += 1
            self.counts["bytes_out"] += len(frame)
            self._has_room.set()

    async def _hang_up(self, code: CloseCode, reason: str) -> None:
        with suppress(ConnectionError, RuntimeError):
            await self.ws.close(code=code, message=reason.encode()[:120])

    def cut(self) -> None:
        """End the connection without a word."""
        if self._transport is not None:
            self._transport.abort()


def hash_of(secret: str) -> str:
    """Of a `sessionId`: it is long and random, and never stored as it is."""
    return hashlib.sha256(secret.encode()).hexdigest()[:32]


def answer_frame(name: str, message_id: str | int | None, data: dict[str, Any]) -> bytes:
    """The bytes of an answer; with the id of what it answers, where that had one."""
    if message_id is None:
        return encode({"event": name, "data": data})
    return encode({"event": name, "id": message_id, "data": data})
