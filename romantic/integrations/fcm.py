"""Firebase Cloud Messaging, HTTP v1: one message to one phone, and what a refusal means."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from time import time
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from romantic.integrations.answers import AnswerTooLong, read_answer
from romantic.integrations.breaker import Breaker
from romantic.integrations.google_tokens import GoogleTokens, ServiceAccount, TokenRefused
from romantic.integrations.push import PLATFORMS, SENDERS, Push, PushRefusal, PushSender, Verdict
from romantic.settings import SETTINGS, Settings
from romantic.upstream import upstream

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
TIMEOUT = aiohttp.ClientTimeout(total=3)
#: A token, a message that is refused for it, another token and the message again.
DEADLINE_SECONDS = 6.0
LARGEST_ANSWER = 1024 * 1024
LONGEST_WAIT = 3600.0

#: firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode
_VERDICTS = {
    "UNREGISTERED": Verdict.FORGET,
    "SENDER_ID_MISMATCH": Verdict.FORGET,
    "QUOTA_EXCEEDED": Verdict.RETRY,
    "UNAVAILABLE": Verdict.RETRY,
    "INTERNAL": Verdict.RETRY,
    "THIRD_PARTY_AUTH_ERROR": Verdict.STOP,  # our certificate at Apple or for the web
}


class Fcm:
    """One HTTP session towards FCM; redirects are not followed."""

    def __init__(self, settings: Settings, http: aiohttp.ClientSession) -> None:
        account = ServiceAccount.of(settings.fcm_credentials)
        project = settings.fcm_project_id or account.project_id
        self._url = f"{settings.fcm_api_base_url}/v1/projects/{project}/messages:send"
        self._http = http
        self._tokens = GoogleTokens(account, SCOPE, http, TIMEOUT)
        self.breaker = Breaker()

    async def send(self, push: Push, *, token: str, platform: str) -> str:
        """FCM's message id; raises PushRefusal.

        The API knows no idempotency key: a message whose answer was lost is sent twice.
        """
        if self.breaker.is_open():
            raise PushRefusal("left alone for a moment", after=self.breaker.seconds_left)
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                message_id = await self._send(message_of(push, token=token, platform=platform))
        except TimeoutError:
            self.breaker.failed()
            raise PushRefusal("TimeoutError") from None
        except PushRefusal as refusal:
            if refusal.verdict is Verdict.RETRY:
                self.breaker.failed()
            else:
                self.breaker.succeeded()
            raise
        self.breaker.succeeded()
        return message_id

    async def _send(self, message: dict[str, Any]) -> str:
        """With a new access token, once, if FCM takes ours for no good."""
        access = await self._access()
        try:
            return await self._post(message, access)
        except _AccessRefused:
            access = await self._access(but=access)
        try:
            return await self._post(message, access)
        except _AccessRefused:
            raise PushRefusal("status 401 with a new access token", Verdict.STOP) from None

    async def _access(self, *, but: str = "") -> str:
        try:
            return await self._tokens.get(but=but)
        except TokenRefused as refused:
            verdict = Verdict.RETRY if refused.is_passing else Verdict.STOP
            raise PushRefusal(refused.reason, verdict) from refused

    async def _post(self, message: dict[str, Any], access: str) -> str:
        headers = {"Authorization": f"Bearer {access}"}
        try:
            with upstream("fcm", "send"):
                async with self._http.post(
                    self._url,
                    json={"message": message},
                    headers=headers,
                    timeout=TIMEOUT,
                    allow_redirects=False,
                ) as answer:
                    body = await read_answer(answer, most=LARGEST_ANSWER)
                    return _message_id(answer.status, body, after=_wait(answer.headers.get("Retry-After")))
        except (aiohttp.ClientError, TimeoutError, OSError, AnswerTooLong) as error:
            raise PushRefusal(type(error).__name__) from error


class _AccessRefused(Exception):
    """The access token is no good: revoked, or older than we thought."""


def message_of(push: Push, *, token: str, platform: str) -> dict[str, Any]:
    """A message of the v1 API, with what the phone's platform needs of it."""
    return {"token": token, "data": push.data, **_WRAPPINGS[platform](push)}


def _for_android(push: Push) -> dict[str, Any]:
    android: dict[str, Any] = {"priority": "HIGH" if push.is_urgent else "NORMAL", "ttl": f"{push.ttl}s"}
    return {"android": android | ({"collapse_key": push.collapse} if push.collapse else {})}


def _for_ios(push: Push) -> dict[str, Any]:
    """Data alone is a background push, which Apple takes at priority 5 only."""
    headers = {
        "apns-push-type": "background",
        "apns-priority": "5",
        "apns-expiration": str(int(time()) + push.ttl),
    } | ({"apns-collapse-id": push.collapse} if push.collapse else {})
    return {"apns": {"headers": headers, "payload": {"aps": {"content-available": 1}}}}


def _for_web(push: Push) -> dict[str, Any]:
    """RFC 8030: TTL, Urgency and Topic."""
    headers = {"TTL": str(push.ttl), "Urgency": "high" if push.is_urgent else "normal"}
    return {"webpush": {"headers": headers | ({"Topic": push.collapse} if push.collapse else {})}}


_WRAPPINGS = {"android": _for_android, "ios": _for_ios, "web": _for_web}


def _wait(text: str | None) -> float | None:
    """Retry-After in seconds (RFC 9110, 10.2.3), a number or a date; at most an hour, None for garbage."""
    if text is None:
        return None
    try:
        seconds = float(text) if text.isdigit() else _until(text)
    except (ValueError, TypeError):
        return None
    return max(0.0, min(LONGEST_WAIT, seconds))


def _until(date: str) -> float:
    moment = parsedate_to_datetime(date)
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds()


def _message_id(status: int, body: bytes, *, after: float | None) -> str:
    """The id of a message that was taken; a provider's answer is checked like any other input."""
    try:
        answer = orjson.loads(body)
        if status == HTTPStatus.OK and isinstance(answer["name"], str) and answer["name"]:
            return answer["name"][:200]
        code, is_about_token = _fault(answer["error"])
    except (ValueError, KeyError, TypeError, AttributeError):
        if status == HTTPStatus.UNAUTHORIZED:
            raise _AccessRefused from None
        raise PushRefusal(f"status {status}, an answer we do not understand", after=after) from None
    verdict = verdict_of(status, code, is_about_token=is_about_token)
    if status == HTTPStatus.UNAUTHORIZED and verdict is not Verdict.STOP:
        raise _AccessRefused
    raise PushRefusal(f"status {status}, {code[:60]}", verdict, after=after)


def _fault(error: dict[str, Any]) -> tuple[str, bool]:
    """FCM's error code or else Google's, and whether it is about the registration token.

    INVALID_ARGUMENT says that in a field, or in words alone.
    """
    details = error.get("details", ())
    code = next((str(one["errorCode"]) for one in details if "errorCode" in one), str(error.get("status")))
    fields = [violation.get("field") for one in details for violation in one.get("fieldViolations", ())]
    return code, "message.token" in fields or "registration token" in str(error.get("message"))


def verdict_of(status: int, code: str, *, is_about_token: bool = False) -> Verdict:
    """By FCM's error code, else by the status of the answer."""
    if code in _VERDICTS:
        return _VERDICTS[code]
    if status == HTTPStatus.NOT_FOUND or is_about_token:
        return Verdict.FORGET
    if status == HTTPStatus.FORBIDDEN:
        return Verdict.STOP
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
        return Verdict.RETRY
    return Verdict.REFUSED


async def push(app: web.Application) -> AsyncIterator[None]:
    """Nobody is pushed to without a service account."""
    app[SENDERS] = {}
    if not app[SETTINGS].fcm_credentials:
        yield
        return
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        sender: PushSender = Fcm(app[SETTINGS], http)
        app[SENDERS] = dict.fromkeys(PLATFORMS, sender)
        yield
