"""Addresses of private files that this server hands out itself: each opens one file, until a moment."""

import hashlib
import hmac
import time
from collections.abc import Iterable
from urllib.parse import urlencode

PURPOSE = b"romantic: address of a private file"


class UrlSigner:
    """Signs with the first of the secrets and believes all of them, so that they can be replaced."""

    def __init__(self, secrets: Iterable[str]) -> None:
        # A key for this purpose alone: no signature of anything else is one of an address.
        self._keys = [hmac.digest(secret.encode(), PURPOSE, hashlib.sha256) for secret in secrets]

    def query(self, key: str, *, seconds: float) -> str:
        """The query string that opens the file for so long."""
        expires = int(time.time() + seconds)
        return urlencode({"expires": expires, "signature": self._signature(self._keys[0], key, expires)})

    def admits(self, key: str, *, expires: int, signature: str) -> bool:
        """Whether we signed this, and it is not too late."""
        given = signature.encode()
        known = [
            hmac.compare_digest(given, self._signature(secret, key, expires).encode())
            for secret in self._keys
        ]
        return any(known) and time.time() < expires

    def _signature(self, secret: bytes, key: str, expires: int) -> str:
        return hmac.new(secret, f"{expires}\n{key}".encode(), hashlib.sha256).hexdigest()
