"""Event tables: the name, handler and schema of a client event on one line, and what serves them."""

import time
from collections.abc import Awaitable, Callable, Iterable
from time import monotonic
from typing import Any

import orjson
import structlog
from aiohttp import web

from romantic.db import DatabaseBusy
from romantic.errors import (
    BadFrame,
    InternalError,
    RateLimited,
    RomanticError,
    Unauthorized,
    Unavailable,
    UnknownEvent,
)
from romantic.http import Schema
from romantic.http.envelope import describe
from romantic.realtime.bucket import Bucket
from romantic.realtime.events import CloseCode
from romantic.realtime.hub import EXPIRY_GRACE_SECONDS
from romantic.realtime.socket import REMEMBERED_REPLIES, Socket
from romantic.settings import SETTINGS

log = structlog.get_logger()

#: Awaited when it returns an awaitable: relays do their work at once and return their ack.
Handler = Callable[..., Awaitable[dict[str, Any] | None] | dict[str, Any] | None]

REPLAY_SECONDS = 120.0
BAD_FRAME_SECONDS = 60.0
FLOOD_FRAMES = 300


class EventRoute:
    """One row of a feature's event table. `in_call` events are served even when the token has run out
    during a call; `bucket` names the socket's rate that counts it."""

    def __init__(
        self,
        name: str,
        handler: Handler,
        schema: type[Schema],
        *,
        in_call: bool = False,
        bucket: str = "frames",
        silent: bool = False,
    ) -> None:
        self.name = name
        self.handler = handler
        self.schema = schema()
        self.in_call = in_call
        self.bucket = bucket
        self.silent = silent


on = EventRoute


class Dispatcher:
    """Hands each frame to the handler its name asks for.

    Frames of one socket are served one after another, so a candidate never overtakes its offer.
    """

    def __init__(self, routes: Iterable[EventRoute]) -> None:
        self.routes = {route.name: route for route in routes}

    async def receive(self, socket: Socket, raw: bytes) -> None:
        """Serve one frame. A refusal answers that frame; the socket stays open."""
        try:
            frame = parse_frame(raw)
        except BadFrame as refusal:
            self._complain(socket, refusal, {})
            self._count_bad(socket)
            return
        try:
            await self._serve(socket, frame)
        except RomanticError as refusal:
            self._complain(socket, refusal, frame)
        except DatabaseBusy as error:
            log.warning("database.busy", reason=str(error))
            self._complain(socket, Unavailable(retry_after=1), frame)
        except Exception:
            log.exception("ws.crashed", ws_event=frame["event"])
            self._complain(socket, InternalError(), frame)

    async def _serve(self, socket: Socket, frame: dict[str, Any]) -> None:
        message_id = frame.get("id")
        if message_id is not None and self._replayed(socket, message_id):
            return
        route = self.routes.get(frame["event"])
        self._admit(socket, route)
        if route is None:
            raise UnknownEvent(event=frame["event"][:64])
        outcome = route.handler(socket, **route.schema.load(frame.get("data") or {}))
        data = await outcome if isinstance(outcome, Awaitable) else outcome
        if message_id is not None and not route.silent:
            self._remember(socket, message_id, socket.reply("ack", message_id, data or {}))

    def _admit(self, socket: Socket, route: EventRoute | None) -> None:
        """Rates, and what an expired token may still do; raises RateLimited or Unauthorized."""
        bucket: Bucket = getattr(socket, route.bucket if route else "frames")
        wait = bucket.take() if socket.app[SETTINGS].rate_limits else 0.0
        if wait:
            socket.refused_frames += 1
            if socket.refused_frames > FLOOD_FRAMES:
                socket.close(CloseCode.FLOOD, f"retryAfterMs={round(wait * 1000) + 1000}")
            raise RateLimited(retry_after=wait)
        socket.refused_frames = 0
        principal = socket.principal
        if principal is not None and principal.token_expires_at + EXPIRY_GRACE_SECONDS < time.time():
            if route is not None and not route.in_call and route.name != "auth":
                raise Unauthorized("The token has run out: only the call goes on.")

    def _complain(self, socket: Socket, refusal: RomanticError, frame: dict[str, Any]) -> None:
        data = {"code": refusal.code, "message": str(refusal), **describe(refusal)}
        message_id = frame.get("id")
        if message_id is None:
            data["ref"] = frame.get("event")
        answer = socket.reply("error", message_id, data)
        if message_id is not None and not refusal.retryable:
            self._remember(socket, message_id, answer)

    @staticmethod
    def _count_bad(socket: Socket) -> None:
        """The third malformed frame within a minute ends the socket."""
        now = monotonic()
        socket.bad_frames.append(now)
        if len(socket.bad_frames) == 3 and now - socket.bad_frames[0] < BAD_FRAME_SECONDS:
            socket.close(CloseCode.PROTOCOL, "malformed frames")

    @staticmethod
    def _replayed(socket: Socket, message_id: str | int) -> bool:
        """Answer a frame that was sent again with what it was answered the first time."""
        at, frame = socket.replies.get(message_id, (0.0, b""))
        if not frame or monotonic() - at > REPLAY_SECONDS:
            return False
        socket.send_frame(frame)
        return True

    @staticmethod
    def _remember(socket: Socket, message_id: str | int, frame: bytes) -> None:
        socket.replies[message_id] = (monotonic(), frame)
        if len(socket.replies) > REMEMBERED_REPLIES:
            del socket.replies[next(iter(socket.replies))]


def parse_frame(raw: bytes) -> dict[str, Any]:
    """{"event": name, "data": {…}, "id": …} with nothing else required; raises BadFrame."""
    try:
        frame = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise BadFrame from None
    if not isinstance(frame, dict) or not isinstance(frame.get("event"), str):
        raise BadFrame
    if not isinstance(frame.get("data", {}), dict | None) or b"\\u0000" in raw:
        raise BadFrame("data is a JSON object without NUL characters.")
    message_id = frame.get("id")
    is_short = isinstance(message_id, str) and len(message_id) <= 64
    if message_id is not None and not is_short and (isinstance(message_id, bool) or not isinstance(message_id, int)):
        raise BadFrame("id is an integer or a text of at most 64 characters.")
    return frame


DISPATCHER = web.AppKey("DISPATCHER", Dispatcher)
