"""One passive peer that answers one offer and keeps one data channel; what travels on it is up to heirs."""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Any, ClassVar, Final, Literal

import structlog
from aiortc import (
    RTCBundlePolicy,
    RTCCertificate,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)

from romantic.rtc.errors import BadSdp
from romantic.rtc.mux import Leg, UdpMux
from romantic.rtc.offer import passive_offer

log = structlog.get_logger()

State = Literal["open", "lost", "setup-timeout", "closed"]

MAX_MESSAGE_BYTES: Final = 512
RTO_INITIAL: Final = 1.0  # RFC 9260 section 16; aiortc waits three seconds for a lost first packet
CLOSE_SECONDS: Final = 5.0


class ChannelPeer:
    """Reports "open" at most once and then exactly one of "lost", "setup-timeout" and "closed".

    Nothing raised by a handler or a callback gets out: aiortc would end the whole peer for it.
    """

    label: ClassVar[str]

    def __init__(
        self,
        mux: UdpMux,
        certificate: RTCCertificate,
        *,
        on_state: Callable[[State], None],
        setup_timeout: float,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.state: State | Literal["new"] = "new"
        self.answer_sdp = ""
        self.channel: RTCDataChannel | None = None
        self.settled: asyncio.Future[None] = loop.create_future()  # open, or never will be
        self.forgotten: asyncio.Future[None] = loop.create_future()  # every resource is back
        self._mux = mux
        self._on_state = on_state
        self._setup_timeout = setup_timeout
        self._born = monotonic()
        self._opened_at: float | None = None
        self._leg: Leg | None = None
        self._pair: str | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._closing: asyncio.Task[None] | None = None
        self._connection = self._connect(certificate)

    async def answer(self, offer: object) -> str:
        """Answer a data-channel-only offer; refuses with `BadSdp` and is over then, without a report."""
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(self._setup_timeout, self._end, "setup-timeout")
        try:
            sdp = await self._negotiate(passive_offer(offer))
        except BaseException:  # also where the caller goes away half-way
            self._end("closed")
            raise
        if self.is_over:
            raise BadSdp()
        self.answer_sdp = sdp
        return sdp

    async def close(self) -> None:
        """Hang up and wait, within a deadline, until nothing is left."""
        self._end("closed")
        if self._closing is not None:
            await asyncio.shield(self._closing)

    @property
    def is_over(self) -> bool:
        return self._closing is not None

    @property
    def opened_after_ms(self) -> float | None:
        """From the offer to the open channel; None until then."""
        return None if self._opened_at is None else 1000 * (self._opened_at - self._born)

    @property
    def pair(self) -> str | None:
        """The types of the selected candidate pair, ours first: "host/prflx"; None before there is one."""
        nominated = self._leg.connection._nominated.get(1) if self._leg else None
        if nominated is not None:
            self._pair = f"{nominated.local_candidate.type}/{nominated.remote_candidate.type}"
        return self._pair

    @property
    def sources(self) -> list[tuple[str, int]]:
        """The addresses the client proved to come from, oldest first."""
        return list(self._leg.sources) if self._leg else []

    def opened(self) -> None:
        """The channel has opened."""

    def received(self, message: str | bytes) -> None:
        """A message came in that is within its limits."""

    def ended(self) -> None:
        """The peer is over; stop timers."""

    def may_receive(self) -> bool:
        """Count a message; False closes the peer as a flood."""
        return True

    def send(self, message: str) -> bool:
        """Send on the channel if it is open."""
        if self.channel is None or self.channel.readyState != "open":
            return False
        self.channel.send(message)
        return True

    def _connect(self, certificate: RTCCertificate) -> RTCPeerConnection:
        # No list at all would mean a public STUN server, asked before every answer.
        configuration = RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        connection = RTCPeerConnection(configuration)
        connection._RTCPeerConnection__certificates = [certificate]  # type: ignore[attr-defined]
        connection.on("datachannel", self._guarded(self._adopt))
        connection.on("connectionstatechange", self._guarded(self._watch))
        return connection

    async def _negotiate(self, sdp: str) -> str:
        try:
            await self._connection.setRemoteDescription(RTCSessionDescription(sdp=sdp, type="offer"))
            sctp = self._connection.sctp
            assert sctp is not None
            sctp._rto = RTO_INITIAL
            self._leg = self._mux.attach(sctp.transport.transport._connection)
            await self._connection.setLocalDescription(await self._connection.createAnswer())
        except Exception as error:  # the parser raises whatever comes up
            log.info("rtc.offer_refused", reason=repr(error))
            raise BadSdp() from error
        return self._connection.localDescription.sdp

    def _guarded(self, handler: Callable[..., None]) -> Callable[..., None]:
        def call(*arguments: Any) -> None:
            try:
                handler(*arguments)
            except Exception:
                log.exception("rtc.handler_failed")

        return call

    def _adopt(self, channel: RTCDataChannel) -> None:
        if self.is_over:
            return
        if self.channel is not None or channel.label != self.label:
            self._end("closed")
            return
        self.channel = channel
        self._opened_at = monotonic()
        channel.on("message", self._guarded(self._receive))
        channel.on("close", self._guarded(lambda: self._end("lost")))
        self._tell("open")
        self._settle()
        self.opened()

    def _receive(self, message: str | bytes) -> None:
        if self.is_over:
            return
        size = len(message.encode() if isinstance(message, str) else message)
        if size > MAX_MESSAGE_BYTES or not self.may_receive():
            log.warning("rtc.peer_flooded", label=self.label, bytes=size)
            self._end("closed")
            return
        self.received(message)

    def _watch(self) -> None:
        # A peer without media shows "closed", not "failed", after it loses consent.
        if self._connection.connectionState in ("failed", "closed"):
            self._end("lost")

    def _settle(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        if not self.settled.done():
            self.settled.set_result(None)

    def _end(self, state: State) -> None:
        if self._closing is not None:
            return
        self._pair = self.pair
        self._closing = asyncio.get_running_loop().create_task(self._hang_up())
        self._settle()
        self.ended()
        self._tell(state)

    def _tell(self, state: State) -> None:
        self.state = state
        if self.answer_sdp:
            self._guarded(self._on_state)(state)

    async def _hang_up(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._connection.close()
        except Exception:
            log.exception("rtc.close_failed")
        finally:
            if self._leg is not None:
                self._leg.close()
            self.forgotten.set_result(None)
