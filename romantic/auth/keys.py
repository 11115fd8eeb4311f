"""API keys: how a robot proves who it is. A key is shown once; the database holds its SHA-256."""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Self
from uuid import UUID, uuid4

#: Secret scanners and people tell a key by it.
PREFIX = "rmk_"
_SHAPE = re.compile(rf"{PREFIX}([0-9a-f]{{32}})_([\w-]{{43}})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Key:
    """An API key: the id of the session it is, and 256 random bits."""

    session_id: UUID
    secret: str

    @classmethod
    def new(cls) -> Self:
        return cls(uuid4(), secrets.token_urlsafe(32))

    @classmethod
    def read(cls, text: str) -> Self | None:
        """The key behind a text; None for what has another shape, such as an access token."""
        found = _SHAPE.fullmatch(text)
        return cls(UUID(hex=found[1]), found[2]) if found else None

    def __str__(self) -> str:
        return f"{PREFIX}{self.session_id.hex}_{self.secret}"

    @property
    def hash(self) -> bytes:
        return hashlib.sha256(self.secret.encode()).digest()

    def matches(self, stored: bytes | None) -> bool:
        return stored is not None and hmac.compare_digest(self.hash, bytes(stored))
