"""A room: whoever takes part in one call. Pure memory; nothing here awaits."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Protocol, Self
from uuid import UUID

from romantic.errors import RateLimited
from romantic.realtime import Event, Kind
from romantic.realtime.events import timestamp

MAX_CANDIDATES = 300


class Participant(Protocol):
    """The server's own monitor."""

    def send(self, event: Event) -> None:
        """Take the event; never block, never raise."""


@dataclass(frozen=True, slots=True)
class Phone:
    """A party's socket and the node it is connected to; a REST request has no socket."""

    user_id: UUID
    session_id: UUID
    node: str
    conn_id: str | None = None

    def plain(self) -> dict[str, Any]:
        """Fit for JSON: `Phone.of` makes it again."""
        return asdict(self)

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Self:
        ids = {name: UUID(str(plain[name])) for name in ("user_id", "session_id")}
        return cls(node=plain["node"], conn_id=plain["conn_id"], **ids)


#: Hands an event to the phone in a seat; never blocks, never raises.
Deliver = Callable[[Phone, Event], None]


class Room:
    """Relays events between the two parties of a call; the monitor hears everything they are told."""

    def __init__(self, call_id: UUID, parties: tuple[UUID, UUID], deliver: Deliver) -> None:
        self.call_id = call_id
        self.id = f"room_{call_id}"
        self.parties = parties
        self.monitor: Participant | None = None
        self._deliver = deliver
        self._seats: dict[UUID, Phone] = {}
        self._joined_at: dict[UUID, float] = {}
        self._sessions: dict[UUID, UUID] = {}  # whose phone took the seat last, also while it is empty
        self._missed: set[UUID] = set()  # whose phone was lost in its seat
        self._waiting: dict[UUID, list[Event]] = {party: [] for party in parties}
        self._candidates = dict.fromkeys(parties, 0)

    def other(self, user_id: UUID) -> UUID:
        return self.parties[1] if user_id == self.parties[0] else self.parties[0]

    def is_seated(self, phone: Phone) -> bool:
        """Whether this very phone sits here."""
        return self._seats.get(phone.user_id) == phone

    def seat_of(self, user_id: UUID) -> Phone | None:
        return self._seats.get(user_id)

    def session_of(self, user_id: UUID) -> UUID | None:
        """The session whose phone is, or was last, in the call; None before one joined."""
        return self._sessions.get(user_id)

    @property
    def participants(self) -> list[dict[str, Any]]:
        return [{"userId": party, "joinedAt": timestamp(at)} for party, at in self._joined_at.items()]

    def join(self, phone: Phone) -> list[Event]:
        """Seat the party and tell the others; returns what was sent to the party before it came.

        A second phone replaces the first; the same phone again changes nothing.
        """
        user_id = phone.user_id
        self._missed.discard(user_id)
        if not self.is_seated(phone):
            self._sit(phone)
            self._tell_others(user_id, self._event("user-joined", user_id))
        waiting, self._waiting[user_id] = self._waiting[user_id], []
        return waiting

    def sit_again(self, phone: Phone) -> None:
        """Whose phone was lost, or sat here under another keeper, is back: nobody hears of it, and it gets
        what was sent meanwhile. Not for another session, nor for who got up."""
        user_id, session_id = phone.user_id, self.session_of(phone.user_id)
        is_missed = user_id in self._missed or user_id in self._seats
        if session_id is not None and not (session_id == phone.session_id and is_missed):
            return
        self._missed.discard(user_id)
        if not self.is_seated(phone):
            self._sit(phone)
            if self.monitor is not None:
                self.monitor.send(self._event("user-joined", user_id))
        waiting, self._waiting[user_id] = self._waiting[user_id], []
        for event in waiting:
            self._deliver(phone, event)

    def leave(self, phone: Phone) -> None:
        """The party gets up, and the others are told."""
        if self.vacate(phone):
            self._missed.discard(phone.user_id)
            self._tell_others(phone.user_id, self._event("user-left", phone.user_id))

    def vacate(self, phone: Phone) -> bool:
        """The phone is gone, its person may come back: what is sent meanwhile waits for them."""
        if not self.is_seated(phone):
            return False
        del self._seats[phone.user_id]
        del self._joined_at[phone.user_id]
        self._missed.add(phone.user_id)
        return True

    def _sit(self, phone: Phone) -> None:
        self._seats[phone.user_id] = phone
        self._sessions[phone.user_id] = phone.session_id
        self._joined_at[phone.user_id] = time.time()

    def relay(self, name: str, payload: dict[str, Any], *, sender: UUID) -> bool:
        """Hand the event to the other party, stamped with who sent it; False if it has to wait there."""
        if name == "ice-candidate":
            self._count_candidates(sender, payload["candidate"])
        event = Event(name, {**payload, **self._stamp(sender)}, Kind.WITH_CALL)
        if self.monitor is not None:
            self.monitor.send(event)
        target = self.other(sender)
        seat = self._seats.get(target)
        if seat is None:
            self._put_aside(event, target=target)
            return False
        self._deliver(seat, event)
        return True

    def waiting_for(self, user_id: UUID) -> list[Event]:
        """What the party will get when it comes."""
        return self._waiting[user_id]

    def keep_waiting(self, user_id: UUID, event: Event) -> None:
        """Another keeper had this for a party that has yet to come."""
        self._put_aside(event, target=user_id)

    def put_aside(self, name: str, payload: dict[str, Any], *, sender: UUID) -> None:
        """What the database still holds for a party that has yet to come, after a restart."""
        self._put_aside(Event(name, {**payload, **self._stamp(sender)}), target=self.other(sender))

    def close(self) -> None:
        self._seats.clear()
        self._joined_at.clear()
        for waiting in self._waiting.values():
            waiting.clear()

    def _tell_others(self, user_id: UUID, event: Event) -> None:
        seat = self._seats.get(self.other(user_id))
        if seat is not None:
            self._deliver(seat, event)
        if self.monitor is not None:
            self.monitor.send(event)

    def _put_aside(self, event: Event, *, target: UUID) -> None:
        """Keep it for who is not there. A new offer supersedes the one that waits, and its candidates."""
        waiting = self._waiting[target]
        names = [kept.name for kept in waiting]
        if event.name != "ice-candidate" and event.name in names:
            first = names.index(event.name)
            is_offer = event.name == "webrtc-offer"
            del waiting[first : None if is_offer else first + 1]
        waiting.append(event)

    def _event(self, name: str, user_id: UUID) -> Event:
        data = {"userId": user_id, "roomId": self.id, "callId": self.call_id}
        return Event(name, data, Kind.WITH_CALL)

    def _stamp(self, sender: UUID) -> dict[str, Any]:
        return {"fromUserId": sender, "roomId": self.id, "callId": self.call_id}

    def _count_candidates(self, sender: UUID, candidate: Any) -> None:
        self._candidates[sender] += len(candidate) if isinstance(candidate, list) else 1
        if self._candidates[sender] > MAX_CANDIDATES:
            raise RateLimited("Too many ICE candidates for one call.", limit=MAX_CANDIDATES)
