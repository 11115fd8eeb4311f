"""What SIGTERM and Ctrl-C do to a command, by where it stands."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """A start is abandoned; a server is told and drains; a second signal ends the drain.

    Whichever of them raises does so once: what is left then is to stop the embedded servers, which have
    short deadlines of their own.
    """

    def __init__(self) -> None:
        self._react: Callable[[int], None] = self._leave

    def listen(self) -> asyncio.Event:
        """From now on the first signal sets this event of the running loop, instead of raising."""
        loop, told = asyncio.get_running_loop(), asyncio.Event()

        def tell(_: int) -> None:
            self._react = self._leave
            loop.call_soon_threadsafe(told.set)

        self._react = tell
        return told

    def ignore(self) -> None:
        """From now on the process ends anyway."""
        self._react = lambda _: None

    def receive(self, number: int, _: FrameType | None) -> None:
        self._react(number)

    def _leave(self, number: int) -> None:
        self.ignore()
        raise SystemExit(128 + number)


@contextmanager
def stop_signals() -> Iterator[StopSignals]:
    """Take the signals of this process for the block. Main thread only."""
    signals = StopSignals()
    with _taken(signals.receive):
        yield signals


@contextmanager
def held_signals() -> Iterator[None]:
    """Signals wait for the end of the block, a launch: were it interrupted, nobody would know its child."""
    held: list[int] = []
    with _taken(lambda number, _: held.append(number)):
        yield
    if held:
        signal.raise_signal(held[0])


@contextmanager
def _taken(receive: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before = {number: signal.signal(number, receive) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
