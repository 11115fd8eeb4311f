"""The session of a moderator: an audience of its own, fifteen minutes, the role as the database has it."""

import time
from dataclasses import dataclass
from uuid import UUID

import jwt
from aiohttp import web

from romantic.admin.errors import AdminOnly, StaffOnly
from romantic.db import connection, load_queries
from romantic.errors import Unauthorized
from romantic.http import bearer_token
from romantic.http.guards import PRINCIPAL, Principal
from romantic.settings import SETTINGS, Settings

sql = load_queries("admin")

ISSUER, AUDIENCE, TYPE = "romantic", "admin", "admin+jwt"
SECONDS = 900


@dataclass(frozen=True, slots=True)
class Staff:
    """The moderator or admin behind a request."""

    id: UUID
    role: str
    session_id: UUID


STAFF = web.RequestKey("STAFF", Staff)


def sign(settings: Settings, *, session_id: UUID, user_id: UUID) -> str:
    kid, key = next(iter(settings.jwt_keys.items()))
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": str(user_id), "sid": str(session_id)}
    times = {"iat": now, "exp": now + SECONDS}
    return jwt.encode(claims | times, key, algorithm="HS256", headers={"kid": kid, "typ": TYPE})


def _session_of(settings: Settings, token: str) -> UUID:
    """The session a token names; raises StaffOnly for the token of an app, Unauthorized for anything else."""
    try:
        header = jwt.get_unverified_header(token)
        if header.get("typ") != TYPE:
            raise StaffOnly
        claims = jwt.decode(
            token,
            settings.jwt_keys[header["kid"]],
            algorithms=["HS256"],
            audience=AUDIENCE,
            issuer=ISSUER,
            options={"require": ["iss", "aud", "sub", "sid", "iat", "exp"]},
        )
        return UUID(claims["sid"])
    except (jwt.InvalidTokenError, KeyError, ValueError, TypeError):
        raise Unauthorized from None


async def moderator(request: web.Request) -> None:
    """A moderator or an admin, with a live session of this kind."""
    token = bearer_token(request)
    if token is None:
        raise Unauthorized
    session_id = _session_of(request.app[SETTINGS], token)
    async with connection(request.app) as conn:
        row = await conn.one(sql.find_session, session_id=session_id)
    if row is None:
        raise Unauthorized("The session is over.")
    request[STAFF] = Staff(row["user_id"], row["role"], session_id)
    # The shell counts limits and keys idempotency by principal.
    request[PRINCIPAL] = Principal(session_id, "", row["user_id"], time.time() + SECONDS)


async def admin(request: web.Request) -> None:
    """An admin: money, roles and everything a moderator may."""
    await moderator(request)
    if request[STAFF].role != "admin":
        raise AdminOnly
