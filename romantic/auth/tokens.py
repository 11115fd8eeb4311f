"""Access tokens (JWT, RFC 7519 and RFC 8725) and refresh tokens derived from their session.

A refresh token is kid.session.counter.mac, where mac = HMAC-SHA-256(key, session.counter). The database
holds the counter only, so a dump contains no token, and the successor of a token can be told twice
(a lost answer on a mobile network is not theft).
"""

import base64
import hashlib
import hmac
import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import jwt

from romantic.errors import Unauthorized

ISSUER = "romantic"
AUDIENCE = "app"
TYPE = "at+jwt"
LEEWAY = 10
_REMEMBERED = 50_000
_REQUIRED = ["iss", "aud", "sub", "sid", "jti", "scope", "iat", "exp"]


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified access token says. `scope` is `user`, or `register` before there is a user."""

    session_id: UUID
    scope: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class RefreshToken:
    session_id: UUID
    counter: int


class Tokens:
    """Signs with the first key, verifies with all, and remembers what it has verified."""

    def __init__(self, keys: dict[str, str], *, access_ttl: float) -> None:
        self._keys = keys
        self._signing = next(iter(keys))
        self.access_ttl = access_ttl
        self._verified: dict[str, Claims] = {}

    def access(self, *, session_id: UUID, counter: int, user_id: UUID | None, issued_at: float) -> str:
        """The same session, counter and instant give the same token."""
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(user_id or session_id),
            "sid": str(session_id),
            "jti": f"{session_id.hex[:12]}.{counter}.{int(issued_at)}",
            "scope": "user" if user_id else "register",
            "iat": int(issued_at),
            "exp": int(issued_at + self.access_ttl),
        }
        headers = {"kid": self._signing, "typ": TYPE}
        return jwt.encode(claims, self._keys[self._signing], algorithm="HS256", headers=headers)

    def verify(self, token: str) -> Claims:
        """Check a token once and remember it until it expires; raises Unauthorized."""
        claims = self._verified.get(token)
        if claims is None:
            claims = self._decode(token)
            if len(self._verified) >= _REMEMBERED:
                self._verified.clear()
            self._verified[token] = claims
        if claims.expires_at + LEEWAY < time.time():
            self._verified.pop(token, None)
            raise Unauthorized("The access token has expired.")
        return claims

    def _decode(self, token: str) -> Claims:
        try:
            header = jwt.get_unverified_header(token)
            if header.get("typ") != TYPE:
                raise Unauthorized
            claims: dict[str, Any] = jwt.decode(
                token,
                self._keys[header["kid"]],
                algorithms=["HS256"],
                audience=AUDIENCE,
                issuer=ISSUER,
                leeway=LEEWAY,
                options={"require": _REQUIRED},
            )
            return Claims(UUID(claims["sid"]), str(claims["scope"]), float(claims["exp"]))
        except (jwt.InvalidTokenError, KeyError, ValueError, TypeError):
            raise Unauthorized("The access token is not valid.") from None

    def refresh(self, *, session_id: UUID, counter: int) -> str:
        body = f"{self._signing}.{session_id.hex}.{counter}"
        return f"{body}.{self._mac(self._signing, session_id, counter)}"

    def read_refresh(self, token: str) -> RefreshToken:
        """The session and counter of a token we once issued; raises Unauthorized for any other text."""
        try:
            kid, session, counter, mac = token.split(".")
            parsed = RefreshToken(UUID(hex=session), int(counter))
            expected = self._mac(kid, parsed.session_id, parsed.counter)
        except (ValueError, KeyError, OverflowError):
            raise Unauthorized("The refresh token is not valid.") from None
        if not hmac.compare_digest(mac.encode(), expected.encode()):
            raise Unauthorized("The refresh token is not valid.")
        return parsed

    def _mac(self, kid: str, session_id: UUID, counter: int) -> str:
        message = b"refresh|" + session_id.bytes + counter.to_bytes(8, "big")
        digest = hmac.digest(self._keys[kid].encode(), message, hashlib.sha256)
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
