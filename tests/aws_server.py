"""SNS, SES and a bucket of S3 as their APIs answer, with bad days; moto proves elsewhere that the real protocol is spoken."""

import asyncio
import itertools
from typing import Any

from aiohttp import web

SNS = "http://sns.amazonaws.com/doc/2010-03-31/"


class AwsServer:
    """What was sent, and how Amazon behaves: ok, silence, busy, broken, garbage, or refused (for good)."""

    def __init__(self) -> None:
        self.url = ""
        self._runner: web.AppRunner | None = None
        self._ids = itertools.count(1)
        self.forget()

    def forget(self) -> None:
        self.texts: list[dict[str, str]] = []
        self.mails: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}
        self.asked = 0
        self.mood = "ok"

    @property
    def settings(self) -> dict[str, str]:
        """What an application needs to reach it."""
        return {
            "sms_provider": "sns",
            "ses_sender": "hello@romantic.example",
            "aws_endpoint_url_sns": self.url,
            "aws_endpoint_url_ses": self.url,
            "aws_access_key_id": "test-key",
            "aws_secret_access_key": "test-secret",
        }

    async def start(self) -> None:
        app = web.Application(client_max_size=20 * 1024 * 1024)
        app.router.add_post("/", self._publish)
        app.router.add_post("/v2/email/outbound-emails", self._send_email)
        app.router.add_put("/{bucket}/{key:.+}", self._put)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _publish(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        assert form["Action"] == "Publish"
        bad = await self._bad_day()
        if bad is not None:
            status, code = bad
            fault = f"<ErrorResponse xmlns='{SNS}'><Error><Type>Sender</Type><Code>{code}</Code></Error></ErrorResponse>"
            return web.Response(text=fault if code else "<html>busy", status=status, content_type="text/xml")
        message_id = f"sms-{next(self._ids)}"
        self.texts.append({"to": form["PhoneNumber"], "text": form["Message"], "id": message_id})
        result = f"<PublishResult><MessageId>{message_id}</MessageId></PublishResult>"
        answer = f"<PublishResponse xmlns='{SNS}'>{result}</PublishResponse>"
        return web.Response(text=answer, content_type="text/xml")

    async def _send_email(self, request: web.Request) -> web.Response:
        bad = await self._bad_day()
        if bad is not None:
            status, code = bad
            headers = {"x-amzn-ErrorType": code} if code else {}
            return web.Response(text="{}" if code else "<html>busy", status=status, headers=headers)
        self.mails.append(await request.json())
        return web.json_response({"MessageId": f"mail-{next(self._ids)}"})

    async def _put(self, request: web.Request) -> web.Response:
        bad = await self._bad_day()
        if bad is not None:
            return web.Response(status=bad[0], text=f"<Error><Code>{bad[1]}</Code></Error>")
        self.files[request.match_info["key"]] = await request.read()
        return web.Response(headers={"ETag": '"x"'})

    async def _bad_day(self) -> tuple[int, str] | None:
        self.asked += 1
        if self.mood == "silence":
            await asyncio.sleep(60)
        moods = {
            "busy": (429, "Throttling"),
            "broken": (500, "InternalFailure"),
            "garbage": (200, ""),
            "refused": (400, "InvalidParameter"),
        }
        return moods.get(self.mood)
