"""The turnstile: phones that all come at once queue here, and not for the connections of the database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from romantic.errors import Unavailable
from romantic.realtime.hub import HUB

TURN_SECONDS = 5.0


@asynccontextmanager
async def turn(app: web.Application, *, within: float = TURN_SECONDS) -> AsyncIterator[None]:
    """One's turn to ask the database; raises Unavailable if it does not come in time."""
    turnstile = app[HUB].turnstile
    try:
        async with asyncio.timeout(within):
            await turnstile.acquire()
    except TimeoutError:
        raise Unavailable(retry_after=1) from None
    try:
        yield
    finally:
        turnstile.release()
