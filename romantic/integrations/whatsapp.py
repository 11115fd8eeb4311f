"""WhatsApp Cloud API: sending a one-time code by template message, and reading what became of it."""

import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from romantic.settings import SETTINGS, Settings

APP_NAME = "Romantic"
LARGEST_ANSWER = 1024 * 1024
TIMEOUT = aiohttp.ClientTimeout(total=5)
STATUSES = frozenset(("sent", "delivered", "read", "failed"))

_MESSAGE_ID = re.compile("[!-~]{1,100}")


class WhatsAppRefusal(Exception):
    """WhatsApp did not take the message; the text is for operators and holds no number or code."""


class WhatsApp:
    """One HTTP session towards the Graph API; redirects are not followed."""

    def __init__(self, settings: Settings, http: aiohttp.ClientSession) -> None:
        self._settings = settings
        self._http = http

    async def send_code(self, phone_number: str, code: str, *, minutes: int) -> str:
        """The provider's message id; raises WhatsAppRefusal."""
        settings = self._settings
        url = (
            f"{settings.whatsapp_api_base_url}/{settings.whatsapp_api_version}"
            f"/{settings.whatsapp_phone_number_id}/messages"
        )
        headers = {"Authorization": f"Bearer {settings.whatsapp_access_token}"}
        payload = self._payload(phone_number, code, minutes)
        try:
            async with self._http.post(
                url, json=payload, headers=headers, timeout=TIMEOUT, allow_redirects=False
            ) as answer:
                return _message_id(answer.status, await _read(answer))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise WhatsAppRefusal(type(error).__name__) from error

    def _payload(self, phone_number: str, code: str, minutes: int) -> dict[str, Any]:
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


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    """The whole body; StreamReader.read(n) would return whatever came with the first packet."""
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > LARGEST_ANSWER:
            raise WhatsAppRefusal(f"status {answer.status}, more than {LARGEST_ANSWER} bytes")
    return bytes(body)


def _message_id(status: int, body: bytes) -> str:
    """The id of a message that was taken; a provider's answer is checked like any other input."""
    try:
        answer = orjson.loads(body)
        if status == 200:
            message_id = answer["messages"][0]["id"]
            if isinstance(message_id, str) and _MESSAGE_ID.fullmatch(message_id):
                return message_id
        reason = f"error {int(answer['error']['code'])}"
    except (ValueError, KeyError, IndexError, TypeError):
        reason = "an answer we do not understand"
    raise WhatsAppRefusal(f"status {status}, {reason}")


def is_secret(told: str, secret: str) -> bool:
    """In the same time however much of it is right."""
    return hmac.compare_digest(told.encode("utf-8", "surrogatepass"), secret.encode())


def is_signed(raw: bytes, signature: str, secret: str) -> bool:
    """Whether X-Hub-Signature-256 proves these very bytes."""
    return is_secret(signature, "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest())


def read_statuses(event: dict[str, Any], phone_number_id: str) -> list[dict[str, str]]:
    """Id and status of our messages, of everything a delivery holds; what has another shape is not for us.

    The id of an entry is that of the business account: the number stands in the metadata.
    """
    return [
        {"id": status["id"], "status": status["status"]}
        for entry in _objects(event.get("entry"))
        for change in _objects(entry.get("changes"))
        for value in _objects([change.get("value")])
        for metadata in _objects([value.get("metadata")])
        if metadata.get("phone_number_id") == phone_number_id
        for status in _objects(value.get("statuses"))
        if _is_status(status)
    ]


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
