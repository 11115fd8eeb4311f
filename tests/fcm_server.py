"""Firebase Cloud Messaging and the token endpoint of its service accounts, with bad days."""

import asyncio
import itertools
import json
from functools import cached_property
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

PROJECT, EMAIL = "test-project", "pusher@test-project.iam.gserviceaccount.com"
SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"

#: Status, Google's status and FCM's error code, by mood.
REFUSALS: dict[str, tuple[int, str, str | None]] = {
    "busy": (429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"),
    "broken": (500, "INTERNAL", "INTERNAL"),
    "away": (503, "UNAVAILABLE", "UNAVAILABLE"),
    "gone": (404, "NOT_FOUND", "UNREGISTERED"),
    "unknown": (404, "NOT_FOUND", None),
    "mismatch": (403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"),
    "forbidden": (403, "PERMISSION_DENIED", None),
    "no token": (400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
    "no data": (400, "INVALID_ARGUMENT", None),
    "apple": (401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"),
    "locked": (401, "UNAUTHENTICATED", None),
}


class FcmServer:
    """What was pushed, and how FCM behaves: ok, silence, garbage, or a refusal; `token_mood` is its neighbour's."""

    def __init__(self) -> None:
        self.url = ""
        self._runner: web.AppRunner | None = None
        self._ids = itertools.count(1)
        self.forget()

    def forget(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.asked = 0
        self.tokens_given = 0
        self.mood = self.token_mood = "ok"
        self.retry_after = ""
        self.delay = 0.0
        self.expires_in = 3600
        self.valid: set[str] = set()

    @cached_property
    def key(self) -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(65537, 2048)

    @property
    def credentials(self) -> str:
        """The service account's key as Google hands it out."""
        pem = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        key = {"type": "service_account", "project_id": PROJECT, "client_email": EMAIL}
        return json.dumps(
            key | {"private_key_id": "k1", "private_key": pem, "token_uri": f"{self.url}/token"}
        )

    @property
    def settings(self) -> dict[str, str]:
        """What an application needs to reach it."""
        return {"fcm_credentials": self.credentials, "fcm_api_base_url": self.url}

    def of(self, name: str) -> list[dict[str, str]]:
        """The data of every push of a type, in order."""
        return [m["data"] for m in self.messages if m["data"]["type"] == name]

    async def start(self, port: int = 0) -> None:
        app = web.Application()
        app.router.add_post("/token", self._give_token)
        app.router.add_post("/v1/projects/{project}/messages:send", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _give_token(self, request: web.Request) -> web.Response:
        if self.token_mood == "garbage":
            return web.Response(text="<html>busy</html>")
        if self.token_mood == "broken":
            return web.json_response({"error": "internal_failure"}, status=500)
        form = await request.post()
        assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
        try:
            claims = jwt.decode(
                str(form["assertion"]), self.key.public_key(), ["RS256"], audience=f"{self.url}/token"
            )
        except jwt.PyJWTError:
            return web.json_response({"error": "invalid_grant"}, status=400)
        if self.token_mood == "refused" or (claims["iss"], claims["scope"]) != (EMAIL, SCOPE):
            return web.json_response({"error": "invalid_grant"}, status=400)
        self.tokens_given += 1
        token = f"ya29.{self.tokens_given}"
        self.valid.add(token)
        answer = {"access_token": token, "expires_in": self.expires_in, "token_type": "Bearer"}
        return web.json_response(answer)

    async def _take(self, request: web.Request) -> web.Response:
        self.asked += 1
        if self.mood == "silence":
            await asyncio.sleep(60)
            return web.Response(status=504)  # to nobody: whoever asked has gone
        message = (await request.json())["message"]
        await asyncio.sleep(self.delay)
        if self.mood == "garbage":
            return web.Response(text="<html>busy</html>")
        if self.mood == "lost page":
            return web.Response(text="<html>not here</html>", status=404)
        if self.mood in REFUSALS:
            return self._refuse(*REFUSALS[self.mood])
        if request.headers["Authorization"].removeprefix("Bearer ") not in self.valid:
            return self._refuse(*REFUSALS["locked"])
        if request.match_info["project"] != PROJECT:
            return self._refuse(*REFUSALS["forbidden"])
        assert all(isinstance(value, str) for value in message["data"].values())
        self.messages.append(message)
        return web.json_response({"name": f"projects/{PROJECT}/messages/{next(self._ids)}"})

    def _refuse(self, status: int, word: str, code: str | None) -> web.Response:
        details: list[dict[str, Any]] = [{"@type": FCM_ERROR, "errorCode": code}] if code else []
        told = "Something is wrong."
        if self.mood == "no token":
            told = "The registration token is not a valid FCM registration token"
        if self.mood == "no data":
            field = {"field": "message.data[0].value", "description": "Invalid value"}
            details.append({"@type": BAD_REQUEST, "fieldViolations": [field]})
        headers = {"Retry-After": self.retry_after} if self.retry_after else {}
        error = {"code": status, "message": told, "status": word, "details": details}
        return web.json_response({"error": error}, status=status, headers=headers)
