"""Loops that run beside the requests, and end when they are told to."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
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
