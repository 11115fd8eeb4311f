"""/api/webhooks/whatsapp: Meta proves itself, and tells what became of the codes we sent."""

import hashlib
import re

from aiohttp import web

from romantic.errors import Forbidden, InvalidInput, Unavailable
from romantic.http import anyone, get, ok, post
from romantic.http.body import parse_object, read_body
from romantic.integrations.whatsapp import is_secret, is_signed, read_statuses
from romantic.settings import SETTINGS
from romantic.webhooks import statuses
from romantic.webhooks.errors import Unsigned
from romantic.webhooks.forgery import WEBHOOKS, count_forgery, log_delivery

#: Meta puts up to a thousand updates into one delivery and promises to stay below this.
LARGEST_DELIVERY = 3 * 1024 * 1024
LONGEST_CHALLENGE = 256

#: With whatever parameters but q=0, which says "anything but this".
_JSON_RANGE = re.compile(r"application/json\s*(?!.*;\s*q=0(\.0*)?\s*(;|$))(;.*)?", re.IGNORECASE)


async def verify(request: web.Request) -> web.Response:
    """Meta compares the whole body with its challenge; the envelope is for who asks for JSON by name."""
    expected = request.app[SETTINGS].whatsapp_webhook_verify_token
    if not expected:
        raise Unavailable(retry_after=60)
    is_ours = is_secret(request.query.get("hub.verify_token", ""), expected)
    if not is_ours or request.query.get("hub.mode") != "subscribe":
        await count_forgery(request, "whatsapp")
        raise Forbidden
    challenge = _challenge(request)
    if _wants_json(request):
        return ok({"challenge": challenge}, "Webhook verified successfully")
    return web.Response(text=challenge, content_type="text/plain")


def _challenge(request: web.Request) -> str:
    challenge = request.query.get("hub.challenge", "")
    if not 0 < len(challenge) <= LONGEST_CHALLENGE:
        field = {"path": "hub.challenge", "code": "invalid", "message": "Missing or too long."}
        raise InvalidInput(fields=[field])
    return challenge


def _wants_json(request: web.Request) -> bool:
    """Whether Accept names application/json itself; `*/*` is what every program sends."""
    ranges = ",".join(request.headers.getall("Accept", [])).split(",")
    return any(_JSON_RANGE.fullmatch(item.strip()) for item in ranges)


async def take(request: web.Request) -> web.Response:
    """200 for everything that is signed and JSON: Meta repeats whatever was not, for days."""
    settings = request.app[SETTINGS]
    if not settings.whatsapp_app_secret:
        raise Unavailable(retry_after=60)
    raw = await read_body(request, LARGEST_DELIVERY)
    if not is_signed(raw, request.headers.get("X-Hub-Signature-256", ""), settings.whatsapp_app_secret):
        await count_forgery(request, "whatsapp")
        raise Unsigned
    told = read_statuses(parse_object(raw), settings.whatsapp_phone_number_id)
    outcome = await statuses.keep(request.app, "whatsapp", hashlib.sha256(raw).hexdigest(), told)
    log_delivery("whatsapp", outcome, event_type="statuses")
    return ok(message="Webhook processed successfully")


ROUTES = (
    get("/api/webhooks/whatsapp", verify, anyone, limit=WEBHOOKS),
    post("/api/webhooks/whatsapp", take, anyone, limit=WEBHOOKS, raw=True),
)
