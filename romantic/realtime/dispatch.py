"""Event tables: the name, handler and schema of a client event on one line, and what serves them."""

import hashlib
from collections.abc import Awaitable, Callable, Iterable
from time import monotonic, perf_counter
from typing import Any

import orjson
import structlog
from aiohttp import web

from romantic import metrics
from romantic.db import DatabaseBusy
from romantic.errors import (
    BadFrame,
    Forbidden,
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
from romantic.realtime.socket import Socket
from romantic.settings import SETTINGS

log = structlog.get_logger()

#: Awaited when it returns an awaitable: relays do their work at once and return their ack.
Handler = Callable[..., Awaitable[dict[str, Any] | None] | dict[str, Any] | None]

REPLAY_SECONDS = 120.0
REMEMBERED_REPLIES = 512
BAD_FRAME_SECONDS = 60.0
MAX_ID = 64
MAX_SHOWN_NAME = 64


class EventRoute:
    """One row of a feature's event table. `in_call` events are served even when the token has run out
    during a call; `bucket` names the socket's rate that counts it; `people` events are not for robots. What
    an event `of_socket` does ends with the socket: a client that came back and asks for it again is not
    answered with the old answer."""

    def __init__(
        self,
        name: str,
        handler: Handler,
        schema: type[Schema],
        *,
        in_call: bool = False,
        bucket: str = "frames",
        of_socket: bool = False,
        people: bool = False,
    ) -> None:
        self.name = name
        self.handler = handler
        self.schema = schema()
        self.in_call = in_call
        self.bucket = bucket
        self.of_socket = of_socket
        self.people = people


on = EventRoute


class Dispatcher:
    """Hands each frame to the handler its name asks for.

    Frames of one socket are served one after another, so a candidate never overtakes its offer.
    """

    def __init__(self, routes: Iterable[EventRoute]) -> None:
        self.routes = {route.name: route for route in routes}

    async def receive(self, socket: Socket, raw: bytes) -> None:
        """Serve one frame. A refusal answers that frame; the socket stays open."""
        frame: dict[str, Any] = {}
        began = perf_counter()
        try:
            frame = decode(raw)
            check(frame, raw)
            await self._serve(socket, frame)
            self._count(frame, "served", perf_counter() - began)
        except BadFrame as refusal:
            self._complain(socket, refusal, frame)
            self._count_bad(socket, raw)
        except RomanticError as refusal:
            self._complain(socket, refusal, frame)
        except DatabaseBusy as error:
            log.warning("database.busy", reason=str(error))
            self._complain(socket, Unavailable(retry_after=1), frame)
        except Exception:
            log.exception("ws.crashed", ws_event=_name_of(frame))
            self._complain(socket, InternalError(), frame)

    async def _serve(self, socket: Socket, frame: dict[str, Any]) -> None:
        message_id = frame.get("id")
        route = self.routes.get(frame["event"])
        if socket.release is not None and frame["event"] != "resume":
            socket.release()
        self._admit(socket, route)
        if message_id is not None and self._replayed(socket, message_id, route, frame):
            return
        if route is None:
            raise UnknownEvent(event=_name_of(frame))
        outcome = route.handler(socket, **route.schema.load(frame.get("data") or {}))
        data = await outcome if isinstance(outcome, Awaitable) else outcome
        if message_id is not None:
            self._remember(socket, frame, socket.reply("ack", message_id, data or {}))

    def _admit(self, socket: Socket, route: EventRoute | None) -> None:
        """Rates, and what robots and expired tokens may do; raises RateLimited, Unauthorized, Forbidden."""
        bucket: Bucket = getattr(socket, route.bucket if route else "frames")
        wait = bucket.take() if socket.app[SETTINGS].rate_limits else 0.0
        if wait:
            if socket.patience.take():
                socket.close(CloseCode.FLOOD, f"retryAfterMs={round(wait * 1000) + 1000}")
            metrics.RATE_LIMITED.labels(route.bucket if route else "frames", "ws").inc()
            raise RateLimited(retry_after=wait)
        may_be_late = route is not None and (route.in_call or route.name == "auth")
        if not may_be_late and socket.is_expired:
            raise Unauthorized("The token has run out: only the call goes on.")
        if route is not None and route.people and socket.principal is not None and socket.principal.is_robot:
            raise Forbidden("This account may only test calls.")

    def _complain(self, socket: Socket, refusal: RomanticError, frame: dict[str, Any]) -> None:
        data = {"code": refusal.code, "message": str(refusal), **describe(refusal)}
        message_id = id_of(frame)
        if message_id is None and "event" in frame:
            data["ref"] = _name_of(frame)
        answer = socket.reply("error", message_id, data)
        self._count(frame, "refused")
        metrics.ERRORS.labels(refusal.code).inc()
        if message_id is not None and not refusal.retryable:
            self._remember(socket, frame, answer)

    def _count(self, frame: dict[str, Any], outcome: str, seconds: float | None = None) -> None:
        name = frame.get("event")
        name = name if isinstance(name, str) and name in self.routes else "unknown"
        metrics.WS_EVENTS.labels("in", name, outcome).inc()
        if seconds is not None:
            metrics.WS_HANDLE_SECONDS.labels(name).observe(seconds)

    @staticmethod
    def _count_bad(socket: Socket, raw: bytes) -> None:
        """The third malformed frame within a minute ends the socket; text that is none does so at once."""
        if not _is_utf8(raw):
            socket.close(CloseCode.NOT_UTF8, "not UTF-8")
        now = monotonic()
        socket.bad_frames.append(now)
        if len(socket.bad_frames) == 3 and now - socket.bad_frames[0] < BAD_FRAME_SECONDS:
            socket.close(CloseCode.PROTOCOL, "malformed frames")

    @staticmethod
    def _replayed(
        socket: Socket, message_id: str | int, route: EventRoute | None, frame: dict[str, Any]
    ) -> bool:
        """Answer a frame that was sent again with what it was answered the first time.

        On the socket the client had before, only the very same frame counts: many count their ids from one.
        """
        at, answer, _ = socket.replies.get(message_id, (0.0, b"", b""))
        if not answer and route is not None and not route.of_socket:
            at, answer, asked = socket.former_replies.get(message_id, (0.0, b"", b""))
            if asked != _digest(frame):
                return False
            socket.replies[message_id] = at, answer, asked
        if not answer or monotonic() - at > REPLAY_SECONDS:
            return False
        socket.send_frame(answer)
        return True

    @staticmethod
    def _remember(socket: Socket, frame: dict[str, Any], answer: bytes) -> None:
        socket.replies[frame["id"]] = (monotonic(), answer, _digest(frame))
        if len(socket.replies) > REMEMBERED_REPLIES:
            del socket.replies[next(iter(socket.replies))]


def _digest(frame: dict[str, Any]) -> bytes:
    """Of what is asked, whatever the order of its keys."""
    asked = orjson.dumps((frame.get("event"), frame.get("data")), option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(asked, digest_size=8).digest()


def decode(raw: bytes) -> dict[str, Any]:
    """Raises BadFrame for anything but a JSON object."""
    try:
        frame = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise BadFrame from None
    if not isinstance(frame, dict):
        raise BadFrame
    return frame


def check(frame: dict[str, Any], raw: bytes) -> None:
    """{"event": name, "data": {…}, "id": …} with nothing else required; raises BadFrame."""
    if not isinstance(frame.get("event"), str):
        raise BadFrame
    if frame.get("id") is not None and id_of(frame) is None:
        raise BadFrame("id is an integer or a text of at most 64 characters.")
    if not isinstance(frame.get("data", {}), dict | None):
        raise BadFrame("data is a JSON object.")
    # PostgreSQL takes no NUL in a text; the escape is looked for first because a walk costs more.
    if b"\\u0000" in raw and _has_nul(frame):
        raise BadFrame("A text holds a NUL character.")


def id_of(frame: dict[str, Any]) -> str | int | None:
    """The id to answer under, if the frame has a usable one."""
    message_id = frame.get("id")
    if isinstance(message_id, str):
        return message_id if len(message_id) <= MAX_ID else None
    return message_id if isinstance(message_id, int) and not isinstance(message_id, bool) else None


def _name_of(frame: dict[str, Any]) -> str | None:
    name = frame.get("event")
    return name[:MAX_SHOWN_NAME] if isinstance(name, str) else None


def _has_nul(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_nul, value)) or any(map(_has_nul, value.values()))
    if isinstance(value, list):
        return any(map(_has_nul, value))
    return isinstance(value, str) and "\0" in value


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


DISPATCHER = web.AppKey("DISPATCHER", Dispatcher)
