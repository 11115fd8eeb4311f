"""/api/auth"""

from typing import Any
from uuid import UUID

import structlog
from aiohttp import web

from romantic.auth import delivery, otp, service
from romantic.auth.errors import (
    AccountBlocked,
    OtpNotSent,
    OtpRequired,
    PhoneMismatch,
    UnsupportedDeliveryMethod,
)
from romantic.auth.phones import normalise
from romantic.auth.schemas import (
    LoginBody,
    RefreshBody,
    RegisterBody,
    SendOtpBody,
    VerifyOtpBody,
    own_profile,
    session_view,
    signed_in_user,
)
from romantic.auth.service import Device, Grant
from romantic.auth.sessions import SESSIONS, TOKENS
from romantic.coins import service as coins
from romantic.db import connection, transaction
from romantic.errors import Unauthorized
from romantic.http import (
    AUTHENTICATE,
    PRINCIPAL,
    anyone,
    bearer_token,
    client_ip,
    delete,
    get,
    header_text,
    ok,
    post,
    proven,
    signed_in,
)
from romantic.http.guards import RegistrationRequired
from romantic.http.limits import AUTH, OTP_SEND, OTP_VERIFY
from romantic.integrations.sms import has_sms
from romantic.settings import SETTINGS
from romantic.users import service as users

log = structlog.get_logger()

WAYS = {"whatsapp": "WhatsApp", "sms": "SMS"}


async def send_otp(request: web.Request, *, phone_number: str, delivery_method: str) -> web.Response:
    """The same answer for known and unknown numbers.

    The code goes out by a job; the answer waits for what becomes of it, but not for long.
    """
    app, settings = request.app, request.app[SETTINGS]
    phone_number = normalise(phone_number, strict=settings.phone_strict)
    if delivery_method not in ("whatsapp", "sms") or (delivery_method == "sms" and not has_sms(settings)):
        raise UnsupportedDeliveryMethod
    async with transaction(app) as conn:
        issued = await otp.issue(
            conn, settings, phone_number=phone_number, ip=_ip(request), method=delivery_method
        )
        await delivery.begin(conn, issued, method=delivery_method, seconds=settings.otp_ttl)
    sent = await delivery.outcome(app, issued.id, within=settings.otp_wait_seconds)
    if sent.status == "failed":
        raise OtpNotSent(retry_after=5)
    data = {
        "phoneNumber": phone_number,
        "deliveryMethod": sent.method,
        "whatsappMessageId": sent.message_id,
        "expiresAt": issued.expires_at,
        "estimatedDeliveryTime": "30 seconds",
    }
    return ok(data, f"OTP sent via {WAYS[sent.method]} successfully")


async def verify_otp(
    request: web.Request, *, phone_number: str, otp_code: str, whatsapp_message_id: str | None
) -> web.Response:
    phone_number = normalise(phone_number, strict=request.app[SETTINGS].phone_strict)
    seconds = request.app[SETTINGS].auth_login_grant_seconds
    grant, way = await _prove(request, phone_number, otp_code, whatsapp_message_id, grant_seconds=seconds)
    data = {
        "phoneNumber": phone_number,
        "isNewUser": grant.user_id is None,
        "verificationMethod": way,
        "accessToken": grant.access_token,
        "refreshToken": grant.refresh_token,
        "expiresIn": grant.expires_in,
    }
    return ok(data, "OTP verified successfully")


async def _prove(
    request: web.Request, phone_number: str, code: str, message_id: str | None, *, grant_seconds: float = 0.0
) -> tuple[Grant, str]:
    """Use the code up and open a session, and say which way the code came.

    Refusals must not undo the count of wrong guesses.
    """
    settings = request.app[SETTINGS]
    async with connection(request.app) as conn:
        method = await otp.check(conn, settings, phone_number=phone_number, code=code, message_id=message_id)
        grant = await service.open_session(
            conn,
            settings,
            request.app[TOKENS],
            phone_number=phone_number,
            device=_device(request),
            grant_seconds=grant_seconds,
        )
    for session_id in grant.ended:
        await request.app[SESSIONS].changed(session_id, "revoked")
    log.info("session.opened", user_id=str(grant.user_id), session_id=str(grant.session_id))
    return grant, "sms" if method == "sms" else "whatsapp"


async def register(request: web.Request, *, phone_number: str, **person: Any) -> web.Response:
    settings, principal = request.app[SETTINGS], request[PRINCIPAL]
    if normalise(phone_number, strict=settings.phone_strict) != principal.phone_number:
        raise PhoneMismatch
    async with transaction(request.app) as conn:
        grant, entry = await service.register(
            conn,
            settings,
            request.app[TOKENS],
            session_id=principal.session_id,
            phone_number=principal.phone_number,
            **person,
        )
        assert grant.user_id is not None
        profile = await users.get_profile(conn, user_id=grant.user_id)
    await request.app[SESSIONS].changed(principal.session_id, "registered")
    log.info("user.registered", user_id=str(grant.user_id))
    if entry is not None:
        coins.log_entry(entry)
    data = {"user": signed_in_user(profile), **_tokens(grant)}
    return ok(data, "User registered successfully")


async def login(
    request: web.Request, *, phone_number: str, otp_code: str | None, refresh_token: str | None
) -> web.Response:
    """A phone number alone proves nothing: a code, a token of that number, or a refresh token must.

    With AUTH_LOGIN_GRANT_SECONDS a code verified a moment ago, from the same device, will do once.
    """
    phone_number = normalise(phone_number, strict=request.app[SETTINGS].phone_strict)
    if otp_code is not None:
        grant, _ = await _prove(request, phone_number, otp_code, None)
    elif bearer_token(request) is not None:
        grant = await _by_token(request, phone_number)
    elif refresh_token is not None:
        try:
            grant = await _rotate(request, refresh_token, phone_number)
        except Unauthorized:
            raise OtpRequired from None
    elif request.app[SETTINGS].auth_login_grant_seconds > 0:
        tokens, device = request.app[TOKENS], _device(request)
        async with connection(request.app) as conn:
            grant = await service.by_login_grant(conn, tokens, phone_number=phone_number, device=device)
        log.info("login_grant.used", user_id=str(grant.user_id), session_id=str(grant.session_id))
    else:
        raise OtpRequired
    async with connection(request.app) as conn:
        profile = await users.find_profile_by_phone(conn, phone_number=phone_number)
    if profile is None:
        raise RegistrationRequired
    if profile["status"] != "active":
        raise AccountBlocked
    return ok({"user": signed_in_user(profile), **_tokens(grant)}, "Login successful")


async def _by_token(request: web.Request, phone_number: str) -> Grant:
    token = bearer_token(request)
    assert token is not None
    try:
        principal = await request.app[AUTHENTICATE](request.app, token)
    except Unauthorized:
        raise OtpRequired from None
    if principal.phone_number != phone_number:
        raise OtpRequired
    async with connection(request.app) as conn:
        return await service.renew(conn, request.app[TOKENS], session_id=principal.session_id)


async def _rotate(request: web.Request, refresh_token: str, phone_number: str | None = None) -> Grant:
    settings = request.app[SETTINGS]
    async with connection(request.app) as conn:
        grant, session = await service.refresh(
            conn, settings, request.app[TOKENS], refresh_token=refresh_token, phone_number=phone_number
        )
    if grant is None:
        await request.app[SESSIONS].changed(session["id"], "revoked")
        log.warning("session.refresh_reused", session_id=str(session["id"]), user_id=str(session["user_id"]))
    return service.insist(grant)


async def refresh(request: web.Request, *, refresh_token: str) -> web.Response:
    return ok(_tokens(await _rotate(request, refresh_token)), "Token refreshed")


async def get_profile(request: web.Request) -> web.Response:
    async with connection(request.app) as conn:
        profile = await users.get_profile(conn, user_id=request[PRINCIPAL].id)
    return ok(own_profile(profile), "Profile retrieved successfully")


async def logout(request: web.Request) -> web.Response:
    """This session only: its tokens die and its sockets close, on every node."""
    session_id = request[PRINCIPAL].session_id
    async with connection(request.app) as conn:
        await service.revoke(conn, session_id=session_id, reason="logout")
    await request.app[SESSIONS].changed(session_id, "revoked")
    return ok(message="Logged out successfully")


async def logout_all(request: web.Request) -> web.Response:
    async with connection(request.app) as conn:
        ended = await service.revoke_all(conn, user_id=request[PRINCIPAL].id, reason="logout_all")
    for session_id in ended:
        await request.app[SESSIONS].changed(session_id, "revoked")
    return ok({"sessionsEnded": len(ended)}, "Logged out everywhere")


async def list_sessions(request: web.Request) -> web.Response:
    principal = request[PRINCIPAL]
    async with connection(request.app) as conn:
        rows = await service.list_sessions(conn, user_id=principal.id)
    sessions = [session_view(row, current=row["id"] == principal.session_id) for row in rows]
    return ok({"sessions": sessions}, "Sessions retrieved successfully")


async def revoke_session(request: web.Request, *, session_id: UUID) -> web.Response:
    async with connection(request.app) as conn:
        await service.revoke_own(conn, session_id=session_id, user_id=request[PRINCIPAL].id)
    await request.app[SESSIONS].changed(session_id, "revoked")
    return ok(message="Session ended")


def _tokens(grant: Grant) -> dict[str, Any]:
    return {
        "accessToken": grant.access_token,
        "refreshToken": grant.refresh_token,
        "expiresIn": grant.expires_in,
    }


def _ip(request: web.Request) -> str | None:
    address = client_ip(request)
    return None if address == "unknown" else address


def _device(request: web.Request) -> Device:
    return Device(
        ip=_ip(request),
        user_agent=header_text(request, "User-Agent", most=200),
        device_id=header_text(request, "X-Device-Id", most=64),
    )


ROUTES = (
    post("/api/auth/send-otp", send_otp, anyone, body=SendOtpBody, limit=OTP_SEND),
    post("/api/auth/verify-otp", verify_otp, anyone, body=VerifyOtpBody, limit=OTP_VERIFY),
    post("/api/auth/register", register, proven, body=RegisterBody, limit=AUTH),
    post("/api/auth/login", login, anyone, body=LoginBody, limit=AUTH),
    post("/api/auth/refresh", refresh, anyone, body=RefreshBody, limit=AUTH),
    get("/api/auth/profile", get_profile, proven),
    post("/api/auth/logout", logout, proven, limit=AUTH),
    post("/api/auth/logout-all", logout_all, signed_in, limit=AUTH),
    get("/api/auth/sessions", list_sessions, signed_in),
    delete("/api/auth/sessions/{session_id}", revoke_session, signed_in, limit=AUTH),
)
