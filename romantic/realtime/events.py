"""What travels on a socket: events, their delivery class, and the codes a socket is closed with."""

import enum
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from romantic.http.envelope import encode


class Kind(enum.Enum):
    """What happens to an event nobody was there to receive."""

    RECOVERABLE = "R"
    WITH_CALL = "K"  # recoverable while its call lives
    VOLATILE = "V"


@dataclass(frozen=True, slots=True)
class Event:
    """One named message from the server; `data` is JSON in camelCase."""

    name: str
    data: dict[str, Any]
    kind: Kind = Kind.RECOVERABLE

    def frame(self) -> bytes:
        """The bytes on the wire; recoverable events are given their number in their person's stream."""
        return encode({"event": self.name, "data": self.data, "ts": timestamp()})


class CloseCode(enum.IntEnum):
    """Why the server hangs up. 40xx: come back; 44xx: not before the cause is fixed."""

    NORMAL = 1000
    BAD_WEBSOCKET = 1002
    NOT_TEXT = 1003
    NOT_UTF8 = 1007
    TOO_BIG = 1009
    INTERNAL = 1011
    RECONNECT = 4000
    SLOW_CONSUMER = 4008
    DRAINING = 4012
    FLOOD = 4029
    PROTOCOL = 4400
    UNAUTHORIZED = 4401
    BLOCKED = 4403
    NO_AUTH = 4408
    REPLACED = 4409
    REVOKED = 4410
    TOO_MANY = 4429


def timestamp(at: float | None = None) -> str:
    """Milliseconds, as every `ts` and every instant on the socket has them."""
    moment = datetime.fromtimestamp(time.time() if at is None else at, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
