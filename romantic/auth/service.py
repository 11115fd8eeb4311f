"""The life of a session in the database: proof, registration, rotation, revocation."""

import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from romantic.auth import otp
from romantic.auth.errors import AccountBlocked, OtpRequired, RefreshTokenReused, UserExists
from romantic.auth.phones import normalise, phone_hash
from romantic.auth.tokens import Tokens
from romantic.coins import service as coins
from romantic.db import Connection, Row, UniqueConflict, load_queries
from romantic.errors import NotFound, Unauthorized
from romantic.settings import Settings
from romantic.users import service as users

sql = load_queries("auth")


@dataclass(frozen=True, slots=True)
class Grant:
    """The two tokens of a session. `ended` are older sessions that had to make room."""

    session_id: UUID
    user_id: UUID | None
    access_token: str
    refresh_token: str
    expires_in: int
    ended: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Device:
    """Where a session was opened from."""

    ip: str | None
    user_agent: str | None
    device_id: str | None = None


def _grant(tokens: Tokens, session: Row, *, issued_at: float) -> Grant:
    user_id = session["user_id"]
    counter = session["refresh_counter"]
    return Grant(
        session["id"],
        user_id,
        tokens.access(session_id=session["id"], counter=counter, user_id=user_id, issued_at=issued_at),
        tokens.refresh(session_id=session["id"], counter=counter),
        round(tokens.access_ttl),
        tuple(session.get("ended", ())),
    )


async def open_session(
    conn: Connection,
    settings: Settings,
    tokens: Tokens,
    *,
    phone_number: str,
    device: Device,
    grant_seconds: float = 0.0,
) -> Grant:
    """A session for a number that was just proven; raises AccountBlocked for a suspended person.

    For `grant_seconds` the same device may log in once with the number alone (`by_login_grant`).
    """
    session = await conn.one(
        sql.add_session,
        phone_number=phone_number,
        user_agent=device.user_agent,
        ip=device.ip,
        device_id=device.device_id,
        seconds=settings.refresh_ttl,
        grant_seconds=grant_seconds,
    )
    assert session is not None
    if session["status"] not in (None, "active"):
        await conn.run(sql.revoke_session, session_id=session["id"], reason="blocked")
        raise AccountBlocked
    return _grant(tokens, session, issued_at=session["rotated_at"])


async def register(
    conn: Connection,
    settings: Settings,
    tokens: Tokens,
    *,
    session_id: UUID,
    phone_number: str,
    **person: Any,
) -> tuple[Grant, Row | None]:
    """Make the person behind a proven number, with their welcome coins. Needs a transaction.

    Returns the grant and the entry of the welcome, None for a number that had it before, also with an
    account that was deleted. Raises UserExists.
    """
    hashed = phone_hash(phone_number, settings.otp_pepper)
    try:
        user_id = await users.add_user(
            conn,
            phone_number=phone_number,
            phone_hash=hashed,
            is_verified=settings.verified_means == "phone",
            **person,
        )
    except UniqueConflict:
        raise UserExists from None
    entry = await coins.welcome(conn, user_id=user_id, phone_hash=hashed, amount=settings.welcome_coins)
    session = await conn.one(sql.give_session_its_user, session_id=session_id, user_id=user_id)
    if session is None:
        raise UserExists
    return _grant(tokens, session, issued_at=session["rotated_at"]), entry


async def renew(conn: Connection, tokens: Tokens, *, session_id: UUID) -> Grant:
    """A fresh access token for a live session; its refresh token stays."""
    session = await conn.one(sql.find_session, session_id=session_id)
    if session is None:
        raise Unauthorized("The session is over.")
    return _grant(tokens, session, issued_at=time.time())


async def by_login_grant(conn: Connection, tokens: Tokens, *, phone_number: str, device: Device) -> Grant:
    """The session of a code this device has just verified, once; raises OtpRequired.

    Must not run inside a transaction that a refusal would roll back: tries are counted.
    """
    tried = await conn.all(
        sql.use_login_grants, phone_number=phone_number, ip=device.ip, user_agent=device.user_agent
    )
    given = [row["id"] for row in tried if row["is_given"]]
    if not given:
        raise OtpRequired
    return await renew(conn, tokens, session_id=given[0])


async def refresh(
    conn: Connection,
    settings: Settings,
    tokens: Tokens,
    *,
    refresh_token: str,
    phone_number: str | None = None,
) -> tuple[Grant | None, Row]:
    """Rotate the refresh token: the grant and the session's row.

    Within the grace the replaced token gives the same pair again. Later it is theft: the grant is None,
    the session is revoked, and the caller must say so to the other nodes. Raises Unauthorized, also
    for a session of another phone number, if one is named.
    """
    token = tokens.read_refresh(refresh_token)
    session = await conn.one(
        sql.rotate_session,
        session_id=token.session_id,
        counter=token.counter,
        phone_number=phone_number,
        seconds=settings.refresh_ttl,
    )
    if session is None:
        session = await conn.one(
            sql.find_rotated_session, session_id=token.session_id, phone_number=phone_number
        )
        if session is None:
            raise Unauthorized("The session is over.")
        is_newest_but_one = session["refresh_counter"] == token.counter + 1
        if not is_newest_but_one or session["rotated_seconds_ago"] > settings.refresh_grace:
            await conn.run(sql.revoke_session, session_id=token.session_id, reason="refresh_reused")
            return None, session
    return _grant(tokens, session, issued_at=session["rotated_at"]), session


def insist(grant: Grant | None) -> Grant:
    if grant is None:
        raise RefreshTokenReused
    return grant


async def revoke(conn: Connection, *, session_id: UUID, reason: str) -> None:
    await conn.run(sql.revoke_session, session_id=session_id, reason=reason)


async def revoke_own(conn: Connection, *, session_id: UUID, user_id: UUID) -> None:
    """End one of the user's sessions; raises NotFound for anybody else's."""
    if await conn.value(sql.revoke_own_session, session_id=session_id, user_id=user_id) is None:
        raise NotFound


async def revoke_all(conn: Connection, *, user_id: UUID, reason: str) -> list[UUID]:
    return [row["id"] for row in await conn.all(sql.revoke_sessions_of, user_id=user_id, reason=reason)]


async def list_sessions(conn: Connection, *, user_id: UUID) -> list[Row]:
    return await conn.all(sql.list_sessions, user_id=user_id)


async def prove_phone(conn: Connection, settings: Settings, *, phone_number: str, code: str) -> str:
    """Use a code up and return the number in its stored form; raises OtpInvalid, OtpLocked, PhoneInvalid.

    Must not run inside a transaction that a refusal would roll back: wrong guesses are counted.
    """
    phone_number = normalise(phone_number, strict=settings.phone_strict)
    await otp.check(conn, settings, phone_number=phone_number, code=code, message_id=None)
    return phone_number
