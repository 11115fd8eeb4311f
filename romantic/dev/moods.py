"""How the stand-ins behave: as the providers on a good day, or on one of their bad ones."""

import asyncio

from aiohttp import web

from romantic.errors import BadRequest
from romantic.http import ok
from romantic.realtime import BUS

PROVIDERS = ("whatsapp", "sms", "email")
MOODS = ("ok", "timeout", "busy", "broken", "garbage")
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


async def bad_day(request: web.Request, provider: str) -> web.Response | None:
    """What the provider answers instead of doing its work, or None on a good day."""
    mood = request.app[KEPT_MOODS][provider]
    if mood == "timeout":
        await asyncio.sleep(SILENCE_SECONDS)
    refusals = {
        "busy": (429, {"error": {"code": 130429, "message": "Rate limit hit"}}, "Throttling"),
        "broken": (500, {"error": {"code": 131000, "message": "Something went wrong"}}, "InternalFailure"),
    }
    if mood in refusals:
        status, answer, code = refusals[mood]
        if provider == "whatsapp":
            return web.json_response(answer, status=status)
        fault = f"<ErrorResponse><Error><Type>Receiver</Type><Code>{code}</Code></Error></ErrorResponse>"
        return web.Response(text=fault, status=status, headers={"x-amzn-ErrorType": code})
    return None if mood == "ok" else web.Response(text="<html>busy")


def add_moods(app: web.Application) -> None:
    app[KEPT_MOODS] = dict.fromkeys(PROVIDERS, "ok")
    app[BUS].on("dev.mood", app[KEPT_MOODS].update)
    app.router.add_get("/dev/moods.json", list_moods)
    app.router.add_put("/dev/moods/{provider}/{mood}", set_mood)
