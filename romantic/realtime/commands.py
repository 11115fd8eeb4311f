"""Commands to Redis in one order, which nobody waits for."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

import structlog

from romantic.redis import Command, RedisAway, RedisClient

log = structlog.get_logger()

#: Told what a command returned, or None if it did not happen as far as we know.
Told = Callable[[Any], None]

MAX_WAITING = 20_000
MAX_WAITING_BYTES = 2 * 1024 * 1024
BATCH = 256
BATCH_BYTES = 64 * 1024


class Commands:
    """A bounded queue and one writer: one batch is on its way while the next gathers."""

    def __init__(self, redis: RedisClient) -> None:
        self.dropped = 0
        self._redis = redis
        self._waiting: deque[tuple[Command, Told | None, int]] = deque()  # and its bytes
        self._waiting_bytes = 0
        self._is_sending = False
        self._wake = asyncio.Event()

    @property
    def are_waiting(self) -> bool:
        """Whether some wait, or are on their way."""
        return self._is_sending or bool(self._waiting)

    def run(self, command: Command, told: Told | None = None) -> None:
        """Send a command after all those before it, together with those behind it; never blocks.

        `told` gets its result, or None if Redis did not answer: then nobody knows whether it ran.
        """
        size = _size(command)
        is_full = len(self._waiting) >= MAX_WAITING or self._waiting_bytes + size > MAX_WAITING_BYTES
        if is_full or self._redis.is_broken:
            self.dropped += 1
            if told is not None:
                told(None)
            return
        self._waiting.append((command, told, size))
        self._waiting_bytes += size
        self._wake.set()

    async def write(self) -> None:
        """Send what waits, for ever: one batch is on its way while the next gathers."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                self._is_sending = True
                await self._send(self._next_batch())
            self._is_sending = False

    def _next_batch(self) -> list[tuple[Command, Told | None]]:
        batch: list[tuple[Command, Told | None]] = []
        taken = 0
        while self._waiting and len(batch) < BATCH and taken < BATCH_BYTES:
            command, told, size = self._waiting.popleft()
            batch.append((command, told))
            taken += size
        self._waiting_bytes -= taken
        return batch

    async def _send(self, batch: list[tuple[Command, Told | None]]) -> None:
        results: list[Any]
        try:
            results = await self._redis.run([command for command, _ in batch], patient=True)
        except RedisAway:
            self.dropped += len(batch)
            results = [None] * len(batch)
        for (command, told), result in zip(batch, results, strict=True):
            if isinstance(result, Exception):
                log.error("bus.command_refused", command=str(command[0]), reason=str(result)[:200])
            if told is not None:
                try:
                    told(None if isinstance(result, Exception) else result)
                except Exception:
                    log.exception("bus.callback_failed")


def _size(command: Command) -> int:
    return sum([len(part) for part in command if not isinstance(part, int | float)])
