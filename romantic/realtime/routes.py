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

from romantic import metrics
from romantic.db import DatabaseBusy
from romantic.errors import (
    BadFrame,
    BadRequest,
    Forbidden,
    InternalError,
    InvalidInput,
    RomanticError,
    Unauthorized,
    Unavailable,
)
from romantic.http import AUTHENTICATE, anyone, bearer_token, client_ip, get, ok, post, signed_in
from romantic.http.client import kind_of_client
from romantic.http.envelope import describe
from romantic.http.health import LIFECYCLE
from romantic.http.limits import SOCKETS
from romantic.realtime.dispatch import DISPATCHER, check, decode, id_of, on
from romantic.realtime.events import CloseCode, Event, Kind, timestamp
from romantic.realtime.hub import HUB
from romantic.realtime.presence import PRESENCE
from romantic.realtime.resume import resume
from romantic.realtime.schemas import AppState, Auth, Ping, Resume
from romantic.realtime.socket import Socket, answer_frame
from romantic.realtime.turnstile import turn
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
    if app[LIFECYCLE].draining or app[HUB].count >= app[SETTINGS].ws_max_per_process:
        raise Unavailable(retry_after=5)
    ws = await upgrade(request, max_frame=MAX_FRAME)
    device_id = request.query.get("deviceId") or request.headers.get("X-Device-Id")
    socket = Socket(
        app,
        ws,
        device_id=device_id[:64] if device_id else None,
        client=kind_of_client(request),
        address=client_ip(request),
    )
    structlog.contextvars.bind_contextvars(conn_id=socket.conn_id)
    try:
        await _live(request, socket)
    finally:
        _summarise(socket)
    return ws


async def upgrade(request: web.Request, *, max_frame: int) -> web.WebSocketResponse:
    """Answer the handshake; pings, closing and the coding of texts are ours. Raises BadRequest."""
    ws: web.WebSocketResponse = web.WebSocketResponse(
        protocols=(PROTOCOL,),
        heartbeat=request.app[SETTINGS].ws_ping_seconds,
        max_msg_size=max_frame,
        compress=False,
        autoping=False,
        autoclose=False,
        decode_text=False,
        timeout=2.0,
    )
    if not ws.can_prepare(request):
        raise BadRequest("This address speaks WebSocket only.")
    await ws.prepare(request)
    return ws


async def _live(request: web.Request, socket: Socket) -> None:
    """Sign in, greet, serve. Whatever goes wrong is said in frames: the HTTP response is over."""
    hub = request.app[HUB]
    try:
        await _sign_in(request, socket)
        if hub.enter(socket):
            metrics.WS_OPENED.labels(socket.client).inc()
            await _greet(socket)
    except ConnectionError:
        socket.close(CloseCode.NORMAL)  # gone before it said who it was
    except TimeoutError:
        socket.close(CloseCode.NO_AUTH, "no auth in time")
    except RomanticError as refusal:
        _refuse(socket, refusal)
    except DatabaseBusy as error:
        log.warning("database.busy", reason=str(error))
        _refuse(socket, Unavailable(retry_after=1))
    except Exception:
        log.exception("ws.crashed")
        _refuse(socket, InternalError())
    try:
        await socket.serve(request.app[DISPATCHER].receive)
    finally:
        if socket.principal is not None:
            hub.leave(socket)


def _refuse(socket: Socket, refusal: RomanticError) -> None:
    """Say why, then hang up: clients cannot read the status of a failed upgrade."""
    code = CloseCode.UNAUTHORIZED
    if refusal.retryable:
        code = CloseCode.INTERNAL
    elif isinstance(refusal, BadFrame | InvalidInput):
        code = CloseCode.PROTOCOL
    data = {"code": refusal.code, "message": str(refusal), **describe(refusal)}
    socket.reply("error", socket.auth_id, data)
    socket.close(code, "bad token" if code is CloseCode.UNAUTHORIZED else refusal.code)


async def _sign_in(request: web.Request, socket: Socket) -> None:
    """By header, subprotocol, ticket or first frame; raises what `_live` has words for."""
    token = await _presented(request)
    if token is None:
        async with asyncio.timeout(request.app[SETTINGS].ws_auth_seconds):
            token = await _first_frame(socket)
    async with turn(request.app):
        principal = await request.app[AUTHENTICATE](request.app, token)
    if principal.user_id is None:
        raise Unauthorized("Register first.")
    socket.principal = principal
    structlog.contextvars.bind_contextvars(user_id=str(principal.id))


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
    token = request.query.get("token")
    if token is not None and not request.app[SETTINGS].ws_allow_query_token:
        raise Unauthorized("Addresses end up in logs: ask for a ticket instead of sending the token in one.")
    return token


async def _first_frame(socket: Socket) -> str:
    """The token of an `auth` frame; raises BadFrame, InvalidInput, or Unauthorized for any other event."""
    while (message := await socket.ws.receive()).type in (WSMsgType.PING, WSMsgType.PONG):
        await socket.take_control(message)
    if message.type is WSMsgType.BINARY:
        socket.close(CloseCode.NOT_TEXT, "text frames only")
    if message.type is not WSMsgType.TEXT:
        raise ConnectionError
    frame = decode(message.data)
    socket.auth_id = id_of(frame)
    check(frame, message.data)
    if frame["event"] != "auth":
        raise Unauthorized("The first frame is auth.")
    socket.last_seen = monotonic()
    return str(Auth().load(frame.get("data") or {})["token"])


async def _greet(socket: Socket) -> None:
    assert socket.principal is not None
    settings = socket.app[SETTINGS]
    # First: what features say of now is then from after it, and whatever changes later is sent.
    place = await socket.app[HUB].delivery.join(socket)
    if socket.closed_by is not None:
        return
    data: dict[str, Any] = {
        "sessionId": socket.session_secret,
        "userId": socket.user_id,
        "epoch": place.epoch,
        "seq": place.seq,
        "serverTime": timestamp(),
        "heartbeatMs": round(settings.ws_ping_seconds * 1000),
        "inCallPingMs": round(settings.ws_call_ping_seconds * 1000),
        "limits": {"maxFrame": MAX_FRAME, "framesPerSec": 30},
        "activeCall": None,
        "tokenExpiresAt": timestamp(socket.principal.token_expires_at),
    }
    async with turn(socket.app):
        for greeting in socket.app[GREETINGS]:
            data |= await greeting(socket)
    # What was sent to the person meanwhile comes after it.
    socket.send_first(Event("ready", data, Kind.VOLATILE).frame())
    if socket.auth_id is not None:
        socket.send_first(answer_frame("ack", socket.auth_id, {"expiresAt": data["tokenExpiresAt"]}))


def _check_origin(request: web.Request) -> None:
    """Browsers name their page; only our own and the configured ones may talk. Native apps name none."""
    origin = request.headers.get("Origin")
    allowed = request.app[SETTINGS].cors_origins
    if origin is None or origin in allowed or "*" in allowed:
        return
    try:
        is_own = urlsplit(origin).netloc.lower() == request.host.lower()
    except ValueError:
        is_own = False
    if not is_own:
        raise Forbidden("This page may not open sockets here.")


def _summarise(socket: Socket) -> None:
    user_id = socket.principal and socket.principal.user_id  # nobody's, if it never signed in
    round_trip = socket.round_trip
    log.info(
        "ws.connection",
        user_id=str(user_id) if user_id else None,
        client=socket.client,
        duration_s=round(monotonic() - socket.opened_at, 1),
        close_code=socket.closed_by or socket.ws.close_code,
        closed_by="server" if socket.closed_by else "client",
        close_reason=socket.close_reason or None,
        resumed=socket.resumed,
        rtt_ms_p50=None if round_trip is None else round(round_trip * 1000, 1),
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
    """Who looks at the app needs no push."""
    socket.in_foreground = state == "foreground"
    socket.app[PRESENCE].note(socket)
    return {}


ROUTES = (
    get("/ws", connect, anyone, limit=SOCKETS),
    get("/api/ws", connect, anyone, limit=SOCKETS),
    post("/api/realtime/ticket", issue_ticket, signed_in),
)
EVENTS = (
    on("auth", renew, Auth, of_socket=True),
    on("resume", resume, Resume, of_socket=True),
    on("ping", ping, Ping, in_call=True, of_socket=True),
    on("app-state", set_app_state, AppState, of_socket=True),
)
