"""Real peers over the loopback: a keeper of peers, and phones that connect to it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from romantic.rtc import Beat, MonitorPeer, Peers, State
from romantic.rtc.client import MonitorClient

HOSTS = ("127.0.0.1",)


async def until(condition: Callable[[], object], *, timeout: float = 8.0) -> None:
    """Wait for a condition, with a deadline."""
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def running(**options: Any) -> AsyncIterator[Peers]:
    """A keeper on a free port that pings twenty times a second."""
    keeper = Peers("127.0.0.1", **{"interval": 0.05, **options})
    await keeper.start()
    try:
        yield keeper
    finally:
        await keeper.close()


@dataclass
class Line:
    """A phone, the peer that answered it, and what the peer reported."""

    phone: MonitorClient
    beats: list[Beat] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    peer: MonitorPeer = None  # type: ignore[assignment]

    async def dial(self, keeper: Peers, **handlers: Any) -> None:
        """Exchange the descriptions; the channel opens by itself from there."""
        handlers = {"on_beat": self.beats.append, "on_state": self.states.append, **handlers}
        self.peer = await keeper.answer(await self.phone.offer(), **handlers)
        await self.phone.accept(self.peer.answer_sdp)


Connect = Callable[..., Awaitable[Line]]


@pytest.fixture
async def peers() -> AsyncIterator[Peers]:
    async with running() as keeper:
        yield keeper


@pytest.fixture
async def connect(peers: Peers) -> AsyncIterator[Connect]:
    """Connect a phone and wait for its open channel."""
    async with AsyncExitStack() as stack:

        async def make(
            *, keeper: Peers = peers, phone: dict[str, Any] | None = None, **handlers: Any
        ) -> Line:
            line = Line(MonitorClient(hosts=HOSTS, **(phone or {})))
            stack.push_async_callback(line.phone.close)
            await line.dial(keeper, **handlers)
            await line.phone.wait_open()
            return line

        yield make


@pytest.fixture
async def offer() -> AsyncIterator[str]:
    """An offer whose phone never does anything more."""
    phone = MonitorClient(hosts=HOSTS)
    yield await phone.offer()
    await phone.close()
