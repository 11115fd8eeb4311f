"""What one room announces and another acts on, so that neither imports the other. Wired in app.py.

An announcement is a job written with what caused it: though the process is killed right after the commit,
calls and sessions end. Listeners may hear one twice and must bear it.
"""

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from uuid import UUID

import structlog
from aiohttp import web

from romantic.db import Connection
from romantic.jobs import Job, Retry, add_job, enqueue, settled

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

PARTED_JOB, GONE_JOB = "signal.parted", "signal.gone"
#: Whoever announced something may wait this long for its consequences.
PATIENCE_SECONDS = 3.0
ATTEMPTS = 20


def add_signals(app: web.Application, *, parted: list[OnParted], gone: list[OnGone]) -> None:
    app[PARTED], app[GONE] = parted, gone
    add_job(app, PARTED_JOB, _hear_parted, attempts=ATTEMPTS, backoff=0.1)
    add_job(app, GONE_JOB, _hear_gone, attempts=ATTEMPTS, backoff=0.1)


async def announce_parted(conn: Connection, one: UUID, other: UUID) -> None:
    """Needs the transaction of the block."""
    payload = {"one": str(one), "other": str(other)}
    await enqueue(conn, PARTED_JOB, payload, key=f"{one}:{other}")


async def announce_gone(conn: Connection, user_id: UUID, reason: str) -> None:
    """Needs the transaction that shuts the person out."""
    await enqueue(conn, GONE_JOB, {"userId": str(user_id), "reason": reason}, key=str(user_id))


async def heard_parted(app: web.Application, one: UUID, other: UUID) -> None:
    """After the commit: wait for the consequences, but not for long. They come in any case."""
    await settled(app, PARTED_JOB, f"{one}:{other}", within=PATIENCE_SECONDS)


async def heard_gone(app: web.Application, user_id: UUID) -> None:
    """As heard_parted."""
    await settled(app, GONE_JOB, str(user_id), within=PATIENCE_SECONDS)


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


async def _hear_parted(app: web.Application, job: Job) -> None:
    one, other = UUID(job.payload["one"]), UUID(job.payload["other"])
    await _tell_all(partial(act, app, one, other) for act in app[PARTED])


async def _hear_gone(app: web.Application, job: Job) -> None:
    user_id, reason = UUID(job.payload["userId"]), job.payload["reason"]
    await _tell_all(partial(act, app, user_id, reason) for act in app[GONE])


async def _tell_all(acts: Iterable[Callable[[], Awaitable[None]]]) -> None:
    """A listener that fails must neither stop the next nor be forgotten."""
    faults = []
    for act in acts:
        try:
            await act()
        except Exception as fault:
            log.exception("signal.failed")
            faults.append(type(fault).__name__)
    if faults:
        raise Retry(reason=", ".join(faults))
