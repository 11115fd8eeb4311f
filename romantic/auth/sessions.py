"""Sessions as a process sees them: PostgreSQL is the truth, remembered briefly, forgotten on revocation."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

import structlog
from aiohttp import web

from romantic.auth.keys import Key
from romantic.auth.tokens import Tokens
from romantic.background import running
from romantic.db import DatabaseBusy, connection, load_queries, note_spared
from romantic.errors import Unauthorized
from romantic.http import AUTHENTICATE, Principal
from romantic.redis import REDIS, RedisAway
from romantic.settings import SETTINGS

log = structlog.get_logger()
sql = load_queries("auth")

CHANNEL = "romantic:sessions"
_REMEMBERED = 50_000
CHECK_SECONDS = 2.0
CHECKED_AT_ONCE = 1_000

#: Told the session and why it changed: `revoked`, `banned`, or `registered`.
Listener = Callable[[UUID, str], None]


@dataclass(frozen=True, slots=True)
class _Session:
    user_id: UUID | None
    phone_number: str
    is_robot: bool
    key_hash: bytes | None
    expires_at: float
    read_at: float


class Sessions:
    """The sessions this process has seen lately."""

    def __init__(self, app: web.Application) -> None:
        self._app = app
        self._seconds = app[SETTINGS].session_cache_seconds
        self._remembered: dict[UUID, _Session] = {}
        self._changes = 0
        self._listeners: list[Listener] = []
        self._is_in_doubt = False
        self._in_use: Callable[[], list[UUID]] = list

    def watch(self, in_use: Callable[[], list[UUID]]) -> None:
        """Register who knows the sessions that outlive their requests: those with a socket here."""
        self._in_use = in_use

    def on_change(self, listener: Listener) -> None:
        """Register who must act when a session ends, on whatever node it was ended."""
        self._listeners.append(listener)

    async def authenticate(self, app: web.Application, token: str) -> Principal:
        """The principal of an access token or an API key whose session lives; raises Unauthorized."""
        key = Key.read(token)
        if key is not None:
            return await self._by_key(key)
        claims = app[TOKENS].verify(token)
        session = await self._find(claims.session_id)
        user_id = session.user_id if claims.scope == "user" else None
        return Principal(
            claims.session_id, session.phone_number, user_id, claims.expires_at, session.is_robot
        )

    async def _by_key(self, key: Key) -> Principal:
        """A robot; its sockets are asked to prove themselves as often as everybody's."""
        session = await self._find(key.session_id)
        if not key.matches(session.key_hash):
            raise Unauthorized("The key is not valid.")
        expires_at = min(session.expires_at, time.time() + self._app[SETTINGS].jwt_access_ttl)
        return Principal(key.session_id, session.phone_number, session.user_id, expires_at, session.is_robot)

    async def _find(self, session_id: UUID) -> _Session:
        session = self._remembered.get(session_id)
        # Without Redis no other node can tell us of a revocation: then PostgreSQL is asked each time.
        seconds = 0.0 if self._app[REDIS].is_away else self._seconds
        if session is None or time.monotonic() - session.read_at > seconds:
            return await self._read(session_id)
        note_spared()
        return session

    async def _read(self, session_id: UUID) -> _Session:
        started, changes = time.monotonic(), self._changes
        async with connection(self._app) as conn:
            row = await conn.one(sql.find_live_session, session_id=session_id)
        if row is None:
            self._remembered.pop(session_id, None)
            raise Unauthorized("The session is over.")
        session = _Session(
            row["user_id"],
            row["phone_number"],
            row["is_robot"],
            row["key_hash"],
            row["expires_at"],
            started,
        )
        if changes == self._changes:  # else what was read may be from before a revocation
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            self._remembered[session_id] = session
        return session

    async def changed(self, session_id: UUID, reason: str) -> None:
        """Make every node forget the session; call after the commit."""
        self._forget(session_id, reason)
        with suppress(RedisAway):  # then the others forget within session_cache_seconds
            await self._app[REDIS].publish(CHANNEL, f"{session_id} {reason}")

    def _forget(self, session_id: UUID, reason: str) -> None:
        self._changes += 1
        self._remembered.pop(session_id, None)
        for listener in self._listeners:
            listener(session_id, reason)

    def _forget_all(self) -> None:
        """A subscription that was lost may have lost a revocation."""
        self._changes += 1
        self._remembered.clear()
        self._is_in_doubt = True

    async def follow(self) -> None:
        """Hear from the other nodes, for ever."""
        async for message in self._app[REDIS].listen(CHANNEL, lost=self._forget_all):
            session_id, _, reason = message.partition(" ")
            self._forget(UUID(session_id), reason)

    async def check(self) -> None:
        """Ask PostgreSQL about the sessions in use while no other node can be heard, for ever."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            if not (self._is_in_doubt or self._app[REDIS].is_away):
                continue
            try:
                self._is_in_doubt = False
                await self._check()
            except DatabaseBusy as error:
                self._is_in_doubt = True
                log.warning("sessions.unchecked", reason=str(error))

    async def _check(self) -> None:
        in_use = self._in_use()
        for at in range(0, len(in_use), CHECKED_AT_ONCE):
            async with connection(self._app) as conn:
                ids = in_use[at : at + CHECKED_AT_ONCE]
                rows = await conn.all(sql.list_ended_sessions, session_ids=ids)
            for row in rows:
                self._forget(row["id"], "banned" if row["revoked_reason"] == "banned" else "revoked")


SESSIONS = web.AppKey("SESSIONS", Sessions)
TOKENS = web.AppKey("TOKENS", Tokens)


def add_sessions(app: web.Application) -> Sessions:
    """Give the application its tokens and sessions, and the guards their authenticator."""
    settings = app[SETTINGS]
    app[TOKENS] = Tokens(settings.jwt_keys, access_ttl=settings.jwt_access_ttl)
    app[SESSIONS] = Sessions(app)
    app[AUTHENTICATE] = app[SESSIONS].authenticate
    app.cleanup_ctx.append(_follow)
    return app[SESSIONS]


async def _follow(app: web.Application) -> AsyncIterator[None]:
    async with running(app[SESSIONS].follow()), running(app[SESSIONS].check()):
        yield


async def end_sessions(app: web.Application, user_id: UUID, reason: str) -> None:
    """Somebody may no longer take part: every session of theirs ends, on every node."""
    async with connection(app) as conn:
        ended = await conn.all(sql.revoke_sessions_of, user_id=user_id, reason=reason)
    for row in ended:
        await app[SESSIONS].changed(row["id"], "banned" if reason == "banned" else "revoked")
