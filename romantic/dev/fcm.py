"""Firebase on this server's own address: pushes land in the outbox; tokens that end in `gone` are unknown."""

import json
import secrets
import time
from datetime import UTC, datetime
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from romantic.dev.moods import KEPT_MOODS, bad_day
from romantic.dev.outbox import OUTBOX
from romantic.http import bearer_token
from romantic.http.body import read_body, read_json
from romantic.settings import SETTINGS

PROJECT = "romantic-development"
TOKEN_SECONDS = 3600
GONE = "gone"
FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"

#: Access tokens that were given, and when each ends.
GIVEN = web.AppKey[dict[str, float]]("GIVEN")


def stand_in_account(here: str) -> str:
    """The JSON key of a service account nobody at Google knows; its tokens are to be had here."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    account = {"type": "service_account", "project_id": PROJECT, "private_key_id": "development"}
    account |= {"client_email": f"development@{PROJECT}.iam.gserviceaccount.com", "private_key": pem}
    return json.dumps(account | {"token_uri": f"{here}/dev/fcm/token"})


async def give_token(request: web.Request) -> web.Response:
    """POST /token, as Google's OAuth endpoint answers a signed assertion (RFC 7523)."""
    raw = (await read_body(request)).decode()
    if bad := await bad_day(request, "push"):
        return bad
    account = json.loads(request.app[SETTINGS].fcm_credentials)
    public = load_pem_private_key(account["private_key"].encode(), None).public_key()
    assertion = raw.rpartition("assertion=")[2].partition("&")[0]
    try:
        jwt.decode(assertion, public, ["RS256"], audience=account["token_uri"])  # type: ignore[arg-type]
        is_right = request.app[KEPT_MOODS]["push"] != "forged"
    except jwt.PyJWTError:
        is_right = False
    if not is_right:
        refusal = {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
        return web.json_response(refusal, status=400)
    token = f"ya29.{secrets.token_urlsafe(24)}"
    request.app[GIVEN][token] = time.monotonic() + TOKEN_SECONDS
    answer = {"access_token": token, "expires_in": TOKEN_SECONDS, "token_type": "Bearer"}
    return web.json_response(answer)


async def take_push(request: web.Request) -> web.Response:
    """POST /v1/projects/{project}/messages:send, as FCM answers it."""
    message = (await read_json(request))["message"]
    if bad := await bad_day(request, "push"):
        return bad
    is_known = request.app[GIVEN].get(bearer_token(request) or "", 0.0) > time.monotonic()
    if not is_known or request.app[KEPT_MOODS]["push"] == "forged":
        request.app[GIVEN].clear()  # so that the next token is asked for, and refused, as well
        return refuse(401, "UNAUTHENTICATED", None)
    if message["token"].endswith(GONE):
        return refuse(404, "NOT_FOUND", "UNREGISTERED")
    request.app[OUTBOX].append(_shown(message))
    return web.json_response({"name": f"projects/{PROJECT}/messages/{secrets.token_hex(8)}"})


def refuse(status: int, word: str, code: str | None) -> web.Response:
    """An error in the shape of Google's APIs."""
    details = [{"@type": FCM_ERROR, "errorCode": code}] if code else []
    error = {"code": status, "message": word, "status": word, "details": details}
    return web.json_response({"error": error}, status=status)


def _shown(message: dict[str, Any]) -> dict[str, Any]:
    """What the outbox page shows of a push, and what programs read of it."""
    platform = next(name for name in ("android", "apns", "webpush") if name in message)
    data = message["data"]
    return {
        "channel": "push",
        "to": message["token"],
        "subject": data["type"],
        "text": "\n".join(f"{name}: {value}" for name, value in data.items() if name != "type"),
        "data": data,
        "platform": {"apns": "ios", "webpush": "web"}.get(platform, platform),
        "delivery": message[platform],
        "at": datetime.now(UTC),
    }


def add_fcm(app: web.Application) -> None:
    app[GIVEN] = {}
    app.router.add_post("/dev/fcm/token", give_token)
    app.router.add_post("/dev/fcm/v1/projects/{project}/messages:send", take_push)
