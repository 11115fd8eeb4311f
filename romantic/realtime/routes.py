"""GET /ws, POST /api/realtime/ticket, and the events every socket knows."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import structlog
from aiohttp import WSMsgType, web

from romantic.errors import Forbidden, RomanticError, Unauthorized, Unavailable
from romantic.http import AUTHENTICATE, Principal, anyone, bearer_token, get, ok, post, signed_in
from romantic.http.envelope import describe
from romantic.http.health import LIFECYCLE
from romantic.http.limits import SOCKETS
from romantic.realtime.dispatch import DISPATCHER, on, parse_frame
from romantic.realtime.events import CloseCode, Event, Kind, timestamp
from romantic.realtime.hub import HUB
from romantic.realtime.schemas import AppState, Auth, Ping
from romantic.realtime.socket import Socket
from romantic.redis import REDIS, RedisAway
from romantic.settings import SETTINGS

log = structlog.get_logger()

PROTOCOL = "romantic.v1"
MAX_FRAME = 64 * 1024
TICKET_SECONDS = 30

#: What a feature adds to `ready`: called with the socket, returns keys of its data.
Greeting = Callable[[Socket], Awaitable[dict[str, Any]]]
GREETINGS = web.AppKey[list[Greeting]]("GREETINGS")


async def connect(request: web.Request) -> web.WebSocketResponse:
    """Serve one client for as long as its socket lives."""
    app = request.app
    _check_origin(request)
    if app[LIFECYCLE].draining:
        raise Unavailable(retry_after=5)
    ws: web.WebSocketResponse = web.WebSocketResponse(
        protocols=(PROTOCOL,),
        heartbeat=app[SETTINGS].ws_ping_seconds,
        max_msg_size=MAX_FRAME,
        compress=False,
        autoping=False,
        autoclose=False,
        decode_text=False,
        timeout=2.0,
    )
    if not ws.can_prepare(request):
        raise Forbidden("This address speaks WebSocket only.")
    await ws.prepare(request)
    device_id = request.query.get("deviceId") or request.headers.get("X-Device-Id")
    socket = Socket(app, ws, device_id=device_id[:64] if device_id else None)
    structlog.contextvars.bind_contextvars(conn_id=socket.conn_id)
    try:
        await _live(request, socket)
    finally:
        _summarise(socket)
    return ws


async def _live(request: web.Request, socket: Socket) -> None:
    principal = await _sign_in(request, socket)
    if principal is None:
        return
    socket.principal = principal
    structlog.contextvars.bind_contextvars(user_id=str(principal.id))
    hub = request.app[HUB]
    hub.enter(socket)
    try:
        await _greet(socket)
        await socket.serve(request.app[DISPATCHER].receive)
    finally:
        hub.leave(socket)


async def _sign_in(request: web.Request, socket: Socket) -> Principal | None:
    """The principal by header, subprotocol, ticket or first frame; None after hanging up."""
    try:
        token = await _presented(request)
        if token is None:
            token = await _first_frame(socket)
        principal = await request.app[AUTHENTICATE](request.app, token)
        if principal.user_id is None:
            raise Unauthorized("Register first.")
        return principal
    except TimeoutError:
        await socket.ws.close(code=CloseCode.NO_AUTH, message=b"no auth in time")
        socket.closed_by = CloseCode.NO_AUTH
    except RomanticError as refusal:
        await socket.ws.send_json({"event": "error", "data": {"message": str(refusal), **describe(refusal)}})
        await socket.ws.close(code=CloseCode.UNAUTHORIZED, message=b"bad token")
        socket.closed_by = CloseCode.UNAUTHORIZED
    except ConnectionError:
        pass  # gone before it said who it was
    return None


async def _presented(request: web.Request) -> str | None:
    """The token the handshake carries, if any; a spent or unknown ticket is a bad token."""
    if token := bearer_token(request):
        return token
    for offered in request.headers.get("Sec-WebSocket-Protocol", "").split(","):
        if offered.strip().startswith("bearer."):
            return offered.strip().removeprefix("bearer.")
    if ticket := request.query.get("ticket"):
        try:
            return await request.app[REDIS].take(_ticket_key(ticket)) or ""
        except RedisAway:
            raise Unavailable(retry_after=3) from None
    if request.app[SETTINGS].ws_allow_query_token:
        return request.query.get("token")
    return None


async def _first_frame(socket: Socket) -> str:
    """The token of an `auth` frame; raises TimeoutError, or Unauthorized for any other frame."""
    async with asyncio.timeout(socket.app[SETTINGS].ws_auth_seconds):
        message = await socket.ws.receive()
    if message.type is WSMsgType.CLOSE or message.type in (WSMsgType.CLOSED, WSMsgType.CLOSING, WSMsgType.ERROR):
        raise ConnectionError
    if message.type is not WSMsgType.TEXT:
        raise Unauthorized
    frame = parse_frame(message.data)
    if frame["event"] != "auth":
        raise Unauthorized("The first frame is auth.")
    socket.last_seen = monotonic()
    return str(Auth().load(frame.get("data") or {})["token"])


async def _greet(socket: Socket) -> None:
    assert socket.principal is not None
    settings, hub = socket.app[SETTINGS], socket.app[HUB]
    data: dict[str, Any] = {
        "sessionId": socket.session_secret,
        "userId": socket.user_id,
        "epoch": hub.epoch,
        "seq": hub.seq,
        "serverTime": timestamp(),
        "heartbeatMs": round(settings.ws_ping_seconds * 1000),
        "inCallPingMs": round(settings.ws_call_ping_seconds * 1000),
        "limits": {"maxFrame": MAX_FRAME, "framesPerSec": 30},
        "activeCall": None,
        "tokenExpiresAt": timestamp(socket.principal.token_expires_at),
    }
    for greeting in socket.app[GREETINGS]:
        data |= await greeting(socket)
    socket.send(Event("ready", data, Kind.VOLATILE))


def _check_origin(request: web.Request) -> None:
    """Browsers name their page; only our own and the configured ones may talk. Native apps name none."""
    origin = request.headers.get("Origin")
    if origin is None or origin in request.app[SETTINGS].cors_origins:
        return
    try:
        is_own = urlsplit(origin).netloc == request.host
    except ValueError:
        is_own = False
    if not is_own:
        raise Forbidden("This page may not open sockets here.")


def _summarise(socket: Socket) -> None:
    log.info(
        "ws.connection",
        duration_s=round(monotonic() - socket.opened_at, 1),
        close_code=socket.closed_by or socket.ws.close_code,
        closed_by="server" if socket.closed_by else "client",
        close_reason=socket.close_reason or None,
        **socket.counts,
    )


async def issue_ticket(request: web.Request) -> web.Response:
    """A one-time ticket for browsers, which cannot set headers on a WebSocket."""
    token = bearer_token(request)
    assert token is not None
    ticket = secrets.token_urlsafe(32)
    try:
        await request.app[REDIS].put(_ticket_key(ticket), token, seconds=TICKET_SECONDS)
    except RedisAway:
        raise Unavailable(retry_after=3) from None
    return ok({"ticket": ticket, "expiresIn": TICKET_SECONDS}, "Ticket issued")


def _ticket_key(ticket: str) -> str:
    return f"romantic:ticket:{ticket}"


async def renew(socket: Socket, *, token: str) -> dict[str, Any]:
    """A fresh token on the same socket; it must be the same person's."""
    principal = await socket.app[AUTHENTICATE](socket.app, token)
    if principal.user_id != socket.user_id:
        raise Unauthorized
    socket.principal = principal
    socket.warned_of_expiry = False
    return {"expiresAt": timestamp(principal.token_expires_at)}


def ping(socket: Socket, *, t: Any) -> None:
    """Answered by `pong`; a frame with an id gets its ack as well."""
    socket.send(Event("pong", {"t": t, "serverTime": timestamp(time.time())}, Kind.VOLATILE))


def set_app_state(socket: Socket, *, state: str) -> dict[str, Any]:
    socket.in_foreground = state == "foreground"
    return {}


ROUTES = (
    get("/ws", connect, anyone, limit=SOCKETS),
    get("/api/ws", connect, anyone, limit=SOCKETS),
    post("/api/realtime/ticket", issue_ticket, signed_in),
)
EVENTS = (
    on("auth", renew, Auth),
    on("ping", ping, Ping, in_call=True),
    on("app-state", set_app_state, AppState),
)
