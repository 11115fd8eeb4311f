"""Loops that run beside the requests, and end when they are told to."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

#: When each periodic task last did its work, as Unix time: a task that died quietly shows here.
LAST_SUCCESS: dict[str, float] = {}


def succeeded(task: str) -> None:
    """Note that a periodic task of this name has done its work."""
    LAST_SUCCESS[task] = time.time()


@asynccontextmanager
async def running(job: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run the job while the block lasts.

    A cancellation may be lost inside a driver that gives up a connection at the same moment: it is repeated.
    """
    task = asyncio.create_task(job)
    try:
        yield
    finally:
        while not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=0.5)


async def wait_for(holds: Callable[[], bool], *, within: float) -> None:
    """Return once it holds, or after so many seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(within):
            while not holds():  # noqa: ASYNC110 - what holds tells nobody
                await asyncio.sleep(0.005)
