"""AdMob server-side verification: was this callback signed by Google."""

import asyncio
import base64
import binascii
import re
from collections.abc import AsyncIterator
from time import monotonic
from typing import Any

import aiohttp
import orjson
import structlog
from aiohttp import web
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from romantic.integrations.answers import read_answer
from romantic.integrations.breaker import Breaker
from romantic.settings import SETTINGS, Settings
from romantic.upstream import upstream

log = structlog.get_logger()

KEYS_SECONDS = 86_400.0
REFETCH_SECONDS = 60.0
#: After a fetch that failed: Google's callbacks are repeated, and its keys may be back.
RETRY_SECONDS = 3.0
TIMEOUT = aiohttp.ClientTimeout(total=5)
LARGEST_ANSWER = 256 * 1024

#: The signature and the key id are the last two parameters, in this order.
_SIGNED = re.compile(
    r"(?P<content>.+)&signature=(?P<signature>[\w-]+={0,2})&key_id=(?P<key_id>\d{1,20})", re.ASCII
)

Keys = dict[str, ec.EllipticCurvePublicKey]


class CallbackRefused(Exception):
    """Not signed by a key of Google's."""


class KeysUnavailable(Exception):
    """Google's keys could not be fetched; the callback may be good."""


class AdMob:
    """The verifier keys, kept for a day; an unknown key id fetches them anew, once a minute at most."""

    def __init__(self, settings: Settings, http: aiohttp.ClientSession) -> None:
        self._url = settings.admob_keys_url
        self._http = http
        self._keys: Keys = {}
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._rest = REFETCH_SECONDS
        self._fetching = asyncio.Lock()
        self.breaker = Breaker(failures=1)

    async def verify(self, query: str) -> str:
        """The signed part of a raw query string; raises CallbackRefused, KeysUnavailable."""
        match = _SIGNED.fullmatch(query)
        if match is None:
            raise CallbackRefused
        key = await self._key(match["key_id"])
        text = match["signature"].rstrip("=")
        try:
            signature = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            key.verify(signature, match["content"].encode(), ec.ECDSA(SHA256()))
        except (InvalidSignature, binascii.Error, ValueError):
            raise CallbackRefused from None
        return match["content"]

    async def _key(self, key_id: str) -> ec.EllipticCurvePublicKey:
        # Callbacks that come while the keys are being fetched wait for them.
        async with self._fetching:
            now = monotonic()
            is_missing = self._is_old(now) or key_id not in self._keys
            if is_missing and now - self._tried_at >= self._rest:
                self._tried_at = now
                await self._fetch()
        if self._is_old(monotonic()):
            raise KeysUnavailable
        if key_id not in self._keys:
            raise CallbackRefused
        return self._keys[key_id]

    def _is_old(self, now: float) -> bool:
        return now - self._fetched_at >= KEYS_SECONDS

    async def _fetch(self) -> None:
        """Replace the keys; without an answer the ones we have stay until their day is over."""
        try:
            with upstream("admob", "keys"):
                async with self._http.get(self._url, timeout=TIMEOUT, allow_redirects=False) as answer:
                    answer.raise_for_status()
                    body = await read_answer(answer, most=LARGEST_ANSWER)
            self._keys, self._fetched_at = _keys(orjson.loads(body)), monotonic()
            self._rest = REFETCH_SECONDS
            self.breaker.succeeded()
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, KeyError, TypeError) as error:
            self._rest = RETRY_SECONDS
            self.breaker.failed()
            log.warning("admob.keys_unavailable", reason=type(error).__name__)


def _keys(answer: Any) -> Keys:
    """Elliptic curve keys only; a key of another kind is no reason to lose the others."""
    keys: Keys = {}
    for row in answer["keys"]:
        try:
            key = load_pem_public_key(row["pem"].encode())
        except (ValueError, UnsupportedAlgorithm):
            continue
        if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
            keys[str(row["keyId"])] = key
    return keys


ADMOB = web.AppKey("ADMOB", AdMob)


async def admob(app: web.Application) -> AsyncIterator[None]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        app[ADMOB] = AdMob(app[SETTINGS], http)
        yield
