"""The phone's side of a monitor, for tests, the demo and the connection check of the command line."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Any, Final

from aioice import Connection
from aioice.ice import get_host_addresses
from aiortc import RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCSessionDescription

from romantic.rtc.channel import RTO_INITIAL

Counters = Callable[[], Mapping[str, Any] | None]

LOOPBACK: Final = "127.0.0.1"


def _nothing() -> None:
    return None


class MonitorClient:
    """Offers one data channel and answers each ping with the counters it is given.

    `hosts` are the local addresses to gather; by default every one of the machine and the loopback, which
    aioice leaves out.
    """

    def __init__(
        self,
        *,
        rx: Counters = _nothing,
        tx: Counters = _nothing,
        quality: Counters = _nothing,
        hosts: Sequence[str] | None = None,
    ) -> None:
        self.pings: list[int] = []
        self.opened = asyncio.Event()
        self.closed = asyncio.Event()
        self._parts: dict[str, Counters] = {"rx": rx, "tx": tx, "q": quality}
        self._hosts = hosts
        self._answers = True
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.channel: RTCDataChannel = self._connection.createDataChannel(
            "monitor", ordered=False, maxRetransmits=0
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

    def stop_answering(self) -> None:
        """Fall silent without hanging up, as a phone that was frozen does."""
        self._answers = False

    async def close(self) -> None:
        await self._connection.close()

    def _receive(self, message: str | bytes) -> None:
        # aiortc ends the peer for an exception in here, and data may overtake the channel's own opening.
        try:
            ping = json.loads(message)
        except ValueError:
            return
        if not isinstance(ping, dict) or ping.get("t") != "ping" or not isinstance(ping.get("n"), int):
            return
        self.pings.append(ping["n"])
        if self._answers and self.channel.readyState == "open":
            self.channel.send(json.dumps(self._pong(ping["n"]), separators=(",", ":")))

    def _pong(self, n: int) -> dict[str, Any]:
        pong: dict[str, Any] = {"t": "pong", "n": n, "c": len(self.pings)}
        for name, read in self._parts.items():
            value = read()
            if value is not None:
                pong[name] = dict(value)
        return pong


def gather_from(connection: Connection, *, hosts: Sequence[str] | None = None) -> None:
    """Make one connection, and no other of the process, gather these addresses, or as MonitorClient."""

    async def gather() -> None:
        addresses = list(hosts) if hosts is not None else [*get_host_addresses(True, True), LOOPBACK]
        connection._local_candidates_start = True
        connection._local_candidates += await connection.get_component_candidates(1, addresses)
        connection._local_candidates_end = True

    connection.gather_candidates = gather  # type: ignore[method-assign]
