"""The story of one paid call, step by step: what two phones do, and what must be true afterwards."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from statistics import median
from time import monotonic
from typing import Any

from aiohttp import ClientSession

from romantic.cli.leg import Leg
from romantic.cli.phone import Phone

#: A demo person of every development server: a super lover, and a test number whose code is always the same.
RECEIVER, RECEIVER_CODE = "+10000000001", "000000"
PRICE, EARNED = 50, 25
CLAIMED_SECONDS = 9999
CLOCK_TOLERANCE = 1.5
MEDIA_SECONDS = 15.0

Step = Callable[[], Awaitable[str]]


class Broken(Exception):
    """A step did not hold; the text says what was found instead."""


class Story:
    """Two phones, each at a node; one node may serve both. Every step returns its facts, or raises."""

    def __init__(self, http: ClientSession, *urls: str, seconds: float) -> None:
        self.caller = Phone(http, urls[0], "Grace Hopper")
        self.receiver = Phone(http, urls[-1], "")
        self._seconds = seconds
        self._before: dict[str, int] = {}
        self._call: dict[str, Any] = {}
        self._connected_at = self._ended_at = 0.0
        self._over: dict[str, Any] = {}

    @property
    def steps(self) -> tuple[tuple[str, Step], ...]:
        return (
            ("caller signs in", self.sign_in_caller),
            ("receiver signs in", self.sign_in_receiver),
            ("sockets", self.connect),
            ("ring", self.ring),
            ("accept", self.accept),
            ("join", self.join),
            ("monitors", self.open_monitors),
            ("offer, answer, ICE", self.negotiate),
            ("media", self.exchange_media),
            ("meter starts", self.await_meter),
            ("talk", self.talk),
            ("hang up", self.hang_up),
            ("clocks agree", self.compare_clocks),
            ("coins", self.check_balances),
            ("ledger rows", self.check_entries),
            ("call record", self.check_record),
        )

    async def sign_in_caller(self) -> str:
        """A stranger: the code is read where the development server would have sent it by WhatsApp."""
        number = f"+1555{secrets.randbelow(10**7):07d}"
        is_new = await self.caller.sign_in(number, self._code_in_outbox, age=30, gender="female")
        balance = await self.caller.balance()
        _hold(is_new and balance == PRICE, f"new: {is_new}, {balance} coins")
        return f"{self.caller.name}, number …{number[-4:]}, code from the outbox, {balance} welcome coins"

    async def sign_in_receiver(self) -> str:
        await self.receiver.sign_in(RECEIVER, _test_code)
        self._before = {phone.user_id: await phone.balance() for phone in self._phones}
        balance = self._before[self.receiver.user_id]
        return f"{self.receiver.name}, super lover, test number, {balance} coins"

    async def connect(self) -> str:
        await asyncio.gather(*(phone.connect() for phone in self._phones))
        trips = []
        for _ in range(5):
            began = monotonic()
            await self.caller.line.ask("ping")
            trips.append(1000 * (monotonic() - began))
        return f"2 open, round trip {median(trips):.1f} ms"

    async def ring(self) -> str:
        began = monotonic()
        body = {"receiverId": self.receiver.user_id, "callType": "video"}
        self._call = await self.caller.post("/api/calls/initiate", body)
        heard = await self.receiver.line.expect("incoming-call")
        rang = 1000 * (monotonic() - began)
        await self.receiver.line.ask("call-ringing", callId=heard["callId"])
        await self.caller.line.expect("call-ringing")
        _hold(heard["callId"] == self._call["callId"], "another call rang")
        _hold(self._call["coinsSpent"] == PRICE, f"{self._call['coinsSpent']} coins held")
        return f"heard after {rang:.0f} ms, {PRICE} coins held, balance {self._call['newBalance']}"

    async def accept(self) -> str:
        began = monotonic()
        await self.receiver.line.ask("call-accept", callId=self._call["callId"])
        await self.caller.line.expect("call-accepted")
        return f"the caller knows after {1000 * (monotonic() - began):.0f} ms"

    async def join(self) -> str:
        acks = [await phone.join(self._call["roomId"]) for phone in self._phones]
        await self.caller.line.expect("user-joined")
        _hold([ack["shouldOffer"] for ack in acks] == [True, False], "nobody knows who offers")
        return "both in the room, the caller offers, the receiver is polite"

    async def open_monitors(self) -> str:
        opened = await asyncio.gather(*(phone.open_monitor(self._call["callId"]) for phone in self._phones))
        took = _both(f"{1000 * seconds:.0f} ms" for seconds in opened)
        return f"data channels to the server's own peer open after {took}"

    async def negotiate(self) -> str:
        room = self._call["roomId"]
        sizes = await asyncio.gather(self.caller.offer(room), self.receiver.answer(room))
        trickled = _both(str(len(leg.candidates) - 1) for leg in self._legs)
        return f"SDP {_both(f'{one} bytes' for one in sizes)}, candidates {trickled}, one by one"

    async def exchange_media(self) -> str:
        await asyncio.gather(*(leg.wait_flowing(MEDIA_SECONDS) for leg in self._legs))
        measured = [leg.measured for leg in self._legs]
        received = _both(f"{one.bytes_received / 1000:.0f} kB" for one in measured)
        return f"audio and video come in on both sides, {received} so far, candidate pair {measured[0].pair}"

    async def await_meter(self) -> str:
        frames = [await phone.line.expect_frame("call-connected") for phone in self._phones]
        self._connected_at = frames[0]["heard_at"]
        told = [frame["data"] for frame in frames]
        _hold([one["evidence"] for one in told] == ["E2", "E2"], f"evidence {told[0]['evidence']}")
        return f"call-connected on both, evidence E2, since {told[0]['startedAt']}"

    async def talk(self) -> str:
        await asyncio.sleep(self._seconds)
        measured = [leg.measured for leg in self._legs]
        answered = [len(phone.monitor.pings) for phone in self._phones]
        _hold(all(answered), f"pings answered: {answered}")
        figures = (
            f"RTT {_both(_figure(one.rtt_ms, 'ms') for one in measured)}",
            f"jitter {_both(_figure(one.jitter_ms, 'ms') for one in measured)}",
            f"loss {_both(_figure(one.loss_pct, '%') for one in measured)}",
            f"received {_both(f'{one.bytes_received / 1000:.0f} kB' for one in measured)}",
            f"monitor beats {_both(map(str, answered))}",
        )
        return ", ".join(figures)

    async def hang_up(self) -> str:
        path, claim = f"/api/calls/{self._call['callId']}/end", {"duration": CLAIMED_SECONDS}
        self._ended_at = monotonic()
        self._over = await self.caller.post(path, claim)
        told = await self.receiver.line.expect("call-ended")
        for phone in self._phones:
            await phone.hang_up()
        same = ("duration", "coinsSpent", "coinsEarned", "endReason")
        _hold(all(told[name] == self._over[name] for name in same), "the two were told different numbers")
        return f"claimed {CLAIMED_SECONDS} s, billed {self._over['duration']} s, {self._over['endReason']}"

    async def compare_clocks(self) -> str:
        ours, theirs = self._ended_at - self._connected_at, self._over["duration"]
        _hold(abs(ours - theirs) <= CLOCK_TOLERANCE, f"{theirs} s against {ours:.2f} s of our own")
        return f"server {theirs} s, our clock {ours:.2f} s, at most {CLOCK_TOLERANCE} s apart"

    async def check_balances(self) -> str:
        after = {phone.user_id: await phone.balance() for phone in self._phones}
        moved = [after[phone.user_id] - self._before[phone.user_id] for phone in self._phones]
        spent, earned = self._over["coinsSpent"], self._over["coinsEarned"]
        _hold((spent, earned) == (PRICE, EARNED), f"spent {spent}, earned {earned}")
        _hold(moved == [-PRICE, EARNED], f"balances moved by {moved}")
        return f"spent {spent}, earned {earned}; balances {_both(f'{coins}' for coins in after.values())}"

    async def check_entries(self) -> str:
        """The newest entry of each is this call's, and every entry continues the one before."""
        lines = []
        for phone, kind, amount in ((self.caller, "spend", PRICE), (self.receiver, "earn", EARNED)):
            entries = (await phone.get("/api/coins/transactions?limit=100"))["transactions"]
            newest = entries[0]
            found = (newest["type"], newest["amount"], newest["referenceId"])
            _hold(found == (kind, amount, self._call["callId"]), f"newest entry {found}")
            _hold(not _breaks(entries), f"the chain of {phone.name}'s balances breaks")
            lines.append(f"{phone.name} {kind} {amount} → {newest['balanceAfter']}")
        return "; ".join(lines)

    async def check_record(self) -> str:
        call = (await self.receiver.get(f"/api/calls/{self._call['callId']}"))["call"]
        wanted = {
            "status": "ended",
            "endReason": "user_hangup",
            "duration": self._over["duration"],
            "meteredBy": "evidence",
            "evidenceLevel": "E2",
            "gaps": 0,
            "coinsSpent": PRICE,
            "coinsEarned": EARNED,
            "refunded": 0,
            "endedBy": self.caller.user_id,
        }
        wrong = {name: call[name] for name, value in wanted.items() if call[name] != value}
        _hold(not wrong, f"the record says {wrong}")
        facts = "{status}, {endReason}, metered by {meteredBy} {evidenceLevel}, {duration} s, {gaps} gaps"
        return facts.format_map(call)

    async def close(self) -> None:
        for phone in self._phones:
            await phone.close()

    @property
    def _phones(self) -> tuple[Phone, Phone]:
        return self.caller, self.receiver

    @property
    def _legs(self) -> tuple[Leg, Leg]:
        return self.caller.leg, self.receiver.leg

    async def _code_in_outbox(self, number: str) -> str:
        outbox = await self.caller.get("/dev/outbox.json")
        return next(str(one["code"]) for one in outbox["messages"] if one["to"] == number)


async def _test_code(_: str) -> str:
    return RECEIVER_CODE


def _hold(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Broken(otherwise)


def _both(figures: Any) -> str:
    return " / ".join(figures)


def _figure(value: float | None, unit: str) -> str:
    return "not measured" if value is None else f"{value:g} {unit}"


def _breaks(entries: list[dict[str, Any]]) -> bool:
    """Whether a balance, newest first, is not the one before it moved by its entry."""
    signed = [-one["amount"] if one["type"] == "spend" else one["amount"] for one in entries]
    later = zip(entries, entries[1:], signed, strict=False)
    return any(one["balanceAfter"] != before["balanceAfter"] + moved for one, before, moved in later)
