"""DELETE /api/auth/account and GET /api/auth/export: leaving, and taking one's data along."""

import structlog
from aiohttp import web

from romantic.auth import otp
from romantic.auth.schemas import DeleteAccountBody
from romantic.db import connection, transaction
from romantic.http import PRINCIPAL, delete, get, ok, signed_in
from romantic.http.limits import AUTH, EXPORTS
from romantic.settings import SETTINGS
from romantic.signals import announce_gone, heard_gone
from romantic.users import service as users

log = structlog.get_logger()


async def delete_account(request: web.Request, *, otp_code: str) -> web.Response:
    """A fresh code proves that it is the owner who leaves; then there is no way back."""
    app, principal = request.app, request[PRINCIPAL]
    async with connection(app) as conn:
        await otp.check(
            conn, app[SETTINGS], phone_number=principal.phone_number, code=otp_code, message_id=None
        )
    async with transaction(app) as conn:
        await users.delete_account(conn, user_id=principal.id)
        await announce_gone(conn, principal.id, "account_deleted")
    await heard_gone(app, principal.id)
    log.info("user.deleted", user_id=str(principal.id))
    return ok(message="Account deleted")


async def export(request: web.Request) -> web.Response:
    """Everything that is stored about this person, as JSON."""
    async with connection(request.app) as conn:
        everything = await users.export(conn, user_id=request[PRINCIPAL].id)
    return ok(everything, "Data exported successfully")


ROUTES = (
    delete("/api/auth/account", delete_account, signed_in, body=DeleteAccountBody, limit=AUTH),
    get("/api/auth/export", export, signed_in, limit=EXPORTS),
)
