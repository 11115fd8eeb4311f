"""A whole paid call between two robots: rung, accepted, connected, talked, hung up."""

import asyncio
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from romantic.cli.leg import Leg, Measured
from romantic.cli.phone import Phone, Refused
from romantic.cli.probe.outcome import Found, LeftOut, Outcome, Trouble
from romantic.cli.probe.path import Path
from romantic.cli.probe.people import NOBODY, People
from romantic.emodel import estimated_mos

FLOWING_SECONDS = 8.0
SAMPLE_SECONDS = 1.0
Point = dict[str, Any]


@dataclass(slots=True)
class Call:
    """What is known of the call; instants are monotonic seconds of our own."""

    id: str = ""
    room: str = ""
    price: int = 0
    billing: str = ""
    balances: list[int] = field(default_factory=list)  # before it, the caller's first
    evidence: str = ""
    connected_at: float = 0.0
    ended_at: float = 0.0
    over: dict[str, Any] = field(default_factory=dict)


class Talk:
    """The steps of the call. `series` is what each phone measured, second by second."""

    def __init__(self, people: People, path: Path, *, seconds: float, video: bool) -> None:
        self.call = Call()
        self.series: list[Point] = []
        self._people = people
        self._path = path
        self._seconds = seconds
        self._video = video

    async def set_up(self) -> Found:
        """call: ring, accept, join, monitors, offer, answer and candidates, until the meter starts."""
        if len(self._people.phones) < 2:
            raise LeftOut("a call takes two probe accounts", advice=NOBODY)
        self.call.balances = [await phone.balance() for phone in self._people.phones]
        accepted_at = await self._ring()
        doubt = await self._open_monitors()
        await asyncio.gather(self._caller.offer(self.call.room), self._receiver.answer(self.call.room))
        frames = [await phone.line.expect_frame("call-connected") for phone in self._people.phones]
        self.call.connected_at = frames[0]["heard_at"]
        self.call.evidence = frames[0]["data"]["evidence"]
        setup = self.call.connected_at - accepted_at
        facts = f"connected {setup:.2f} s after the accept, evidence {self.call.evidence}"
        return Found(facts, {"setup": setup}, cause=doubt, advice=MONITOR_ADVICE if doubt else "")

    async def _ring(self) -> float:
        """Initiate, ring, accept, join; the instant of the accept."""
        kind = "video" if self._video else "audio"
        body = {"receiverId": self._receiver.user_id, "callType": kind}
        call = await self._caller.post("/api/calls/initiate", body)
        self.call.id, self.call.room = call["callId"], call["roomId"]
        self.call.price, self.call.billing = call["coinsSpent"], call["billing"]
        heard = await self._receiver.line.expect("incoming-call")
        if heard["callId"] != self.call.id:
            raise Trouble("another call rang", "Does somebody else use these accounts?")
        await self._receiver.line.ask("call-ringing", callId=self.call.id)
        await self._caller.line.expect("call-ringing")
        accepted_at = monotonic()
        await self._receiver.line.ask("call-accept", callId=self.call.id)
        await self._caller.line.expect("call-accepted")
        for phone in self._people.phones:
            await phone.join(self.call.room)
        await self._caller.line.expect("user-joined")
        return accepted_at

    async def _open_monitors(self) -> str:
        """Let the server watch both phones; without that the call goes on, and this says why."""
        if self._path.is_blocked:
            return "not monitored over UDP, which does not get through"
        try:
            await asyncio.gather(*(phone.open_monitor(self.call.id) for phone in self._people.phones))
        except (Refused, TimeoutError) as error:
            return f"not monitored: {error or 'its channel did not open'}"
        return ""

    async def talk(self) -> Found:
        """audio: it flows both ways, for as long as the two talk, and this is what it is like."""
        try:
            await asyncio.gather(*(leg.wait_flowing(FLOWING_SECONDS) for leg in self._legs))
        except TimeoutError:
            advice = "See ice and turn: the two phones found no way to each other."
            raise Trouble("no sound came in on one side or both", advice) from None
        while (left := self._seconds - (monotonic() - self.call.connected_at)) > 0:
            await asyncio.sleep(min(SAMPLE_SECONDS, left))
            self._sample()
        measured = [leg.measured for leg in self._legs]
        figures = _figures(measured)
        packets = " and ".join(str(one.audio_packets) for one in measured)
        facts = f"{packets} packets came in over {measured[0].pair}"
        if "audio-rtt" not in figures:
            facts += "; too short for a round trip, so no MOS"
        return Found(facts, figures)

    async def see(self) -> Found:
        """video: pictures came in on both sides, too."""
        if not self._video:
            raise LeftOut("only with --video", harmless=True)
        packets = [leg.measured.video_packets for leg in self._legs]
        if not all(packets):
            raise Trouble("no picture came in on one side or both", "Sound did: look at the bandwidth.")
        return Found(f"{packets[0]} and {packets[1]} packets came in")

    async def hang_up(self) -> Found:
        """hang-up: both are told the same numbers."""
        self.call.ended_at = monotonic()
        self.call.over = await self._caller.post(f"/api/calls/{self.call.id}/end", {})
        told = await self._receiver.line.expect("call-ended")
        same = ("duration", "coinsSpent", "coinsEarned", "refunded", "endReason")
        wrong = [name for name in same if told[name] != self.call.over[name]]
        if wrong:
            raise Trouble(
                f"the two were told different numbers: {', '.join(wrong)}", "This is a bug of the server."
            )
        for phone in self._people.phones:
            await phone.hang_up()
        reason = self.call.over["endReason"]
        if reason != "user_hangup":
            raise Trouble(
                f"the call was over before: {reason}", "Look for its call.summary in the server's log."
            )
        return Found(f"{self.call.over['duration']} s billed, {self.call.over['coinsSpent']} coins")

    async def compare_clocks(self) -> Found:
        """meter: the server's seconds against our own clock."""
        ours, theirs = self.call.ended_at - self.call.connected_at, self.call.over["duration"]
        # The server counts whole seconds.
        gap = max(0.0, theirs - ours, ours - theirs - 1)
        facts = f"server {theirs} s, our clock {ours:.1f} s, by evidence {self.call.evidence}"
        return Found(facts, {"billed": theirs, "meter-gap": gap})

    async def settle(self) -> Found:
        """cleanup: no call is left, and both have the coins they had."""
        left = "; the call was ended here" if await self._people.end_what_is_left() else ""
        if not self.call.balances:
            return Found("nothing to put in order" + left)
        balances = [await phone.balance() for phone in self._people.phones]
        if balances != self.call.balances:
            raise Trouble(
                f"balances were {self.call.balances} and are {balances}",
                "Did another run use these accounts? Else: run.py admin ledger check.",
                outcome=Outcome.WARN,
            )
        return Found(f"balances as before: {balances[0]} and {balances[1]}{left}")

    @property
    def _caller(self) -> Phone:
        return self._people.caller

    @property
    def _receiver(self) -> Phone:
        return self._people.receiver

    @property
    def _legs(self) -> tuple[Leg, Leg]:
        return self._caller.leg, self._receiver.leg

    def _sample(self) -> None:
        at = round(monotonic() - self.call.connected_at, 1)
        for side, leg in zip(("caller", "receiver"), self._legs, strict=True):
            one = leg.measured
            self.series.append(
                {
                    "t": at,
                    "side": side,
                    "rttMs": one.rtt_ms,
                    "jitterMs": one.jitter_ms,
                    "lossPct": one.loss_pct,
                    "mos": _mos(one),
                }
            )


MONITOR_ADVICE = "It is metered by sockets alone: see ice, RTC_UDP_PORT and RTC_MAX_PEERS."


def _mos(one: Measured) -> float | None:
    if one.rtt_ms is None or one.jitter_ms is None or one.loss_pct is None:
        return None
    score = estimated_mos(rtt_ms=one.rtt_ms, jitter_ms=one.jitter_ms, loss=one.loss_pct / 100)
    return round(score, 2)


def _figures(measured: list[Measured]) -> dict[str, float]:
    """Of the side that is worse off."""
    scores = [score for score in map(_mos, measured) if score is not None]
    found = {
        "audio-rtt": [one.rtt_ms for one in measured],
        "audio-jitter": [one.jitter_ms for one in measured],
        "audio-loss": [one.loss_pct for one in measured],
    }
    worst = {
        name: max(known) for name, values in found.items() if (known := [v for v in values if v is not None])
    }
    return worst | ({"audio-mos": min(scores)} if scores else {})
