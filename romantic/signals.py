"""What one room announces and another acts on, so that neither imports the other. Wired in app.py."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from uuid import UUID

import structlog
from aiohttp import web

log = structlog.get_logger()

#: Two people were parted by a block: (app, one, other). What they have in common ends at once.
OnParted = Callable[[web.Application, UUID, UUID], Awaitable[None]]
PARTED = web.AppKey[list[OnParted]]("PARTED")

#: Somebody may no longer take part: (app, user, reason), the reason as calls end with it.
OnGone = Callable[[web.Application, UUID, str], Awaitable[None]]
GONE = web.AppKey[list[OnGone]]("GONE")

#: What others may see of somebody changed: online, status, busy, privacy, or whether they may see at all.
#: Told (app, user, viewer), where None means every viewer; does nothing that takes time.
OnChanged = Callable[[web.Application, UUID, UUID | None], None]
CHANGED = web.AppKey[list[OnChanged]]("CHANGED")

TRIES = 4


async def announce_parted(app: web.Application, one: UUID, other: UUID) -> None:
    """Call after the commit."""
    for act in app[PARTED]:
        await _insist(partial(act, app, one, other))


async def announce_gone(app: web.Application, user_id: UUID, reason: str) -> None:
    """Call after the commit."""
    for act in app[GONE]:
        await _insist(partial(act, app, user_id, reason))


def announce_changed(app: web.Application, *user_ids: UUID) -> None:
    """What everybody sees of these people may have changed; call after the commit."""
    for user_id in user_ids:
        for note in app[CHANGED]:
            note(app, user_id, None)


def announce_pair_changed(app: web.Application, one: UUID, other: UUID) -> None:
    """What two people see of each other may have changed; call after the commit."""
    for note in app[CHANGED]:
        note(app, one, other)
        note(app, other, one)


async def _insist(act: Callable[[], Awaitable[None]]) -> None:
    """What was announced is committed: a listener that fails must neither stop the next nor be forgotten."""
    for attempt in range(1, TRIES + 1):
        try:
            await act()
        except Exception:
            log.exception("signal.failed", attempt=attempt)
            await asyncio.sleep(0.1 * 2**attempt)
        else:
            return
