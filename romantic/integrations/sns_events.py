"""What Amazon SNS posts to an HTTPS subscription: whether it is theirs, and what it tells of a text message.

docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html. Anybody may own a topic, and SNS
signs for all of them: only ours is listened to. Its attribute SignatureVersion must be 2 (SHA-256).
"""

import base64
import binascii
import re
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from aiohttp import web
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from romantic.integrations.answers import AnswerTooLong, read_answer
from romantic.settings import SETTINGS, Settings
from romantic.upstream import upstream

TIMEOUT = aiohttp.ClientTimeout(total=5)
LARGEST_CERTIFICATE = 64 * 1024
MOST_CERTIFICATES = 8

_AMAZON = re.compile(r"https://sns\.[a-z0-9-]{4,30}\.amazonaws\.com(\.cn)?/[^\s#]{1,2000}", re.ASCII)
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": (
        "Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type",
    ),
}  # fmt: skip

#: Of AWS End User Messaging (eventType) and of SNS's own delivery log (status).
DELIVERED = frozenset(("TEXT_DELIVERED", "SUCCESS"))
UNDERWAY = frozenset(("TEXT_PENDING", "TEXT_QUEUED", "TEXT_SENT", "TEXT_SUCCESSFUL"))


class NoteRefused(Exception):
    """Not signed by Amazon, or not of our topic."""


class NoteUnproven(Exception):
    """Amazon's certificate could not be fetched; the note may be good."""


class SnsNotes:
    """The certificates SNS signs with, by address."""

    def __init__(self, settings: Settings, http: aiohttp.ClientSession) -> None:
        self._topic = settings.sms_status_topic_arn
        self._stand_in = settings.aws_endpoint_url_sns
        self._http = http
        self._keys: dict[str, rsa.RSAPublicKey] = {}

    async def verify(self, note: dict[str, Any]) -> str:
        """The type of a note that is Amazon's, about our topic. Raises NoteRefused, NoteUnproven."""
        kind = note.get("Type")
        if kind not in _SIGNED or note.get("TopicArn") != self._topic or note.get("SignatureVersion") != "2":
            raise NoteRefused
        signed = [(name, note.get(name)) for name in _SIGNED[kind] if name in note or name != "Subject"]
        if not all(isinstance(value, str) for _, value in signed):
            raise NoteRefused
        content = "".join(f"{name}\n{value}\n" for name, value in signed)
        key = await self._key(note.get("SigningCertURL"))
        try:
            signature = base64.b64decode(str(note.get("Signature")), validate=True)
            key.verify(signature, content.encode(), padding.PKCS1v15(), SHA256())
        except (InvalidSignature, binascii.Error, ValueError):
            raise NoteRefused from None
        return str(kind)

    async def confirm(self, note: dict[str, Any]) -> None:
        """Say yes to a subscription of our own topic; raises NoteRefused, NoteUnproven."""
        await self._get(note["SubscribeURL"])

    async def _key(self, url: Any) -> rsa.RSAPublicKey:
        if isinstance(url, str) and url in self._keys:
            return self._keys[url]
        try:
            key = x509.load_pem_x509_certificate(await self._get(url)).public_key()
        except ValueError:
            raise NoteUnproven from None
        if not isinstance(key, rsa.RSAPublicKey):
            raise NoteRefused
        if len(self._keys) >= MOST_CERTIFICATES:
            self._keys.clear()
        self._keys[url] = key
        return key

    async def _get(self, url: Any) -> bytes:
        """Only from Amazon: whoever writes to us must not choose whom we ask."""
        if not isinstance(url, str) or not self._is_amazon(url):
            raise NoteRefused
        try:
            with upstream("sns", "certificate"):
                async with self._http.get(url, timeout=TIMEOUT, allow_redirects=False) as answer:
                    answer.raise_for_status()
                    return await read_answer(answer, most=LARGEST_CERTIFICATE)
        except (aiohttp.ClientError, OSError, TimeoutError, AnswerTooLong) as error:
            raise NoteUnproven from error

    def _is_amazon(self, url: str) -> bool:
        is_stand_in = bool(self._stand_in) and url.startswith(f"{self._stand_in.rstrip('/')}/")
        return is_stand_in or _AMAZON.fullmatch(url) is not None


def read_status(told: dict[str, Any]) -> dict[str, str | None] | None:
    """What a notification says of one text message, or None for what says nothing."""
    about = told.get("notification")
    message_id = about.get("messageId") if isinstance(about, dict) else told.get("messageId")
    word = told.get("status") if isinstance(about, dict) else told.get("eventType")
    if not isinstance(message_id, str) or not isinstance(word, str) or not 0 < len(message_id) <= 100:
        return None
    status = "delivered" if word in DELIVERED else "sent" if word in UNDERWAY else "failed"
    return {"id": message_id, "status": status, "reference": None}


SNS_NOTES = web.AppKey("SNS_NOTES", SnsNotes)


async def sns_notes(app: web.Application) -> AsyncIterator[None]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        app[SNS_NOTES] = SnsNotes(app[SETTINGS], http)
        yield
