"""The probe: a peer that times the steps of its own set-up, then sends a train and takes its echoes."""

import asyncio
import json
from collections.abc import Callable
from time import monotonic
from typing import Final

from aiortc import RTCCertificate

from romantic.rtc.channel import ChannelPeer, State
from romantic.rtc.mux import UdpMux
from romantic.rtc.train import PACE_SECONDS, PACKETS, Train

PACKET_BYTES: Final = 160  # as large as 20 ms of G.711, and near what a call's audio packets are
MESSAGES: Final = 3 * PACKETS  # that may come in before it is a flood
ECHO_SECONDS: Final = 1.5  # the last echoes may take this long


class ProbePeer(ChannelPeer):
    """`ride` measures; the instants of the set-up are in `marks` (monotonic seconds).

    answered, then reached (the first signed check), ice, dtls, channel; a step that never came is missing.
    """

    label = "probe"

    def __init__(
        self,
        mux: UdpMux,
        certificate: RTCCertificate,
        *,
        on_state: Callable[[State], None],
        setup_timeout: float,
    ) -> None:
        super().__init__(mux, certificate, on_state=on_state, setup_timeout=setup_timeout)
        self.marks: dict[str, float] = {}
        self.train = Train()
        self.worst_lag_ms = 0.0  # of our own loop while the train ran
        self._received = 0
        self._packets = PACKETS
        self._all_back: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._connection.on("iceconnectionstatechange", self._guarded(self._note_ice))

    async def answer(self, offer: object) -> str:
        sdp = await super().answer(offer)
        self._mark("answered")
        return sdp

    async def wait_reached(self, seconds: float) -> bool:
        """Wait for the first check that carries the password of the answer."""
        if self._leg is None or self.is_over:
            return False
        try:
            async with asyncio.timeout(seconds):
                await self._leg.reached.wait()
        except TimeoutError:
            return False
        self.marks.setdefault("reached", min(self._leg.sources.values()))
        return True

    async def wait_open(self, seconds: float) -> bool:
        """Wait until the channel is open, or will never be."""
        await asyncio.wait({self.settled}, timeout=seconds)
        return self.channel is not None and not self.is_over

    async def ride(self) -> None:
        """Send the train at its pace and wait for the last echoes; ends early with the channel."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        for n in range(self._packets):
            due = began + n * PACE_SECONDS
            await asyncio.sleep(max(0.0, due - loop.time()))
            if self.is_over:
                return
            self.worst_lag_ms = max(self.worst_lag_ms, 1000 * (loop.time() - due))
            self.send(self._packet(self.train.send(monotonic())))
        await asyncio.wait({self._all_back}, timeout=ECHO_SECONDS)

    @property
    def source(self) -> tuple[str, int] | None:
        """The client's address of the selected pair."""
        nominated = self._leg.connection._nominated.get(1) if self._leg else None
        if nominated is None:
            return self.sources[0] if self.sources else None
        host, port = nominated.remote_addr
        return host, port

    def opened(self) -> None:
        self._mark("channel")

    def may_receive(self) -> bool:
        self._received += 1
        return self._received <= MESSAGES

    def received(self, message: str | bytes) -> None:
        at = monotonic()
        try:
            body = json.loads(message)
        except (ValueError, RecursionError):
            return
        if self.train.take(body, at=at) and self.train.echoed == self._packets:
            self._finish()

    def ended(self) -> None:
        self._finish()

    def _finish(self) -> None:
        if not self._all_back.done():
            self._all_back.set_result(None)

    def _note_ice(self) -> None:
        if self._connection.iceConnectionState in ("connected", "completed"):
            self._mark("ice")

    def _watch(self) -> None:
        if self._connection.connectionState == "connected":
            self._mark("dtls")
        super()._watch()

    def _mark(self, step: str) -> None:
        self.marks.setdefault(step, monotonic())

    @staticmethod
    def _packet(n: int) -> str:
        bare = json.dumps({"t": "e", "n": n, "x": ""}, separators=(",", ":"))
        return bare.replace('""', f'"{"." * (PACKET_BYTES - len(bare))}"')
