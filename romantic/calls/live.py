"""The live calls of this process: their rooms, their monitors, and which call a person is in."""

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict
from time import monotonic
from typing import Any
from uuid import UUID

from aiohttp import web

from romantic.calls.evidence import MeterRules
from romantic.calls.meter import Change, Meter, Snapshot
from romantic.calls.monitor import Monitor
from romantic.calls.quality import Quality
from romantic.calls.room import Room
from romantic.db import Row
from romantic.realtime import Event, Hub, Kind
from romantic.settings import Settings


class LiveCall:
    """What this process keeps in memory about one call; the truth about it is in the database."""

    def __init__(self, call: Row, *, hub: Hub, rules: MeterRules, beat_seconds: float) -> None:
        self.id: UUID = call["id"]
        self.caller_id: UUID = call["caller_id"]
        self.receiver_id: UUID = call["receiver_id"]
        self.call_type: str = call["call_type"]
        self.billing: str = call["billing"]
        self.price: int = call["price"]
        self.block_seconds: float = call["block_seconds"]
        self.max_seconds: float = call["max_seconds"]
        self.blocks_charged: int = call["blocks_charged"]
        self.answered: bool = call["status"] == "answered"
        self.metered_by: str = call["metered_by"]
        self.balance: int | None = None
        self.changes: deque[Change] = deque()  # moves of the meter that are not committed yet
        self.warnings: set[tuple[str, int]] = set()
        self.saved_at = self.told_at = 0.0
        self.told_levels: tuple[str, ...] = ()
        self.lock = asyncio.Lock()
        self._hub = hub
        parties = (self.caller_id, self.receiver_id)
        self._rules = rules
        self.room = Room(self.id, parties)
        meter = _meter(call, parties, rules)
        self.monitor = Monitor(meter, parties, interval=beat_seconds, ping=self._ping, judge=self._judge)
        self.room.monitor = self.monitor
        self._recall(call)

    @property
    def parties(self) -> tuple[UUID, UUID]:
        return self.caller_id, self.receiver_id

    @property
    def status(self) -> str:
        return "answered" if self.answered else "ringing"

    @property
    def meter(self) -> Meter:
        return self.monitor.meter

    @property
    def levels(self) -> tuple[str, ...]:
        """Of both people, in the order of the parties."""
        return tuple(self.meter.level(party) for party in self.parties)

    @property
    def evidence_level(self) -> str | None:
        """The weaker of the two; None for a call that never connected."""
        if self.meter.started_at is None:
            return None
        return "E2" if all(self.meter.level(party) == "E2" for party in self.parties) else "E1"

    def meter_by_evidence(self, call: Row) -> None:
        """Somebody opened a socket: from what the wall clock has counted, the meter wants proof of both."""
        if self.metered_by != "evidence" and call["meter"]:
            self.monitor.meter = _meter(call, self.parties, self._rules)
        self.metered_by = "evidence"

    def heard_at(self, user_id: UUID) -> float | None:
        """When the party's phone was last heard of: the one in the call, or any before one has joined."""
        return self._hub.last_seen(user_id, session_id=self.room.session_of(user_id))

    def tell(self, event: Event) -> None:
        """Tell every phone of both people, in the room or not."""
        for party in self.parties:
            self._hub.send(party, event)

    def snapshot(self) -> dict[str, Any]:
        return asdict(self.meter.snapshot(at=monotonic()))

    def _ping(self, user_id: UUID, n: int) -> None:
        self._hub.send(user_id, Event("monitor-ping", {"callId": self.id, "n": n}, Kind.VOLATILE))

    def _judge(self, user_id: UUID, quality: Quality) -> None:
        data = {
            "callId": self.id,
            "userId": user_id,
            "level": quality.level,
            "score": quality.mos,
            "rttMs": quality.rtt_ms,
            "lossPct": quality.loss_pct,
        }
        self.tell(Event("call-quality", data, Kind.VOLATILE))

    def _recall(self, call: Row) -> None:
        """Take up the stored offer and answer; what its receiver may not have seen waits for them."""
        offer, answer = call.get("webrtc_offer"), call.get("webrtc_answer")
        if offer:
            self.monitor.send(Event("webrtc-offer", {}))
        if answer:
            self.monitor.send(Event("webrtc-answer", {}))
        if call["started_at"] is None and answer:
            payload = {"answer": {"type": "answer", "sdp": answer}}
            self.room.put_aside("webrtc-answer", payload, sender=self.receiver_id)
        elif call["started_at"] is None and offer:
            payload = {"offer": {"type": "offer", "sdp": offer}}
            self.room.put_aside("webrtc-offer", payload, sender=self.caller_id)


def _meter(call: Row, parties: tuple[UUID, UUID], rules: MeterRules) -> Meter:
    """A fresh meter, or the one another process has written down."""
    if call.get("meter"):
        snapshot = Snapshot(**{**call["meter"], "levels": tuple(call["meter"]["levels"])})
        return Meter.restore(parties, rules, snapshot, at=monotonic())
    return Meter(parties, rules, ringing=call["status"] != "answered")


class LiveCalls:
    """The calls of this process by id and by person; a person is in one at most."""

    def __init__(self, settings: Settings, hub: Hub) -> None:
        self._hub = hub
        self._beat_seconds = settings.monitor_beat_seconds
        self._rules = MeterRules(
            suspect_seconds=settings.call_suspect_seconds,
            disconnect_seconds=settings.call_disconnect_seconds,
            dead_seconds=settings.monitor_dead_seconds,
            grace_seconds=settings.monitor_grace_seconds,
            flow_seconds=settings.monitor_flow_seconds,
            require_monitor=settings.monitor_mode == "require",
        )
        self._by_id: dict[UUID, LiveCall] = {}
        self._by_user: dict[UUID, LiveCall] = {}

    def __iter__(self) -> Iterator[LiveCall]:
        return iter(tuple(self._by_id.values()))

    def __len__(self) -> int:
        return len(self._by_id)

    def open(self, call: Row) -> LiveCall:
        """The call's place in memory, made if this is the first this process hears of it."""
        live = self._by_id.get(call["id"])
        if live is None:
            live = self._by_id[call["id"]] = LiveCall(
                call, hub=self._hub, rules=self._rules, beat_seconds=self._beat_seconds
            )
            for party in live.parties:
                self._by_user[party] = live
            if live.answered:
                self._hub.in_call.update(live.parties)
        return live

    def get(self, call_id: UUID) -> LiveCall | None:
        return self._by_id.get(call_id)

    def of_user(self, user_id: UUID) -> LiveCall | None:
        return self._by_user.get(user_id)

    def answered(self, live: LiveCall) -> bool:
        """From now on both are pinged and expired tokens do not cut them off; False if it is over."""
        if self._by_id.get(live.id) is not live:
            return False
        live.answered = True
        live.meter.pick_up(at=monotonic())
        self._hub.in_call.update(live.parties)
        return True

    def forget(self, call_id: UUID) -> LiveCall | None:
        live = self._by_id.pop(call_id, None)
        if live is not None:
            for party in live.parties:
                if self._by_user.get(party) is live:
                    del self._by_user[party]
                    self._hub.in_call.discard(party)
            live.room.close()
        return live


LIVE = web.AppKey("LIVE", LiveCalls)
