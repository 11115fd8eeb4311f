"""Waiting for a condition, never for a while."""

import asyncio
from collections.abc import Awaitable, Callable

PATIENCE = 10.0


async def until(holds: Callable[[], Awaitable[bool]], *, within: float = PATIENCE) -> None:
    """Return once the condition holds; raises TimeoutError."""
    async with asyncio.timeout(within):
        while not await holds():
            await asyncio.sleep(0.01)
