"""/api/coins: ads"""

import asyncio
from time import monotonic
from typing import Any
from uuid import UUID

from aiohttp import web
from marshmallow import fields, validate

from romantic.coins import ads, service
from romantic.coins.news import tell_entries
from romantic.db import Row, connection, transaction
from romantic.http import PRINCIPAL, Limit, Schema, ok, post, signed_in
from romantic.settings import SETTINGS

WAIT_SECONDS = 3.0
LOOK_SECONDS = 0.25

ADS = Limit("ads", 40, 60, closed=True)


class EarnAdBody(Schema):
    ad_type = fields.Str(required=True, validate=validate.OneOf(("rewarded", "interstitial", "banner")))
    ad_provider = fields.Str(load_default="admob", validate=validate.OneOf(("admob",)))
    nonce = fields.Str(
        load_default=None, validate=validate.Regexp(r"^[A-Za-z0-9_-]{1,64}\Z", error="Not a nonce.")
    )


async def add_session(request: web.Request) -> web.Response:
    async with connection(request.app) as conn:
        nonce, expires_at = await ads.add_session(conn, user_id=request[PRINCIPAL].id)
    return ok({"nonce": nonce, "expiresAt": expires_at}, "Ad session created")


async def earn(request: web.Request, *, ad_type: str, ad_provider: str, nonce: str | None) -> web.Response:
    """Where the provider vouches for ads this tells what its callback paid, and pays nothing itself."""
    app, user_id = request.app, request[PRINCIPAL].id
    if ad_type != "rewarded":
        async with connection(app) as conn:
            await ads.note_view(conn, user_id=user_id, ad_type=ad_type, ad_provider=ad_provider)
        return await _answer(app, user_id, coins=0)
    if app[SETTINGS].ads_trust_mode == "client":
        async with transaction(app) as conn:
            reward = await ads.believe(conn, app[SETTINGS], user_id=user_id, ad_provider=ad_provider)
        await tell_entries(app, user_id, reward.entries)
        return await _answer(app, user_id, coins=reward.coins)
    session = await _await_callback(app, user_id, nonce)
    if session is None or session["rewarded_at"] is None:
        return await _answer(app, user_id, coins=0, pending=session is not None)
    return await _answer(app, user_id, coins=session["coins_earned"])


async def _await_callback(app: web.Application, user_id: UUID, nonce: str | None) -> Row | None:
    """The session once its callback came, or as it is when the patience ends; None without a session."""
    until = monotonic() + WAIT_SECONDS
    while True:
        async with connection(app) as conn:
            session = await ads.find_session(conn, user_id=user_id, nonce=nonce)
        if session is None or session["rewarded_at"] is not None or monotonic() >= until:
            return session
        await asyncio.sleep(LOOK_SECONDS)


async def _answer(app: web.Application, user_id: UUID, *, coins: int, pending: bool = False) -> web.Response:
    async with connection(app) as conn:
        balance = await service.get_balance(conn, user_id=user_id)
    data: dict[str, Any] = {"coinsEarned": coins, "newBalance": balance["coins_balance"]}
    return ok(data | ({"pending": True} if pending else {}), "Coins earned successfully")


ROUTES = (
    post("/api/coins/earn-ad", earn, signed_in, body=EarnAdBody, limit=ADS),
    post("/api/coins/ad-session", add_session, signed_in, limit=ADS),
)
