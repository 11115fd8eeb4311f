"""The keeper of this process's peers: one port, one certificate, a cap, and an orderly end."""

import asyncio
import gc
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Final, TypeVar

import structlog
from aiohttp import web
from aiortc import RTCCertificate

from romantic.rtc.beats import Beat
from romantic.rtc.channel import ChannelPeer, State
from romantic.rtc.errors import MonitorBusy
from romantic.rtc.mux import UdpMux
from romantic.rtc.offer import passive_offer
from romantic.rtc.peer import MonitorPeer

log = structlog.get_logger()

SETUPS: Final = 8  # at once: a burst of handshakes must not hold up everything else on the loop
SETUP_SLOT_SECONDS: Final = 2.0  # a client that never comes costs little and must not hold a slot for longer
WAIT_SECONDS: Final = 3.0  # for a slot
CLOSE_SECONDS: Final = 6.0
CERTIFICATE_SECONDS: Final = 24 * 3600.0

AnyPeer = TypeVar("AnyPeer", bound=ChannelPeer)


class Peers:
    """Answers offers with peers on one UDP port, and forgets each as soon as it is over."""

    def __init__(
        self,
        host: str,
        port: int = 0,
        advertise: str | None = None,
        *,
        max_peers: int = 400,
        interval: float = 1.0,
        setup_timeout: float = 10.0,
    ) -> None:
        self.mux = UdpMux()
        self._host, self._port, self._advertise = host, port, advertise
        self._max_peers = max_peers
        self._interval = interval
        self._setup_timeout = setup_timeout
        self._certificate = DailyCertificate()
        self._peers: set[ChannelPeer] = set()
        self._waiting = 0
        self._slots = asyncio.Semaphore(SETUPS)
        self._is_closed = False

    async def start(self) -> None:
        """Open the port; OSError if it is taken."""
        await self.mux.listen(self._host, self._port, self._advertise)
        log.info("rtc.started", hosts=list(self.mux.hosts), port=self.mux.port)

    async def answer(
        self, sdp: object, *, on_beat: Callable[[Beat], None], on_state: Callable[[State], None]
    ) -> MonitorPeer:
        """Return a monitor that has answered, its answer in `answer_sdp`; refuses `BadSdp`, `MonitorBusy`."""
        make = partial(
            MonitorPeer,
            on_beat=on_beat,
            on_state=on_state,
            interval=self._interval,
            setup_timeout=self._setup_timeout,
        )
        return await self.admit(sdp, make)

    async def admit(self, sdp: object, make: Callable[[UdpMux, RTCCertificate], AnyPeer]) -> AnyPeer:
        """Let a peer of any kind answer an offer, under the same cap and the same slots."""
        offer = passive_offer(sdp)  # a bad one is not worth a slot
        await self._take_slot()
        peer = make(self.mux, self._certificate.get(at=monotonic()))
        self._keep(peer)
        await peer.answer(offer)
        return peer

    @property
    def port(self) -> int:
        return self.mux.port

    @property
    def open_count(self) -> int:
        """Peers that exist, those that are still being set up included."""
        return len(self._peers)

    async def close(self) -> None:
        """Hang up on everybody and free the port; call it before the loop ends."""
        self._is_closed = True
        closing = [asyncio.ensure_future(peer.close()) for peer in self._peers]
        if closing:
            _, late = await asyncio.wait(closing, timeout=CLOSE_SECONDS)
            for task in late:
                task.cancel()
        await self.mux.close()

    async def _take_slot(self) -> None:
        if self._is_closed or len(self._peers) + self._waiting >= self._max_peers:
            raise MonitorBusy()
        self._waiting += 1
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._slots.acquire()
        except TimeoutError:
            raise MonitorBusy() from None
        finally:
            self._waiting -= 1
        if self._is_closed:
            self._slots.release()
            raise MonitorBusy()

    def _keep(self, peer: ChannelPeer) -> None:
        """Hold the peer until it is over, and its slot until it has opened or had its time."""
        self._peers.add(peer)
        peer.forgotten.add_done_callback(lambda _: self._peers.discard(peer))
        peer.settled.add_done_callback(Slot(self._slots).release)


#: Both calls and probes hang their peers on it.
PEERS = web.AppKey("PEERS", Peers)


class Slot:
    """A taken place among the set-ups, given back once: when told to, or when its time is up."""

    def __init__(self, slots: asyncio.Semaphore) -> None:
        self._slots: asyncio.Semaphore | None = slots
        self._timer = asyncio.get_running_loop().call_later(SETUP_SLOT_SECONDS, self.release)

    def release(self, _: object = None) -> None:
        self._timer.cancel()
        if self._slots is not None:
            self._slots.release()
            self._slots = None


class DailyCertificate:
    """One DTLS certificate for all peers, a new one every day for those that come after."""

    def __init__(self) -> None:
        self._certificate: RTCCertificate | None = None
        self._born = 0.0

    def get(self, *, at: float) -> RTCCertificate:
        if self._certificate is None or at - self._born > CERTIFICATE_SECONDS:
            self._certificate, self._born = RTCCertificate.generateCertificate(), at
        return self._certificate


def tune_gc() -> None:
    """Call once when the server has started: full collections are the longest pauses beside open peers.

    Peers are reference cycles, so the collector stays on; what start-up left behind is not walked again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(5000, 20, 50)
