"""WhatsApp Cloud API: sending a one-time code by template message, and reading what became of it."""

import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Iterator
from enum import Enum
from typing import Any
from uuid import UUID

import aiohttp
import orjson
from aiohttp import web

from romantic.integrations.answers import AnswerTooLong, read_answer
from romantic.integrations.breaker import Breaker
from romantic.settings import SETTINGS, Settings
from romantic.upstream import upstream

APP_NAME = "Romantic"
LARGEST_ANSWER = 1024 * 1024
TIMEOUT = aiohttp.ClientTimeout(total=5)
STATUSES = frozenset(("sent", "delivered", "read", "failed"))

_MESSAGE_ID = re.compile("[!-~]{1,100}")


class Verdict(Enum):
    """What a refusal means for the next try."""

    RETRY = "retry"  # the provider is busy or away: the same may work in a moment
    FALL_BACK = "fall_back"  # this phone is not to be had by WhatsApp
    STOP = "stop"  # our account, number or template is at fault: nobody will be reached until we act


#: developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes
_RETRY = frozenset((1, 2, 4, 80007, 130429, 131000, 131016, 131048, 131056, 131057, 133004, 133016))
_STOP = frozenset(
    (
        0, 3, 10, 100, 190, 368, 130497, 131005, 131008, 131009, 131031, 131037, 131042, 131045, 132000,
        132001, 132005, 132007, 132012, 132015, 132016, 132068, 132069, 133006, 133010,
    )
)  # fmt: skip
_PERMISSIONS = range(200, 300)
TOO_MANY, SERVER_FAULT = 429, 500


def verdict_of(status: int, code: int | None) -> Verdict:
    """By Meta's error code, else by the status of the answer; without either nobody knows: again."""
    if code in _STOP or code in _PERMISSIONS:
        return Verdict.STOP
    if code in _RETRY or status >= SERVER_FAULT or status == TOO_MANY or code is None:
        return Verdict.RETRY
    return Verdict.FALL_BACK


class WhatsAppRefusal(Exception):
    """WhatsApp did not take the message; the text is for operators and holds no number or code."""

    def __init__(self, reason: str, verdict: Verdict = Verdict.RETRY, *, after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.verdict = verdict
        self.after = after


class WhatsApp:
    """One HTTP session towards the Graph API; redirects are not followed."""

    def __init__(self, settings: Settings, http: aiohttp.ClientSession) -> None:
        self._settings = settings
        self._http = http
        self.breaker = Breaker()

    async def send_code(self, phone_number: str, code: str, *, minutes: int, reference: UUID) -> str:
        """The provider's message id; raises WhatsAppRefusal.

        The API knows no idempotency key: a message whose answer was lost is sent twice. The reference
        comes back with the message's statuses, also of one whose id we never learned.
        """
        if self.breaker.is_open():
            raise WhatsAppRefusal("left alone for a moment", after=self.breaker.seconds_left)
        try:
            message_id = await self._send(self._payload(phone_number, code, minutes, reference))
        except WhatsAppRefusal as refusal:
            if refusal.verdict is Verdict.RETRY:
                self.breaker.failed()
            else:
                self.breaker.succeeded()
            raise
        self.breaker.succeeded()
        return message_id

    async def _send(self, payload: dict[str, Any]) -> str:
        settings = self._settings
        url = (
            f"{settings.whatsapp_api_base_url}/{settings.whatsapp_api_version}"
            f"/{settings.whatsapp_phone_number_id}/messages"
        )
        headers = {"Authorization": f"Bearer {settings.whatsapp_access_token}"}
        try:
            with upstream("whatsapp", "send_code"):
                async with self._http.post(
                    url, json=payload, headers=headers, timeout=TIMEOUT, allow_redirects=False
                ) as answer:
                    return _message_id(answer.status, await read_answer(answer, most=LARGEST_ANSWER))
        except (aiohttp.ClientError, TimeoutError, OSError, AnswerTooLong) as error:
            raise WhatsAppRefusal(type(error).__name__) from error

    def _payload(self, phone_number: str, code: str, minutes: int, reference: UUID) -> dict[str, Any]:
        """Authentication templates take the code twice, in the body and in the button; the legacy form is
        the three body parameters of the original specification."""
        if self._settings.whatsapp_template_style == "legacy":
            components = [_body(code, APP_NAME, f"{minutes} minutes")]
        else:
            button = {"type": "button", "sub_type": "url", "index": "0", "parameters": [_text(code)]}
            components = [_body(code), button]
        return {
            "messaging_product": "whatsapp",
            "to": phone_number.removeprefix("+"),
            "type": "template",
            "biz_opaque_callback_data": str(reference),
            "template": {
                "name": self._settings.whatsapp_template_name,
                "language": {"code": "en"},
                "components": components,
            },
        }


def _text(value: str) -> dict[str, str]:
    return {"type": "text", "text": value}


def _body(*values: str) -> dict[str, Any]:
    return {"type": "body", "parameters": [_text(value) for value in values]}


def _message_id(status: int, body: bytes) -> str:
    """The id of a message that was taken; a provider's answer is checked like any other input."""
    code = None
    try:
        answer = orjson.loads(body)
        if status == 200:
            message_id = answer["messages"][0]["id"]
            if isinstance(message_id, str) and _MESSAGE_ID.fullmatch(message_id):
                return message_id
        code = int(answer["error"]["code"])
        reason = f"error {code}"
    except (ValueError, KeyError, IndexError, TypeError):
        reason = "an answer we do not understand"
    raise WhatsAppRefusal(f"status {status}, {reason}", verdict_of(status, code))


def is_secret(told: str, secret: str) -> bool:
    """In the same time however much of it is right."""
    return hmac.compare_digest(told.encode("utf-8", "surrogatepass"), secret.encode())


def is_signed(raw: bytes, signature: str, secret: str) -> bool:
    """Whether X-Hub-Signature-256 proves these very bytes."""
    return is_secret(signature, "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest())


def read_statuses(event: dict[str, Any], phone_number_id: str) -> list[dict[str, str | None]]:
    """Id, status and our reference of our messages, of everything a delivery holds.

    What has another shape is not for us. The id of an entry is that of the business account: the number
    stands in the metadata.
    """
    return [
        {"id": status["id"], "status": status["status"], "reference": _reference(status)}
        for entry in _objects(event.get("entry"))
        for change in _objects(entry.get("changes"))
        for value in _objects([change.get("value")])
        for metadata in _objects([value.get("metadata")])
        if metadata.get("phone_number_id") == phone_number_id
        for status in _objects(value.get("statuses"))
        if _is_status(status)
    ]


def _reference(status: dict[str, Any]) -> str | None:
    """What we gave the message along; anything else than an id is not ours."""
    try:
        return str(UUID(status["biz_opaque_callback_data"]))
    except (KeyError, ValueError, AttributeError, TypeError):
        return None


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """The objects of a list; none of anything else."""
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())


def _is_status(told: dict[str, Any]) -> bool:
    message_id, status = told.get("id"), told.get("status")
    return (
        isinstance(message_id, str)
        and isinstance(status, str)
        and status in STATUSES
        and _MESSAGE_ID.fullmatch(message_id) is not None
    )


WHATSAPP = web.AppKey("WHATSAPP", WhatsApp)


async def whatsapp(app: web.Application) -> AsyncIterator[None]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        app[WHATSAPP] = WhatsApp(app[SETTINGS], http)
        yield
