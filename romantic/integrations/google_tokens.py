"""Access tokens of a Google service account: had for a signed assertion (RFC 7523), kept until they end."""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from time import monotonic, time
from typing import Any

import aiohttp
import jwt
import orjson

from romantic.integrations.answers import AnswerTooLong, read_answer
from romantic.upstream import upstream

ASSERTION_SECONDS = 3600
#: A token is renewed this long before it ends.
MARGIN_SECONDS = 60.0
LARGEST_ANSWER = 64 * 1024
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class TokenRefused(Exception):
    """No token; `is_passing` if there may be one a moment later. The text is for operators."""

    def __init__(self, reason: str, *, is_passing: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_passing = is_passing


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """The fields of a service account's JSON key that matter here."""

    project_id: str
    client_email: str
    private_key_id: str
    private_key: str
    token_uri: str

    @classmethod
    def of(cls, credentials: str) -> "ServiceAccount":
        """Of text that settings have found to be such a key."""
        key = orjson.loads(credentials)
        return cls(**{name: str(key[name]) for name in cls.__slots__})


class GoogleTokens:
    """The token of one account and scope. Whoever asks while it is being fetched waits for the same one."""

    def __init__(
        self, account: ServiceAccount, scope: str, http: aiohttp.ClientSession, timeout: aiohttp.ClientTimeout
    ) -> None:
        self._account = account
        self._scope = scope
        self._http = http
        self._timeout = timeout
        self._token = ""
        self._ends_at = 0.0
        self._fetching = asyncio.Lock()

    async def get(self, *, but: str = "") -> str:
        """A token valid for a minute at least, and not `but`, which was refused. Raises TokenRefused."""
        async with self._fetching:
            if not self._token or self._token == but or monotonic() >= self._ends_at - MARGIN_SECONDS:
                self._token, seconds = await self._fetch()
                self._ends_at = monotonic() + seconds
            return self._token

    async def _fetch(self) -> tuple[str, float]:
        form = {"grant_type": GRANT, "assertion": self._assertion()}
        try:
            with upstream("fcm", "token"):
                async with self._http.post(
                    self._account.token_uri, data=form, timeout=self._timeout, allow_redirects=False
                ) as answer:
                    return _read_token(answer.status, await read_answer(answer, most=LARGEST_ANSWER))
        except (aiohttp.ClientError, TimeoutError, OSError, AnswerTooLong) as error:
            raise TokenRefused(f"token: {type(error).__name__}", is_passing=True) from error

    def _assertion(self) -> str:
        now, account = int(time()), self._account
        claims = {
            "iss": account.client_email,
            "scope": self._scope,
            "aud": account.token_uri,
            "iat": now,
            "exp": now + ASSERTION_SECONDS,
        }
        return jwt.encode(
            claims, account.private_key, algorithm="RS256", headers={"kid": account.private_key_id}
        )


def _read_token(status: int, body: bytes) -> tuple[str, float]:
    """The token and for how many seconds it is valid; garbage may be gone a moment later."""
    reason = "an answer we do not understand"
    try:
        answer: Any = orjson.loads(body)
        if status == HTTPStatus.OK:
            token, seconds = answer["access_token"], float(answer["expires_in"])
            if isinstance(token, str) and token.isascii() and token.isprintable() and token and seconds > 0:
                return token, seconds
        elif isinstance(answer["error"], str) and status in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED):
            raise TokenRefused(f"token: status {status}, {answer['error'][:60]}", is_passing=False)
    except (ValueError, KeyError, TypeError):
        pass
    raise TokenRefused(f"token: status {status}, {reason}", is_passing=True)
