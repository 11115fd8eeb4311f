"""What one room announces and another acts on, so that neither imports the other. Wired in app.py."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from aiohttp import web

#: Two people were parted by a block: (app, one, other). What they have in common ends at once.
OnParted = Callable[[web.Application, UUID, UUID], Awaitable[None]]
PARTED = web.AppKey[list[OnParted]]("PARTED")

#: Somebody may no longer take part: (app, user, reason), the reason as calls end with it.
OnGone = Callable[[web.Application, UUID, str], Awaitable[None]]
GONE = web.AppKey[list[OnGone]]("GONE")


async def announce_parted(app: web.Application, one: UUID, other: UUID) -> None:
    """Call after the commit."""
    for act in app[PARTED]:
        await act(app, one, other)


async def announce_gone(app: web.Application, user_id: UUID, reason: str) -> None:
    """Call after the commit."""
    for act in app[GONE]:
        await act(app, user_id, reason)
