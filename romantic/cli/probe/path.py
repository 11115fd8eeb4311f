"""The way to the server's own peer over UDP: reached by ICE, secured by DTLS, measured by a train."""

import asyncio
from contextlib import suppress
from typing import Any

from romantic.cli.phone import Refused
from romantic.cli.probe.outcome import Found, Outcome, Trouble
from romantic.cli.probe.people import People
from romantic.cli.probe.relays import Relays
from romantic.rtc.client import ProbeClient

POLL_SECONDS = 0.5
RESULT_SECONDS = 15.0  # the server's own deadline is 11
MOST_WAIT_SECONDS = 3.0  # for a server that is busy with other probes


class Path:
    """One probe over `POST /api/probe`, told as three steps."""

    def __init__(self, people: People, relays: Relays) -> None:
        self.result: dict[str, Any] = {}
        self._people = people
        self._relays = relays
        self._client: ProbeClient | None = None
        self._poll: asyncio.Task[dict[str, Any]] | None = None

    @property
    def is_blocked(self) -> bool:
        """The server has heard nothing of us over UDP."""
        return self.result.get("verdict") == "udp-blocked"

    async def reach(self) -> Found:
        """ice: a checked pair of addresses."""
        servers = [{"urls": url} for url in self._relays.stun_ready[:1]]
        client = self._client = ProbeClient(ice_servers=servers)
        offer = await client.offer()
        started, prober = await self._start(offer)
        self._poll = asyncio.create_task(self._await_result(prober, started["probeId"]))
        await client.accept(started["sdp"])
        await self._until(client.reached, "no pair of addresses works")
        return Found(f"reached with {offer.count('a=candidate:')} candidates of ours")

    async def secure(self) -> Found:
        """dtls: keys agreed on, and the channel open."""
        assert self._client is not None
        await self._until(self._client.secured, "no DTLS over the pair that ICE found")
        await self._until(self._client.opened, "no data channel over the DTLS that came up")
        return Found("secured, and the channel is open")

    async def ride(self) -> Found:
        """data: a hundred packets to and fro, as the server measured them."""
        assert self._poll is not None
        result = self.result = await self._poll
        names = {"rtt": "rttMs", "jitter": "jitterMs", "loss": "lossPct", "mos": "mos"}
        figures = {name: result[key] for name, key in names.items() if result[key] is not None}
        facts = (
            f"{result['verdict']}, NAT {result['natMapping']}, RTT {_shown(result['rttMs'])} ms, "
            f"jitter {_shown(result['jitterMs'])} ms, loss {_shown(result['lossUpPct'])} % up "
            f"and {_shown(result['lossDownPct'])} % down, MOS {_shown(result['mos'])}"
        )
        if result["verdict"] == "unusable":
            raise Trouble(f"the server calls this path unusable: {facts}", result["advice"])
        if result["verdict"] == "relay-needed" and not self._relays.has_turn:
            advice = "Configure a TURN server (WEBRTC_TURN_SERVERS): people on such networks cannot call."
            return Found(facts, figures, "calls from this network need a relay, and there is none", advice)
        is_degraded = result["verdict"] == "degraded"
        cause = "the server calls this path degraded" if is_degraded else ""
        return Found(facts, figures, cause, result["advice"] if is_degraded else "")

    async def close(self) -> None:
        if self._poll is not None:
            self._poll.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await self._poll
        if self._client is not None:
            await self._client.close()

    async def _start(self, offer: str) -> tuple[dict[str, Any], Any]:
        """The probe's beginning, and whose it is: the other account where the first has just probed."""
        refusal: Refused | None = None
        for phone in (*self._people.phones, self._people.caller):
            try:
                return await phone.post("/api/probe", {"sdp": offer}), phone
            except Refused as refused:
                if refused.code not in ("RATE_LIMITED", "PROBE_BUSY"):
                    raise
                refusal = refused
                wait = refused.retry_after or MOST_WAIT_SECONDS
                if refused.code == "PROBE_BUSY":
                    await asyncio.sleep(min(wait, MOST_WAIT_SECONDS))
        assert refusal is not None
        advice = "An account probes once in PROBE_MIN_GAP seconds: raise --interval, or use two accounts."
        raise Trouble(f"not measured: {refusal}", advice, outcome=Outcome.WARN)

    async def _await_result(self, prober: Any, probe_id: str) -> dict[str, Any]:
        async with asyncio.timeout(RESULT_SECONDS):
            while True:
                await asyncio.sleep(POLL_SECONDS)
                found = await prober.get(f"/api/probe/{probe_id}")
                if found["status"] == "done":
                    return dict(found["result"])

    async def _until(self, event: asyncio.Event, otherwise: str) -> None:
        """Wait for the event; the server's result without it says that it will not come."""
        assert self._poll is not None
        waiting = asyncio.create_task(event.wait())
        await asyncio.wait({waiting, self._poll}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if event.is_set():
            return
        result = self.result = self._poll.result()
        if result["verdict"] == "udp-blocked":
            raise Trouble("no UDP from here reaches the server's peer", result["advice"] + " " + OPERATOR)
        raise Trouble(f"{otherwise} ({result['verdict']})", result["advice"])


OPERATOR = "If it is so from everywhere: is RTC_UDP_PORT open, and RTC_ADVERTISE_IP the public address?"


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"
