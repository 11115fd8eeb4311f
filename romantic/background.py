"""Loops that run beside the requests, and end when they are told to."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


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
