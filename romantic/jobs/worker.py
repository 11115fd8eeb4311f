"""The worker of one process: claims what is due, runs it bounded, writes down what became of it."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from aiohttp import web

from romantic.background import running
from romantic.db import DATABASE, Connection, Row, connection
from romantic.jobs import queue
from romantic.jobs.queue import GiveUp, Job, Retry
from romantic.settings import SETTINGS

log = structlog.get_logger()

Handler = Callable[[web.Application, Job], Awaitable[None]]

#: A lease outlasts the longest run by this, in which the outcome is written down.
LEASE_MARGIN = 5.0
#: Tries to write an outcome down before the lease decides.
TELLINGS = 4
LONGEST_BACKOFF = 900.0
#: How often a request that waits for a job looks whether another process has done it.
LOOK_SECONDS = 0.5
#: Without PostgreSQL a claim is tried this often at most, and never much more rarely: it may be back.
LONGEST_ABSENCE = 2.0


@dataclass(frozen=True, slots=True)
class Work:
    """How jobs of one kind are done."""

    handler: Handler
    attempts: int
    timeout: float
    backoff: float
    lane: str | None = None


WORKS = web.AppKey("WORKS", dict[str, Work])


def add_job(
    app: web.Application,
    kind: str,
    handler: Handler,
    *,
    attempts: int = 10,
    timeout: float = 30.0,
    backoff: float = 1.0,
    lane: str | None = None,
) -> None:
    """Say at wiring time who does the jobs of a kind; a process leaves kinds it does not know to others.

    A handler that returns is done. It may run again after it did its work (a process can die before that
    is written down), so it must be harmless twice. It is cut off after `timeout` seconds. Kinds of one lane
    take a third of the places at most: a slow provider, or what waits for it, shall not hold up other work.
    """
    works = app.setdefault(WORKS, {})
    if kind in works:
        raise ValueError(f"{kind} has a handler")
    works[kind] = Work(handler, attempts, timeout, backoff, lane)


def backoff_of(work: Work, attempt: int) -> float:
    """Seconds until the next attempt: exponential with full jitter (AWS Architecture Blog, 2015)."""
    return random.uniform(0, min(LONGEST_BACKOFF, work.backoff * 2 ** (attempt - 1)))


class Worker:
    """One claiming loop, and a task for each job that runs."""

    def __init__(self, app: web.Application) -> None:
        settings = app[SETTINGS]
        self._app = app
        self._works = app.setdefault(WORKS, {})
        self._most = settings.jobs_concurrency
        self._poll = settings.jobs_poll_seconds
        self._most_of_lane = max(1, self._most // 3)
        self._running: dict[asyncio.Task[None], Job] = {}
        self._awake = asyncio.Event()
        self._watched: dict[tuple[str, str], asyncio.Event] = {}
        self._absences = 0
        self._is_stopping = False

    def wake(self) -> None:
        """Look for work now: a transaction of this process left some."""
        self._awake.set()

    async def run(self) -> None:
        while not self._is_stopping:
            self._awake.clear()
            pause = await self._take()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._awake.wait()

    async def _take(self) -> float:
        """Start what is due and fits; the seconds after which it is worth looking again."""
        leases, free = self._places()
        if not free or not leases:
            return self._poll
        try:
            async with connection(self._app) as conn:
                rows = await queue.claim(conn, leases, free=free)
                due = None if rows else await queue.seconds_until_due(conn, list(leases))
        except Exception as error:
            return self._bear(error)
        self._absences = 0
        for row in rows:
            self._start(row)
        if rows:
            return 0.0
        # Spread out, so that the processes of one fleet do not look at the same moment.
        spread = self._poll * random.uniform(0.5, 1.0)
        return spread if due is None else min(spread, max(0.05, due))

    def _places(self) -> tuple[dict[str, float], int]:
        """The kinds that may be begun now, with the leases they need, and how many of them in one go."""
        taken = self._taken()
        rooms = {
            lane: self._most_of_lane - taken[lane] for lane in {w.lane for w in self._works.values()} if lane
        }
        leases = {
            kind: work.timeout + LEASE_MARGIN
            for kind, work in self._works.items()
            if work.lane is None or rooms[work.lane]
        }
        return leases, min(self._most - len(self._running), *filter(None, rooms.values()), self._most)

    def _taken(self) -> Counter[str | None]:
        """How many jobs of each lane run."""
        return Counter(self._works[job.kind].lane for job in self._running.values())

    def _bear(self, error: Exception) -> float:
        """PostgreSQL is away, or worse: said once, tried again without a tight loop."""
        if not self._absences:
            log.warning("job.claim_failed", reason=type(error).__name__)
        self._absences += 1
        return random.uniform(0.5, 1.0) * min(LONGEST_ABSENCE, 0.1 * 2.0**self._absences)

    def _start(self, row: Row) -> None:
        job = Job(row["id"], row["kind"], row["payload"], row["attempts"], row["created_at"])
        task = asyncio.create_task(self._do(job, is_late=row["is_late"], age=row["age"]))
        self._running[task] = job
        task.add_done_callback(partial(self._ended, key=(row["kind"], row["key"])))

    def _ended(self, task: "asyncio.Task[None]", key: tuple[str, str]) -> None:
        lane = self._works[self._running[task].kind].lane
        was_full = len(self._running) >= self._most or (
            lane is not None and self._taken()[lane] >= self._most_of_lane
        )
        del self._running[task]
        if was_full:
            self.wake()
        if key in self._watched:
            self._watched.pop(key).set()

    def watch(self, kind: str, key: str) -> asyncio.Event:
        """Set when this process next ends an attempt at the job."""
        return self._watched.setdefault((kind, key), asyncio.Event())

    def forget(self, kind: str, key: str) -> None:
        self._watched.pop((kind, key), None)

    async def _do(self, job: Job, *, is_late: bool, age: float) -> None:
        work, began = self._works[job.kind], time.monotonic()
        with structlog.contextvars.bound_contextvars(job_id=job.id, job_kind=job.kind):
            try:
                outcome, reason, tell = await self._attempt(work, job, is_late=is_late)
            except asyncio.CancelledError:
                await self._tell(partial(queue.release, job=job))
                raise
            took = round((time.monotonic() - began) * 1000, 1)
            facts: dict[str, Any] = {"attempt": job.attempt, "duration_ms": took, "age_s": round(age, 3)}
            log.info("job.run", outcome=outcome, reason=reason, **facts)
            if outcome == "dead":
                log.error("job.dead", reason=reason, attempt=job.attempt)
            await self._tell(tell)
            if outcome == "retry":
                self.wake()  # to see when it is due

    async def _attempt(self, work: Work, job: Job, *, is_late: bool) -> tuple[str, str | None, "Tell"]:
        """Run the job: what came of it, why, and how to write it down."""
        if is_late:
            return "expired", None, partial(queue.finish, job=job, status="expired")
        try:
            if job.attempt > work.attempts:
                raise GiveUp("every attempt was cut short")
            async with asyncio.timeout(work.timeout):
                await work.handler(self._app, job)
        except GiveUp as end:
            return "dead", end.reason, partial(queue.finish, job=job, status="dead", reason=end.reason)
        except Exception as error:
            return self._again(work, job, error)
        return "done", None, partial(queue.finish, job=job, status="done")

    def _again(self, work: Work, job: Job, error: Exception) -> tuple[str, str, "Tell"]:
        known = isinstance(error, Retry)
        reason = error.reason if isinstance(error, Retry) else type(error).__name__
        if not known:
            log.warning("job.failed", attempt=job.attempt, exc_info=error)
        if job.attempt >= work.attempts:
            return "dead", reason, partial(queue.finish, job=job, status="dead", reason=reason)
        after = error.after if isinstance(error, Retry) else None
        seconds = backoff_of(work, job.attempt) if after is None else after
        return "retry", reason, partial(queue.postpone, job=job, seconds=seconds, reason=reason)

    async def _tell(self, tell: "Tell") -> None:
        """Write the outcome down; if PostgreSQL stays away, the lease runs out and the job is done again."""
        for telling in range(TELLINGS):
            try:
                async with connection(self._app) as conn:
                    await tell(conn)
            except Exception as error:
                log.warning("job.tell_failed", reason=type(error).__name__)
                await asyncio.sleep(0.1 * 4**telling)
            else:
                return

    async def stop(self, grace: float) -> None:
        """Claim no more, let what runs end by itself for `grace` seconds, and give the rest back."""
        self._is_stopping = True
        self._awake.set()
        if self._running:
            await asyncio.wait(self._running, timeout=grace)
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running, timeout=1.0)


Tell = Callable[[Connection], Awaitable[None]]
WORKER = web.AppKey("WORKER", Worker)


async def settled(app: web.Application, kind: str, key: str, *, within: float) -> bool:
    """Wait until no job of the kind with this key is unfinished; False when `within` seconds are over.

    For a request that would like to tell how it went. Call it after the commit.
    """
    worker, deadline = app[WORKER], time.monotonic() + within
    try:
        while True:
            news = worker.watch(kind, key)
            async with connection(app) as conn:
                if not await queue.is_unfinished(conn, kind, key):
                    return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            # Another process may have taken the job: it is looked at now and then as well.
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, LOOK_SECONDS)):
                    await news.wait()
    finally:
        worker.forget(kind, key)


async def jobs(app: web.Application) -> AsyncIterator[None]:
    """Work while the application runs; wire it after everything that jobs use."""
    worker = app[WORKER] = Worker(app)
    app[DATABASE].on_commit(queue.TOPIC, worker.wake)
    async with running(worker.run()):
        yield
        await worker.stop(app[SETTINGS].jobs_drain_seconds)
