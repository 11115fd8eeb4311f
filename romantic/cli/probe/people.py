"""Who probes: two robots, one person, or nobody; their sockets, and what these miss when they are lost."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from time import monotonic

from romantic.cli.phone import Phone, Refused
from romantic.cli.probe.ground import Ground
from romantic.cli.probe.outcome import Found, LeftOut, Outcome, Trouble

PINGS = 20
NOBODY = "Give it accounts: run.py admin probe-account create east west > keys, then --keys keys."


@dataclass(frozen=True, slots=True)
class Identity:
    """Keys of up to two robots, or one person's access token, or their number and a code for it."""

    keys: Sequence[str] = ()
    token: str = ""
    number: str = ""
    code: str = ""


class People:
    """Signs in, opens sockets, loses one and comes back."""

    def __init__(self, ground: Ground, identity: Identity, *, video: bool) -> None:
        self.phones: list[Phone] = []
        self._ground = ground
        self._identity = identity
        self._video = video
        self._has_session = False
        self._ready: dict[str, str] = {}

    async def sign_in(self) -> Found:
        """auth"""
        who = self._identity
        tokens = [*who.keys] or ([who.token] if who.token else [])
        if not tokens and not who.number:
            raise LeftOut("nobody to sign in as: no --keys, --token or --phone", advice=NOBODY)
        phones = [self._phone() for _ in tokens or (who.number,)]
        if tokens:
            for phone, token in zip(phones, tokens, strict=True):
                await phone.enter(token)
        else:
            await self._prove(phones[0])
        self.phones = phones
        if len({phone.user_id for phone in phones}) < len(phones):
            raise Trouble("both keys are of the same account", "Give the keys of two probe accounts.")
        left = "; the call of a run that was killed is ended" if await self.end_what_is_left() else ""
        names = " and ".join(phone.name for phone in phones)
        return Found(f"{names} signed in{left}" if len(phones) == 2 else f"{names} signed in, nobody to call")

    async def end_what_is_left(self) -> bool:
        """Whether the two robots were in a call; it is over now, and with it their coins are back."""
        if len(self.phones) < 2:
            return False  # a person's call is not ours to end
        for phone in self.phones:
            call = (await phone.get("/api/calls/active"))["call"]
            if call is not None:
                await phone.post(f"/api/calls/{call['id']}/end", {})
                return True
        return False

    async def connect(self) -> Found:
        """socket: every phone has one."""
        began = monotonic()
        greetings = await asyncio.gather(*(phone.connect() for phone in self.phones))
        took = 1000 * (monotonic() - began)
        self._ready = greetings[0]
        return Found(f"{len(greetings)} open and greeted after {took:.0f} ms")

    async def measure_socket(self) -> Found:
        """socket-rtt: some pings, one after the other."""
        trips = []
        for _ in range(PINGS):
            began = monotonic()
            await self.caller.line.ask("ping")
            trips.append(1000 * (monotonic() - began))
        facts = f"{PINGS} pings: {min(trips):.1f} to {max(trips):.1f} ms, median {median(trips):.1f} ms"
        return Found(facts, {"socket-rtt": median(trips)})

    async def resume(self) -> Found:
        """resume: lose the caller's socket, let something happen, come back, and have missed nothing."""
        phone, position = self.caller, self.caller.line.seq
        await phone.line.drop()
        try:
            happened = await self._happen()
        finally:  # the steps that follow want a socket
            greeting = await phone.connect()
        before = {"session_id": self._ready["sessionId"], "epoch": self._ready["epoch"]}
        self._ready = greeting
        try:
            answer = await phone.line.resume(**before, seq=position)
        except Refused as refusal:
            raise Trouble(
                f"the server does not resume: {refusal}",
                "Until it does, phones must read their state again over REST after each tunnel.",
                outcome=Outcome.WARN,
            ) from None
        if not answer["recovered"]:
            advice = "One lost socket in a few seconds should be within its memory: is Redis there?"
            reason = answer.get("reason", "no reason given")
            raise Trouble(f"nothing was replayed: {reason}", advice, outcome=Outcome.WARN)
        return await self._compare(happened, int(answer["replayed"]), position)

    async def _happen(self) -> list[str]:
        """While the caller is away they call and are declined: every coin returns, and they should hear."""
        if len(self.phones) < 2:
            return []
        body = {"receiverId": self.receiver.user_id, "callType": "audio"}
        call = await self.caller.post("/api/calls/initiate", body)
        await self.receiver.line.expect("incoming-call")
        await self.receiver.post(f"/api/calls/{call['callId']}/reject", {})
        return ["balance", "call-rejected", "balance"] if call["coinsSpent"] else ["call-rejected"]

    async def _compare(self, happened: Sequence[str], replayed: int, position: int) -> Found:
        frames = await self.caller.line.numbered(replayed)
        names = [frame["event"] for frame in frames]
        numbers = [frame["seq"] for frame in frames]
        missing = [name for name in happened if names.count(name) < happened.count(name)]
        if missing or len(names) < replayed:
            raise Trouble(
                f"missed: {', '.join(dict.fromkeys(missing)) or 'what was announced'}", "Events were lost."
            )
        if numbers != sorted(set(numbers)) or (numbers and numbers[0] <= position):
            raise Trouble(
                f"replayed out of order: {numbers} after {position}", "Phones would act on old news."
            )
        return Found(f"lost and back, {replayed} events replayed in order")

    async def leave(self) -> None:
        """Hang up sockets, and end a session this run has made."""
        try:
            if self._has_session and self.phones:
                await self.caller.post("/api/auth/logout")
        finally:
            for phone in self.phones:
                await phone.close()

    @property
    def caller(self) -> Phone:
        return self.phones[0]

    @property
    def receiver(self) -> Phone:
        return self.phones[1]

    def _phone(self) -> Phone:
        return Phone(self._ground.http, self._ground.target.url, "", video=self._video)

    async def _prove(self, phone: Phone) -> None:
        number, code = self._identity.number, self._identity.code
        try:
            await phone.post("/api/auth/send-otp", {"phoneNumber": number})
        except Refused as refusal:
            if refusal.code != "RATE_LIMITED":  # one that was sent a moment ago is still good
                raise
        proof = await phone.post("/api/auth/verify-otp", {"phoneNumber": number, "otpCode": code})
        if proof["isNewUser"]:
            raise Refused("REGISTRATION_REQUIRED", "nobody has registered with this number.")
        self._has_session = True
        await phone.enter(proof["accessToken"])
