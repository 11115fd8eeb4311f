"""What a node keeps in memory of a call that has to do with its phones, whoever keeps the call."""

from collections import deque
from uuid import UUID

from romantic.calls.evidence import Via
from romantic.calls.leg import Legs
from romantic.calls.room import Phone
from romantic.db import Row
from romantic.realtime import Event, Hub, Kind
from romantic.rtc import Beat

MOST_BEATS = 60  # that wait to be told to the keeper: half a minute of both parties


class KnownCall:
    """A live call as this node knows it; the truth about it is in the database.

    `term` counts its keepers: what is written with an old one is refused. `seated` are the phones of this
    node that have joined its room.
    """

    def __init__(self, call: Row, *, hub: Hub, beat_seconds: float) -> None:
        self.id: UUID = call["id"]
        self.caller_id: UUID = call["caller_id"]
        self.receiver_id: UUID = call["receiver_id"]
        self.call_type: str = call["call_type"]
        self.answered: bool = call["status"] == "answered"
        self.metered_by: str = call["metered_by"]
        self.term: int = call["meter_term"]
        self.seated: dict[UUID, Phone] = {}
        self.over_at: float | None = None  # when it was found to be over, and nobody had said so
        self._hub = hub
        self.legs = Legs(self.parties, interval=beat_seconds, ping=self._ping)

    @property
    def parties(self) -> tuple[UUID, UUID]:
        return self.caller_id, self.receiver_id

    @property
    def room_id(self) -> str:
        return f"room_{self.id}"

    @property
    def status(self) -> str:
        return "answered" if self.answered else "ringing"

    def adopt(self, before: "KnownCall") -> None:
        """Take over what belongs to this node, not to the keeper: its phones, and their paths to it."""
        self.seated, self.legs = before.seated, before.legs

    def touch(self, user_id: UUID, *, at: float) -> None:
        """A party did something about the call at this monotonic instant: evidence E1."""
        raise NotImplementedError

    def _ping(self, user_id: UUID, n: int) -> None:
        """Over the sockets of this node: the answer has to come back here."""
        event = Event("monitor-ping", {"callId": self.id, "n": n}, Kind.VOLATILE)
        for socket in self._hub.sockets_of(user_id):
            self._hub.send_to(socket, event)


class Outpost(KnownCall):
    """A call that another node keeps, or nobody yet: what its parties show here is told to the keeper."""

    def __init__(self, call: Row, *, hub: Hub, beat_seconds: float) -> None:
        super().__init__(call, hub=hub, beat_seconds=beat_seconds)
        self.keeper: str | None = call["meter_node"]
        self.beats: deque[tuple[UUID, Beat, Via]] = deque(maxlen=MOST_BEATS)
        self.touched: dict[UUID, float] = {}
        self.seen: dict[UUID, dict[str, float]] = {}  # as it was last told
        self.told_keeper: int | None = None  # the term in which this keeper was told who sits here
        self.legs.hear = self.hear

    def adopt(self, before: KnownCall) -> None:
        super().adopt(before)
        self.legs.hear = self.hear

    def touch(self, user_id: UUID, *, at: float) -> None:
        self.touched[user_id] = max(at, self.touched.get(user_id, at))

    def hear(self, user_id: UUID, beat: Beat, via: Via) -> None:
        """Evidence E2, for the keeper."""
        self.beats.append((user_id, beat, via))
