"""The phone's side of monitors and probes, for tests, the demo and the command line."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Any, ClassVar, Final

from aioice import Connection
from aioice.ice import get_host_addresses
from aiortc import RTCConfiguration, RTCDataChannel, RTCIceServer, RTCPeerConnection, RTCSessionDescription

from romantic.rtc.channel import RTO_INITIAL

Counters = Callable[[], Mapping[str, Any] | None]

GATHER_SECONDS: Final = 2  # a STUN server that has not answered by now will not
LOOPBACK: Final = "127.0.0.1"


def _nothing() -> None:
    return None


class ChannelClient:
    """Offers one data channel; what travels on it is up to heirs.

    `hosts` are the local addresses to gather; by default every one of the machine and the loopback, which
    aioice leaves out. `ice_servers` as `/api/calls/ice-servers` lists them.
    """

    label: ClassVar[str]

    def __init__(
        self, *, hosts: Sequence[str] | None = None, ice_servers: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        self.reached, self.secured = asyncio.Event(), asyncio.Event()  # by ICE, by DTLS
        self.opened, self.closed = asyncio.Event(), asyncio.Event()
        self._hosts = hosts
        # No list at all would mean a public STUN server.
        configuration = RTCConfiguration(iceServers=[RTCIceServer(**server) for server in ice_servers])
        self._connection = RTCPeerConnection(configuration)
        self._connection.on("iceconnectionstatechange", self._note_ice)
        self._connection.on("connectionstatechange", self._note_state)
        self.channel: RTCDataChannel = self._connection.createDataChannel(
            self.label, ordered=False, maxRetransmits=0
        )
        self.channel.on("open", self.opened.set)
        self.channel.on("close", self.closed.set)
        self.channel.on("message", self._receive)

    async def offer(self) -> str:
        """Gather and return the offer."""
        sctp = self._connection.sctp
        assert sctp is not None
        sctp._rto = RTO_INITIAL
        gather_from(sctp.transport.transport._connection, hosts=self._hosts)
        await self._connection.setLocalDescription(await self._connection.createOffer())
        return self._connection.localDescription.sdp

    async def accept(self, answer_sdp: str) -> None:
        """Take the server's answer; the channel opens by itself from here."""
        await self._connection.setRemoteDescription(RTCSessionDescription(sdp=answer_sdp, type="answer"))

    async def wait_open(self, timeout: float = 10.0) -> float:
        """Wait for the open channel and return how many seconds that took; TimeoutError if it does not."""
        began = monotonic()
        async with asyncio.timeout(timeout):
            await self.opened.wait()
        return monotonic() - began

    async def close(self) -> None:
        await self._connection.close()

    def received(self, body: dict[str, Any]) -> dict[str, Any] | None:
        """An object came in; what is returned goes back."""
        raise NotImplementedError

    def _note_ice(self) -> None:
        if self._connection.iceConnectionState in ("connected", "completed"):
            self.reached.set()

    def _note_state(self) -> None:
        if self._connection.connectionState == "connected":
            self.secured.set()

    def _receive(self, message: str | bytes) -> None:
        # aiortc ends the peer for an exception in here, and data may overtake the channel's own opening.
        try:
            body = json.loads(message)
        except ValueError:
            return
        answer = self.received(body) if isinstance(body, dict) else None
        if answer is not None and self.channel.readyState == "open":
            self.channel.send(json.dumps(answer, separators=(",", ":")))


class MonitorClient(ChannelClient):
    """Answers each ping with the counters it is given."""

    label = "monitor"

    def __init__(
        self,
        *,
        rx: Counters = _nothing,
        tx: Counters = _nothing,
        quality: Counters = _nothing,
        hosts: Sequence[str] | None = None,
    ) -> None:
        self.pings: list[int] = []
        self._parts: dict[str, Counters] = {"rx": rx, "tx": tx, "q": quality}
        self._answers = True
        super().__init__(hosts=hosts)

    def stop_answering(self) -> None:
        """Fall silent without hanging up, as a phone that was frozen does."""
        self._answers = False

    def received(self, body: dict[str, Any]) -> dict[str, Any] | None:
        n = body.get("n")
        if body.get("t") != "ping" or not isinstance(n, int):
            return None
        self.pings.append(n)
        return self._pong(n) if self._answers else None

    def _pong(self, n: int) -> dict[str, Any]:
        pong: dict[str, Any] = {"t": "pong", "n": n, "c": len(self.pings)}
        for name, read in self._parts.items():
            value = read()
            if value is not None:
                pong[name] = dict(value)
        return pong


class ProbeClient(ChannelClient):
    """Echoes every packet of the server's train, with how many have arrived."""

    label = "probe"

    def __init__(
        self, *, hosts: Sequence[str] | None = None, ice_servers: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        self.packets = 0
        super().__init__(hosts=hosts, ice_servers=ice_servers)

    def received(self, body: dict[str, Any]) -> dict[str, Any] | None:
        if body.get("t") != "e":
            return None
        self.packets += 1
        return {"t": "e", "n": body.get("n"), "c": self.packets, "x": body.get("x")}


def gather_from(connection: Connection, *, hosts: Sequence[str] | None = None) -> None:
    """Make one connection, and no other of the process, gather these addresses, or as MonitorClient."""

    async def gather() -> None:
        addresses = list(hosts) if hosts is not None else [*get_host_addresses(True, True), LOOPBACK]
        connection._local_candidates_start = True
        connection._local_candidates += await connection.get_component_candidates(
            1, addresses, timeout=GATHER_SECONDS
        )
        connection._local_candidates_end = True

    connection.gather_candidates = gather  # type: ignore[method-assign]
