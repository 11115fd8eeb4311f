"""The outbox: a WhatsApp Cloud API on this server's own address, and a page that shows what it was sent."""

import secrets
from collections import deque
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from romantic.dev.meta import tell_of, telling
from romantic.dev.moods import bad_day
from romantic.errors import Unauthorized
from romantic.http import bearer_token
from romantic.http.body import read_json
from romantic.http.envelope import encode, ok, respond
from romantic.realtime import BUS
from romantic.settings import SETTINGS
from romantic.web import page

KEPT = 100

OUTBOX = web.AppKey("OUTBOX", deque[dict[str, Any]])


def post(app: web.Application, message: dict[str, Any]) -> None:
    """Into the outbox, of every node: whoever looks may be answered by another one."""
    app[BUS].publish("dev.outbox", message)


async def take_message(request: web.Request) -> web.Response:
    """POST /{version}/{phone_number_id}/messages, as the Graph API answers it."""
    if bearer_token(request) != request.app[SETTINGS].whatsapp_access_token:
        raise Unauthorized
    message = await read_json(request)
    if bad := await bad_day(request, "whatsapp"):
        return bad
    code = message["template"]["components"][0]["parameters"][0]["text"]
    post(
        request.app,
        {
            "channel": "whatsapp",
            "to": f"+{message['to']}",
            "template": message["template"]["name"],
            "code": code,
            "at": datetime.now(UTC),
        },
    )
    wamid = f"wamid.{secrets.token_urlsafe(24)}"
    tell_of(request.app, wamid, message["to"], message.get("biz_opaque_callback_data"))
    answer = {
        "messaging_product": "whatsapp",
        "contacts": [{"input": message["to"], "wa_id": message["to"]}],
        "messages": [{"id": wamid, "message_status": "accepted"}],
    }
    return respond(encode(answer), 200)


async def list_messages(request: web.Request) -> web.Response:
    kept = request.app[OUTBOX]
    messages = [m for m in reversed(kept) if request.query.get("to") in (None, m["to"])]
    return ok({"messages": messages}, "Newest first")


async def show(_: web.Request) -> web.Response:
    return page("outbox.html")


def add_outbox(app: web.Application) -> None:
    app[OUTBOX] = deque(maxlen=KEPT)
    app[BUS].on("dev.outbox", app[OUTBOX].append)
    app.cleanup_ctx.append(telling)
    app.router.add_post("/dev/whatsapp/{version}/{phone_number_id}/messages", take_message)
    app.router.add_get("/dev/outbox.json", list_messages)
    app.router.add_get("/dev/outbox", show)
