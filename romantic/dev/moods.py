"""How the stand-ins behave: as the providers on a good day, or on one of their bad ones."""

import asyncio
from typing import Any

from aiohttp import web

from romantic.errors import BadRequest
from romantic.http import ok
from romantic.realtime import BUS

PROVIDERS = ("whatsapp", "sms", "email", "push", "ads")
#: Forged: signatures are wrong, those of the provider's news or, where it tells none, ours as it sees them.
MOODS = ("ok", "timeout", "busy", "broken", "garbage", "forged")
#: Longer than any client of ours waits.
SILENCE_SECONDS = 60.0

KEPT_MOODS = web.AppKey[dict[str, str]]("KEPT_MOODS")


async def list_moods(request: web.Request) -> web.Response:
    return ok({"moods": request.app[KEPT_MOODS], "choices": MOODS}, "How the providers behave")


async def set_mood(request: web.Request) -> web.Response:
    """PUT /dev/moods/{provider}/{mood}"""
    provider, mood = request.match_info["provider"], request.match_info["mood"]
    if provider not in PROVIDERS or mood not in MOODS:
        raise BadRequest(f"Providers: {', '.join(PROVIDERS)}. Moods: {', '.join(MOODS)}.")
    request.app[BUS].publish("dev.mood", {provider: mood})
    return await list_moods(request)


#: Status, and the provider's own code: of WhatsApp, of Google, of Amazon.
REFUSALS = {
    "busy": (429, 130429, "QUOTA_EXCEEDED", "Throttling"),
    "broken": (500, 131000, "INTERNAL", "InternalFailure"),
    "forged": (403, 0, "", "SignatureDoesNotMatch"),
}
AMAZON = ("sms", "email")


async def bad_day(request: web.Request, provider: str) -> web.Response | None:
    """What the provider answers instead of doing its work, or None on a good day."""
    mood = request.app[KEPT_MOODS][provider]
    if mood == "timeout":
        await asyncio.sleep(SILENCE_SECONDS)
        return web.Response(status=504)  # to nobody: whoever asked has gone
    if mood == "garbage":
        return web.Response(text="<html>busy")
    if mood not in REFUSALS or (mood == "forged" and provider not in AMAZON):
        return None
    return _refusal(provider, *REFUSALS[mood])


def _refusal(provider: str, status: int, meta: int, google: str, amazon: str) -> web.Response:
    if provider in AMAZON:
        fault = f"<ErrorResponse><Error><Type>Receiver</Type><Code>{amazon}</Code></Error></ErrorResponse>"
        return web.Response(text=fault, status=status, headers={"x-amzn-ErrorType": amazon})
    details = [{"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": google}]
    error: dict[str, Any] = {"code": status, "message": "Not now", "details": details}
    if provider == "whatsapp":
        error = {"code": meta, "message": "Not now"}
    return web.json_response({"error": error}, status=status)


def add_moods(app: web.Application) -> None:
    app[KEPT_MOODS] = dict.fromkeys(PROVIDERS, "ok")
    app[BUS].on("dev.mood", app[KEPT_MOODS].update)
    app.router.add_get("/dev/moods.json", list_moods)
    app.router.add_put("/dev/moods/{provider}/{mood}", set_mood)
