"""The server to look at, as its address on the command line says."""

from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Target:
    """Where the API lives: `url` without a slash at its end."""

    scheme: str
    host: str
    port: int
    url: str

    @classmethod
    def read(cls, text: str) -> Self:
        """http or https, a host, perhaps a port and a path; raises ValueError with a sentence."""
        parts = urlsplit(text if "://" in text else f"https://{text}")
        if parts.scheme not in PORTS or not parts.hostname:
            raise ValueError(f"{text!r} is no address: https://api.example.com")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("an address without user, password, query and fragment")
        return cls(
            parts.scheme, parts.hostname, parts.port or PORTS[parts.scheme], parts.geturl().rstrip("/")
        )
