"""The monitor: a peer that pings its client once an interval and takes the pongs as signs of life."""

import asyncio
import json
from collections.abc import Callable
from time import monotonic
from typing import Final

from aiortc import RTCCertificate

from romantic.rtc.beats import Beat, Beats
from romantic.rtc.channel import ChannelPeer, State
from romantic.rtc.mux import UdpMux

MESSAGES_PER_PING: Final = 4
SPARE_MESSAGES: Final = 20


class MonitorPeer(ChannelPeer):
    """Feeds `on_beat` with every first answer to an outstanding ping, and with nothing else."""

    label = "monitor"

    def __init__(
        self,
        mux: UdpMux,
        certificate: RTCCertificate,
        *,
        on_beat: Callable[[Beat], None],
        on_state: Callable[[State], None],
        interval: float = 1.0,
        setup_timeout: float = 10.0,
    ) -> None:
        super().__init__(mux, certificate, on_state=on_state, setup_timeout=setup_timeout)
        self.beats = Beats()
        self._on_beat = on_beat
        self._interval = interval
        self._received = 0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def rtt_ms(self) -> float | None:
        """The median round trip of the last minute of beats."""
        return self.beats.rtt_median_ms()

    @property
    def jitter_ms(self) -> float:
        return self.beats.jitter_ms

    @property
    def loss(self) -> float:
        return self.beats.loss

    def opened(self) -> None:
        self._tick()

    def ended(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def may_receive(self) -> bool:
        self._received += 1
        return self._received <= SPARE_MESSAGES + MESSAGES_PER_PING * self.beats.sent

    def received(self, message: str | bytes) -> None:
        try:
            body = json.loads(message)
        except (ValueError, RecursionError):
            return
        if isinstance(body, dict) and body.get("t") == "pong":
            beat = self.beats.take(body, at=monotonic())
            if beat is not None:
                self._on_beat(beat)

    def _tick(self) -> None:
        """Ping and come back an interval later; a channel that is closing gets no more."""
        if self.is_over:
            return
        self._timer = asyncio.get_running_loop().call_later(self._interval, self._guarded(self._tick))
        n = self.beats.ping(monotonic())
        self.send(json.dumps({"t": "ping", "n": n}, separators=(",", ":")))
