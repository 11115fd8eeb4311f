"""The event loop of a command, which ends even where a task does not want to."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")

PARTING_SECONDS = 1.0


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """As asyncio.run, but whoever is left over at the end, or at a signal, is waited for only so long.

    A cancellation may get lost inside a driver, and asyncio.run would then wait for ever.
    """
    loop = _new_loop()
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(main)
    finally:
        loop.run_until_complete(_part())
        asyncio.set_event_loop(None)
        loop.close()


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # not made for Windows
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def _part() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others, timeout=PARTING_SECONDS)
    await asyncio.get_running_loop().shutdown_asyncgens()
