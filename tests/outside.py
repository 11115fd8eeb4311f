"""The outside world: WhatsApp's Graph API with switches for its bad days, and its neighbours."""

import asyncio
import json
import secrets
from typing import Any

from aiohttp import web

from tests.admob_server import AdMobServer
from tests.aws_server import AwsServer
from tests.fcm_server import FcmServer
from tests.secrecy import DETECTOR
from tests.stripe_server import StripeServer

#: Status and Meta's code, by mood.
REFUSALS = {
    "error": (400, 131026),  # this phone has no WhatsApp
    "busy": (429, 130429),
    "broken": (500, 131000),
    "locked": (403, 131031),  # our account
    "unknown": (400, 999999),
}


class Outside:
    """What was sent, and how WhatsApp behaves: ok, garbage, drip, silence, or a refusal."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.asked = 0
        self.mood = "ok"
        self.url = ""
        self.stripe = StripeServer()
        self.admob = AdMobServer()
        self.aws = AwsServer()
        self.fcm = FcmServer()
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/{version}/{phone_number_id}/messages", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}"
        await self.stripe.start()
        await self.admob.start()
        await self.aws.start()
        await self.fcm.start()

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()
        await self.stripe.stop()
        await self.admob.stop()
        await self.aws.stop()
        await self.fcm.stop()

    def forget(self) -> None:
        self.messages.clear()
        self.asked = 0
        self.mood = "ok"
        self.stripe.forget()
        self.admob.forget()
        self.aws.forget()
        self.fcm.forget()

    def code_for(self, phone_number: str) -> str:
        """The newest code sent to a number."""
        for message in reversed(self.messages):
            if message["to"] == phone_number.removeprefix("+"):
                code = str(message["template"]["components"][0]["parameters"][0]["text"])
                DETECTOR.tell(code)
                return code
        raise AssertionError(f"no code was sent to {phone_number}")

    async def _take(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != "Bearer test-token":
            return web.json_response({"error": {"code": 190, "message": "Bad token"}}, status=401)
        self.asked += 1
        if self.mood == "silence":
            await asyncio.sleep(60)
            return web.Response(status=504)  # to nobody: whoever asked has gone
        if self.mood in REFUSALS:
            status, code = REFUSALS[self.mood]
            return web.json_response({"error": {"code": code, "message": "No"}}, status=status)
        if self.mood == "garbage":
            return web.Response(text="<html>busy</html>")
        self.messages.append(await request.json())
        if self.mood == "drip":
            return await drip(request, {"messages": [{"id": "wamid.drip"}]})
        return web.json_response({"messages": [{"id": f"wamid.{secrets.token_urlsafe(12)}"}]})


async def drip(request: web.Request, answer: dict[str, Any]) -> web.StreamResponse:
    """Send an answer in small packets, as a busy network would."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    text = json.dumps(answer).encode()
    for start in range(0, len(text), 10):
        await response.write(text[start : start + 10])
        await asyncio.sleep(0.01)
    await response.write_eof()
    return response
