"""What a phone is told while no app is open on it, and who carries it there."""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from aiohttp import web

from romantic.integrations.breaker import Breaker

PLATFORMS = ("android", "ios", "web")


@dataclass(frozen=True, slots=True)
class Push:
    """Data only: the app on the phone decides what it shows.

    Of pushes with one `collapse` key that wait for a phone, the newest is enough. At most 4 KB of data.
    """

    data: dict[str, str]
    ttl: int  # seconds after which nobody wants it any more
    is_urgent: bool = False  # wakes a sleeping phone
    collapse: str | None = None  # at most 32 characters of URL-safe Base64


class Verdict(Enum):
    """What a refusal means for the next try."""

    RETRY = "retry"  # the service is busy or away
    FORGET = "unregistered"  # there is no such phone any more
    REFUSED = "refused"  # this very message is not right, and never will be
    STOP = "stop"  # our account or project is at fault: nobody will be reached until we act


class PushRefusal(Exception):
    """The service did not take the message; the text is for operators and holds no token.

    `after` is how many seconds it asked to be left alone.
    """

    def __init__(self, reason: str, verdict: Verdict = Verdict.RETRY, *, after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.verdict = verdict
        self.after = after


class PushSender(Protocol):
    """Anything that carries pushes.

    FCM does for all platforms; one for the VoIP tokens of Apple's PushKit would stand beside it under a
    platform of its own.
    """

    breaker: Breaker

    async def send(self, push: Push, *, token: str, platform: str) -> str:
        """The service's message id; raises PushRefusal."""
        ...


#: Who carries to which platform; empty without a push service.
SENDERS = web.AppKey[dict[str, PushSender]]("SENDERS")
