"""/api/webhooks"""

from urllib.parse import parse_qsl

from aiohttp import web

from romantic.coins import ads
from romantic.coins.news import tell_effect, tell_entries
from romantic.db import transaction
from romantic.errors import Unavailable
from romantic.http import anyone, get, ok, post
from romantic.http.body import parse_object, read_body
from romantic.integrations.admob import ADMOB, CallbackRefused, KeysUnavailable
from romantic.integrations.stripe_payments import PAYMENTS, EventRefused
from romantic.settings import SETTINGS
from romantic.webhooks.errors import InvalidSignature
from romantic.webhooks.forgery import WEBHOOKS, count_forgery, log_delivery
from romantic.webhooks.stripe_events import take_event

LARGEST_EVENT = 1024 * 1024


async def take_stripe(request: web.Request) -> web.Response:
    """200 for everything that is signed and understood: Stripe repeats whatever was not."""
    raw = await read_body(request, LARGEST_EVENT)
    try:
        request.app[PAYMENTS].verify_event(raw, request.headers.get("Stripe-Signature"))
    except EventRefused:
        await count_forgery(request, "stripe")
        raise InvalidSignature from None
    event = parse_object(raw)
    async with transaction(request.app) as conn:
        effect = await take_event(conn, event)
    log_delivery("stripe", effect.outcome, event_type=event["type"])
    await tell_effect(request.app, effect, event_type=event["type"], provider_id=event["id"])
    return ok({"received": True}, "Event received")


async def take_admob(request: web.Request) -> web.Response:
    """The raw query is what is signed; parsing comes after."""
    try:
        content = await request.app[ADMOB].verify(request.raw_path.partition("?")[2])
    except CallbackRefused:
        await count_forgery(request, "admob")
        raise InvalidSignature from None
    except KeysUnavailable:
        raise Unavailable(retry_after=60) from None
    callback = ads.read_callback(parse_qsl(content, keep_blank_values=True))
    if callback is None:
        log_delivery("admob", "not_ours", event_type="reward")
        return ok({"received": True}, "Callback received")
    async with transaction(request.app) as conn:
        reward = await ads.take_callback(conn, callback, request.app[SETTINGS])
    log_delivery("admob", reward.outcome, event_type="reward")
    if reward.entries:
        await tell_entries(request.app, reward.entries[0]["user_id"], reward.entries)
    return ok({"received": True}, "Callback received")


ROUTES = (
    post("/api/webhooks/stripe", take_stripe, anyone, limit=WEBHOOKS, raw=True),
    get("/api/webhooks/admob", take_admob, anyone, limit=WEBHOOKS),
)
