"""The live calls of this node: those it keeps, with their rooms and meters, and those it only knows."""

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict
from time import monotonic
from typing import Any
from uuid import UUID

from aiohttp import web

from romantic.calls.evidence import MeterRules
from romantic.calls.known import KnownCall, Outpost
from romantic.calls.meter import Change, Meter, Snapshot
from romantic.calls.monitor import Monitor
from romantic.calls.quality import Quality
from romantic.calls.room import Deliver, Room
from romantic.db import Row
from romantic.realtime import Event, Hub, Kind
from romantic.settings import Settings

MOST_SESSIONS = 16  # of one party, at other nodes
MOST_OVER = 4096  # calls that must not come back: somebody may still hold an old row of theirs


class LiveCall(KnownCall):
    """A call this node keeps: its room, its evidence and its meter."""

    def __init__(
        self, call: Row, *, hub: Hub, rules: MeterRules, beat_seconds: float, deliver: Deliver
    ) -> None:
        super().__init__(call, hub=hub, beat_seconds=beat_seconds)
        self.billing: str = call["billing"]
        self.price: int = call["price"]
        self.block_seconds: float = call["block_seconds"]
        self.max_seconds: float = call["max_seconds"]
        self.blocks_charged: int = call["blocks_charged"]
        self.balance: int | None = None
        self.changes: deque[Change] = deque()  # moves of the meter that are not committed yet
        self.warnings: set[tuple[str, int]] = set()
        self.saved_at = self.told_at = 0.0
        self.told_levels: tuple[str, ...] = ()
        self.lock = asyncio.Lock()
        self._rules = rules
        self._seen_elsewhere: dict[UUID, dict[UUID, float]] = {party: {} for party in self.parties}
        self.room = Room(self.id, self.parties, deliver)
        self.monitor = Monitor(_meter(call, self.parties, rules), self.parties, self.legs, judge=self._judge)
        self.room.monitor = self.monitor
        self._recall(call)

    def adopt(self, before: KnownCall) -> None:
        super().adopt(before)
        self.monitor.follow(self.legs)
        for phone in self.seated.values():
            self.room.sit_again(phone)

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

    def touch(self, user_id: UUID, *, at: float) -> None:
        self.monitor.touch(user_id, at=at)

    def heard_at(self, user_id: UUID) -> float | None:
        """When the party's phone was last heard of: the one in the call, or any before one has joined."""
        session_id = self.room.session_of(user_id)
        here = self._hub.last_seen(user_id, session_id=session_id)
        elsewhere = self._seen_elsewhere[user_id]
        seen = [at for one, at in elsewhere.items() if session_id in (None, one)]
        return max((here, *seen) if here is not None else seen, default=None)

    @property
    def is_heard_elsewhere(self) -> bool:
        """Whether a phone of it is, or was, connected to another node."""
        return any(self._seen_elsewhere.values())

    def seen_elsewhere(self, user_id: UUID, session_id: UUID, *, at: float) -> None:
        """Another node had a byte of that session at this instant of our monotonic clock."""
        seen = self._seen_elsewhere[user_id]
        if session_id in seen or len(seen) < MOST_SESSIONS:
            seen[session_id] = max(at, seen.get(session_id, at))

    def tell(self, event: Event) -> None:
        """Tell every phone of both people, in the room or not."""
        for party in self.parties:
            self._hub.send(party, event)

    def snapshot(self) -> dict[str, Any]:
        return asdict(self.meter.snapshot(at=monotonic()))

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
        snapshot, at = Snapshot(**{**call["meter"], "levels": tuple(call["meter"]["levels"])}), monotonic()
        meter = Meter.restore(parties, rules, snapshot, at=at)
        if call["meter_term"] > 1:  # it was kept before: its people have their time to come back
            meter.excuse(until=at + (call["rejoin_seconds_left"] or 0.0))
        return meter
    return Meter(parties, rules, ringing=call["status"] != "answered")


class LiveCalls:
    """The calls this node knows, by id and by person; a person is in one at most.

    Iterating gives those it keeps.
    """

    def __init__(self, settings: Settings, hub: Hub, deliver: Deliver) -> None:
        self._hub = hub
        self._deliver = deliver
        self._beat_seconds = settings.monitor_beat_seconds
        self._rules = MeterRules(
            suspect_seconds=settings.call_suspect_seconds,
            disconnect_seconds=settings.call_disconnect_seconds,
            dead_seconds=settings.monitor_dead_seconds,
            grace_seconds=settings.monitor_grace_seconds,
            flow_seconds=settings.monitor_flow_seconds,
            require_monitor=settings.monitor_mode == "require",
        )
        self._by_id: dict[UUID, KnownCall] = {}
        self._by_user: dict[UUID, KnownCall] = {}
        self._over: deque[UUID] = deque(maxlen=MOST_OVER)

    def __iter__(self) -> Iterator[LiveCall]:
        return iter([call for call in self._by_id.values() if isinstance(call, LiveCall)])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @property
    def outposts(self) -> list[Outpost]:
        """Those that other nodes keep, or nobody yet."""
        return [call for call in self._by_id.values() if isinstance(call, Outpost)]

    def keep(self, call: Row) -> LiveCall:
        """This node keeps the call from now on; what it knew of it before goes on."""
        live = LiveCall(
            call,
            hub=self._hub,
            rules=self._rules,
            beat_seconds=self._beat_seconds,
            deliver=self._deliver,
        )
        self._place(live)
        return live

    def know(self, call: Row) -> KnownCall:
        """What this node knows of the call, beginning with this row where that is nothing."""
        known = self._by_id.get(call["id"])
        if known is None:
            known = Outpost(call, hub=self._hub, beat_seconds=self._beat_seconds)
            self._place(known)
        return known

    def hand_on(self, live: LiveCall, call: Row) -> Outpost:
        """Another node keeps the call now, or nobody; its phones at this node stay."""
        outpost = Outpost(call, hub=self._hub, beat_seconds=self._beat_seconds)
        if self._by_id.get(live.id) is live:
            self._place(outpost)
            live.room.close()
        return outpost

    def _place(self, call: KnownCall) -> None:
        if call.id in self._over:
            return
        before = self._by_id.get(call.id)
        if before is not None:
            call.adopt(before)
        self._by_id[call.id] = call
        for party in call.parties:
            self._by_user[party] = call
        if call.answered:
            self._hub.in_call.update(call.parties)

    def get(self, call_id: UUID) -> LiveCall | None:
        """The call, if this node keeps it."""
        live = self._by_id.get(call_id)
        return live if isinstance(live, LiveCall) else None

    def known(self, call_id: UUID) -> KnownCall | None:
        return self._by_id.get(call_id)

    def of_user(self, user_id: UUID) -> KnownCall | None:
        return self._by_user.get(user_id)

    def answered(self, known: KnownCall) -> bool:
        """From now on both are pinged and expired tokens do not cut them off; False if it is over."""
        if self._by_id.get(known.id) is not known:
            return False
        known.answered = True
        if isinstance(known, LiveCall):
            known.meter.pick_up(at=monotonic())
        self._hub.in_call.update(known.parties)
        return True

    def forget(self, call_id: UUID) -> KnownCall | None:
        """The call is over."""
        self._over.append(call_id)
        known = self._by_id.pop(call_id, None)
        if known is not None:
            for party in known.parties:
                if self._by_user.get(party) is known:
                    del self._by_user[party]
                    self._hub.in_call.discard(party)
            if isinstance(known, LiveCall):
                known.room.close()
        return known


LIVE = web.AppKey("LIVE", LiveCalls)
