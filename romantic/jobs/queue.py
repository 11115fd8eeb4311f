"""Jobs as rows: written with what caused them, claimed under a lease, finished or tried again."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from romantic.db import Connection, Row, load_queries

sql = load_queries("jobs")

#: What the database tells its process after a commit that left work behind.
TOPIC = "jobs"
LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class Job:
    """One attempt at a piece of work; `attempt` counts from 1."""

    id: int
    kind: str
    payload: dict[str, Any]
    attempt: int
    created_at: datetime


class Retry(Exception):
    """The work is to be tried again: after so many seconds, or after the usual back-off.

    The reason is for operators and the logs: no number, code, token or text of a person.
    """

    def __init__(self, after: float | None = None, reason: str = "") -> None:
        super().__init__(reason)
        self.after = after
        self.reason = reason


class GiveUp(Exception):
    """The work can never be done; the job is dead at once. The reason as in Retry."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


async def enqueue(
    conn: Connection,
    kind: str,
    payload: dict[str, Any],
    *,
    key: str | None = None,
    delay: float = 0.0,
    expires_in: float | None = None,
    most: int | None = None,
) -> None:
    """Write work down that becomes visible with the caller's transaction, or never.

    While an unfinished job of the kind has the same key, a second one is no job at all: give a key only
    to work that looks at the world when it runs. Not begun before `delay` seconds have passed, and not
    begun any more after `expires_in`. Of work that may be lost while a provider is away, no more than `most`
    of the kind waits. The payload is JSON; ids rather than data of people, for it stays
    in the database until the work is done.
    """
    limits: dict[str, Any] = {"delay": delay, "expires_in": expires_in, "most": most}
    await conn.run(sql.add_job, kind=kind, key=key, payload=payload, **limits)
    conn.announce(TOPIC)


def announce(conn: Connection, count: int) -> None:
    """Begin at the commit what a statement of another room has written down: so many jobs, perhaps none."""
    if count:
        conn.announce(TOPIC)


async def claim(conn: Connection, leases: dict[str, float], *, free: int) -> list[Row]:
    """At most `free` due jobs of these kinds, ours until their lease (seconds) is over."""
    return await conn.all(sql.claim_jobs, kinds=list(leases), leases=list(leases.values()), free=free)


async def seconds_until_due(conn: Connection, kinds: list[str]) -> float | None:
    """Until the next job of these kinds is due, or None without one."""
    seconds: float | None = await conn.value(sql.seconds_until_due, kinds=kinds)
    return seconds


async def is_unfinished(conn: Connection, kind: str, key: str) -> bool:
    return bool(await conn.value(sql.is_unfinished, kind=kind, key=key))


async def finish(conn: Connection, job: Job, status: str, reason: str | None = None) -> None:
    """Done, expired or dead; nothing if somebody else has taken the job over."""
    short = reason and reason[:LONGEST_REASON]
    await conn.run(sql.finish_job, job_id=job.id, attempt=job.attempt, status=status, reason=short)


async def postpone(conn: Connection, job: Job, seconds: float, reason: str) -> None:
    short = reason[:LONGEST_REASON]
    await conn.run(sql.postpone_job, job_id=job.id, attempt=job.attempt, seconds=seconds, reason=short)


async def release(conn: Connection, job: Job) -> None:
    """Give back what was interrupted; the attempt does not count."""
    await conn.run(sql.release_job, job_id=job.id, attempt=job.attempt)
    conn.announce(TOPIC)


async def list_jobs(
    conn: Connection, *, status: str | None = None, kind: str | None = None, page_size: int = 50
) -> list[Row]:
    """Newest first, without their payloads."""
    return await conn.all(sql.list_jobs, status=status, kind=kind, page_size=page_size)


async def retry_jobs(conn: Connection, job_ids: list[int]) -> list[int]:
    """Let dead jobs be tried again from the first attempt; the ids of those that will be."""
    retried = [row["id"] for row in await conn.all(sql.retry_jobs, job_ids=job_ids)]
    conn.announce(TOPIC)
    return retried


async def drop_jobs(conn: Connection, job_ids: list[int]) -> list[int]:
    """Forget jobs that do not run at this moment; the ids of those that are gone."""
    return [row["id"] for row in await conn.all(sql.drop_jobs, job_ids=job_ids)]
