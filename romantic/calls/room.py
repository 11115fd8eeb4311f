"""A room: whoever takes part in one call. Pure memory; nothing here awaits."""

import time
from typing import Any, Protocol
from uuid import UUID

from romantic.errors import RateLimited
from romantic.realtime import Event, Hub, Kind, Socket
from romantic.realtime.events import timestamp

MAX_CANDIDATES = 300


class Participant(Protocol):
    """A party's phone, or the server's own monitor."""

    def send(self, event: Event) -> None:
        """Take the event; never block, never raise."""


class Phone:
    """A party's socket in its seat."""

    def __init__(self, hub: Hub, socket: Socket) -> None:
        self._hub = hub
        self.socket = socket

    def send(self, event: Event) -> None:
        self._hub.send_to(self.socket, event)


class Room:
    """Relays events between the two parties of a call; the monitor hears everything they are told."""

    def __init__(self, call_id: UUID, parties: tuple[UUID, UUID]) -> None:
        self.call_id = call_id
        self.id = f"room_{call_id}"
        self.parties = parties
        self.monitor: Participant | None = None
        self._seats: dict[UUID, Phone] = {}
        self._joined_at: dict[UUID, float] = {}
        self._sessions: dict[UUID, UUID] = {}  # whose phone took the seat last, also while it is empty
        self._missed: set[UUID] = set()  # whose phone was lost in its seat
        self._waiting: dict[UUID, list[Event]] = {party: [] for party in parties}
        self._candidates = dict.fromkeys(parties, 0)

    def other(self, user_id: UUID) -> UUID:
        return self.parties[1] if user_id == self.parties[0] else self.parties[0]

    def is_seated(self, user_id: UUID, socket: Socket | None = None) -> bool:
        """Whether the party sits here, with this very phone where one is named."""
        seat = self._seats.get(user_id)
        return seat is not None and (socket is None or seat.socket is socket)

    def session_of(self, user_id: UUID) -> UUID | None:
        """The session whose phone is, or was last, in the call; None before one joined."""
        seat = self._seats.get(user_id)
        return seat.socket.session_id if seat is not None else self._sessions.get(user_id)

    @property
    def participants(self) -> list[dict[str, Any]]:
        return [{"userId": party, "joinedAt": timestamp(at)} for party, at in self._joined_at.items()]

    def join(self, user_id: UUID, phone: Phone) -> list[Event]:
        """Seat the party and tell the others; returns what was sent to the party before it came.

        A second phone replaces the first; the same phone again changes nothing.
        """
        self._missed.discard(user_id)
        if not self.is_seated(user_id, phone.socket):
            self._seats[user_id] = phone
            self._joined_at[user_id] = time.time()
            self._tell_others(user_id, self._event("user-joined", user_id))
        waiting, self._waiting[user_id] = self._waiting[user_id], []
        return waiting

    def take_back(self, user_id: UUID, phone: Phone) -> list[Event]:
        """Whose phone was lost sits here again, and nobody is told; returns what waited for them."""
        if user_id not in self._missed and not self.is_seated(user_id):
            return []  # they got up themselves
        self._missed.discard(user_id)
        self._seats[user_id] = phone
        self._joined_at.setdefault(user_id, time.time())
        waiting, self._waiting[user_id] = self._waiting[user_id], []
        return waiting

    def leave(self, user_id: UUID, socket: Socket | None = None) -> None:
        """The party gets up, and the others are told."""
        if self.vacate(user_id, socket):
            self._missed.discard(user_id)
            self._tell_others(user_id, self._event("user-left", user_id))

    def vacate(self, user_id: UUID, socket: Socket | None = None) -> bool:
        """The phone is gone, its person may come back: what is sent meanwhile waits for them."""
        if not self.is_seated(user_id, socket):
            return False
        self._sessions[user_id] = self._seats.pop(user_id).socket.session_id
        self._missed.add(user_id)
        del self._joined_at[user_id]
        return True

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
        seat.send(event)
        return True

    def put_aside(self, name: str, payload: dict[str, Any], *, sender: UUID) -> None:
        """What the database still holds for a party that has yet to come, after a restart."""
        self._put_aside(Event(name, {**payload, **self._stamp(sender)}), target=self.other(sender))

    def broadcast(self, event: Event) -> None:
        """Tell everyone seated, the monitor included."""
        for phone in self._seats.values():
            phone.send(event)
        if self.monitor is not None:
            self.monitor.send(event)

    def close(self) -> None:
        self._seats.clear()
        self._joined_at.clear()
        for waiting in self._waiting.values():
            waiting.clear()

    def _tell_others(self, user_id: UUID, event: Event) -> None:
        seat = self._seats.get(self.other(user_id))
        if seat is not None:
            seat.send(event)
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
