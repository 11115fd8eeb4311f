"""The jobs that push: each looks at the world when it runs, and keeps quiet where nobody needs to hear.

They are written by the SQL function push(), one per phone, with what they tell of. FCM knows no key that
would make two pushes one: a process killed after FCM took a push, and before that was written down, pushes it
twice. The phone knows the two by the id they are about.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from aiohttp import web

from romantic.db import Query, Row, connection
from romantic.devices import pushes, service
from romantic.integrations.push import SENDERS, Push, PushRefusal, Verdict
from romantic.jobs import GiveUp, Job, Retry, add_job
from romantic.realtime.presence import in_foreground
from romantic.settings import SETTINGS
from romantic.signals import announce_changed

log = structlog.get_logger()
sql = service.sql

#: Longer than the sender's own deadline.
TIMEOUT_SECONDS = 8.0
#: A ring is over long before; whatever else waits ends with its own day.
RING_TRIES, TRIES = 30, 1000
LONGEST_PAUSE = 900.0
#: Our account or project is at fault: somebody is told, and it is tried again in case they act.
UNUSABLE_SECONDS = 60.0


#: Of the line of a push; null where it does not apply.
UNKNOWN = dict.fromkeys(("reason", "duration_ms", "ttl_s", "is_urgent", "message_id"))


@dataclass(frozen=True, slots=True)
class News:
    """Something pushed about: where it is read from, and what is said of it for so many seconds."""

    name: str
    find: Query
    compose: Callable[[Row, int], Push]
    is_for_all: bool = False  # also to whoever looks at the app at this moment
    is_looked_at_again: bool = False  # somebody who looked at the app may yet have missed it


NEWS = (
    News("push.cancel", sql.find_cancel, pushes.cancel, is_for_all=True),
    News("push.missed", sql.find_missed, pushes.missed),
    News("push.message", sql.find_message, pushes.message, is_looked_at_again=True),
    News("push.match", sql.find_match, pushes.match),
    News("push.coins", sql.find_credit, pushes.credit),
)
RING = "push.call"


class Alarm:
    """Says once a minute that our account is at fault, however many pushes find out."""

    def __init__(self) -> None:
        self._quiet_until = 0.0

    def ring(self, reason: str) -> None:
        if time.monotonic() >= self._quiet_until:
            self._quiet_until = time.monotonic() + UNUSABLE_SECONDS
            log.error("push.unusable", reason=reason)


ALARM = web.AppKey("ALARM", Alarm)


def add_pushes(app: web.Application) -> None:
    app[ALARM] = Alarm()
    add_job(app, RING, _ring, attempts=RING_TRIES, timeout=TIMEOUT_SECONDS, backoff=0.5)
    for news in NEWS:
        how: dict[str, Any] = {"attempts": TRIES, "timeout": TIMEOUT_SECONDS, "backoff": 2.0}
        # Nothing stands between a ring and its end; the rest may have to wait its turn.
        how |= {"backoff": 0.5} if news.is_for_all else {"lane": "push"}
        add_job(app, news.name, partial(_tell, news), **how)


async def _ring(app: web.Application, job: Job) -> None:
    """Ring a phone, unless the call is over or a phone of the same person shows it already.

    A phone with the app in front is given a moment to say that it rings; a network may have died under it.
    """
    device_id, about = _subject(job)
    async with connection(app) as conn:
        device = await conn.one(sql.find_ring, device_id=device_id, about=about)
    if device is None or device["status"] == "ringing":
        _log(job, device, "quiet", reason="ringing" if device else "over")
        return
    if job.attempt == 1 and await in_foreground(app, device["user_id"]):
        raise Retry(min(app[SETTINGS].push_ring_wait_seconds, device["seconds_left"] / 3), "in front")
    async with connection(app) as conn:
        call = await conn.one(sql.begin_ring, device_id=device_id, about=about)
    if call is None or call["seconds_left"] < 1:
        _log(job, device, "quiet", reason="over")
        return
    await _send(app, job, device, pushes.ring(call))


async def _tell(news: News, app: web.Application, job: Job) -> None:
    device_id, about = _subject(job)
    async with connection(app) as conn:
        device = await conn.one(news.find, device_id=device_id, about=about)
    if device is None:
        _log(job, device, "quiet", reason="over")
        return
    # A phone that had to be rung does not hear us by its socket, however much in front it seems.
    is_heard = news.is_for_all or job.payload.get("wasRung", False)
    if not is_heard and await in_foreground(app, device["user_id"]):
        if news.is_looked_at_again and job.attempt == 1:
            raise Retry(app[SETTINGS].push_unread_seconds, "in front")
        _log(job, device, "quiet", reason="in front")
        return
    seconds = max(1, int(job.payload["until"] - time.time()))
    await _send(app, job, device, news.compose(device, seconds))


async def _send(app: web.Application, job: Job, device: Row, push: Push) -> None:
    sender = app[SENDERS].get(device["platform"])
    if sender is None:
        _log(job, device, "off")
        return
    began = time.monotonic()
    try:
        message_id = await sender.send(push, token=device["token"], platform=device["platform"])
    except PushRefusal as refusal:
        outcome = "failed" if refusal.verdict is Verdict.RETRY else refusal.verdict.value
        _log(job, device, outcome, reason=refusal.reason)
        await _refused(app, job, device, refusal)
        return
    facts: dict[str, Any] = {"ttl_s": push.ttl, "is_urgent": push.is_urgent, "message_id": message_id}
    _log(job, device, "sent", duration_ms=round((time.monotonic() - began) * 1000, 1), **facts)


async def _refused(app: web.Application, job: Job, device: Row, refusal: PushRefusal) -> None:
    """Forget the phone, give the push up, or try again: raises GiveUp, Retry."""
    if refusal.verdict is Verdict.FORGET:
        async with connection(app) as conn:
            await conn.run(sql.forget_token, device_id=_subject(job)[0], token=device["token"])
        announce_changed(app, device["user_id"])
        return
    if refusal.verdict is Verdict.REFUSED:
        raise GiveUp(refusal.reason)
    if refusal.verdict is Verdict.STOP:
        app[ALARM].ring(refusal.reason)
    raise Retry(_pause(job, refusal), refusal.reason)


def _pause(job: Job, refusal: PushRefusal) -> float | None:
    """What the service asked for and the usual back-off with it: those that wait must not come back at once.

    A ring cannot wait for long, so it comes as soon as it may.
    """
    after = UNUSABLE_SECONDS if refusal.verdict is Verdict.STOP else refusal.after
    if after is None or job.kind == RING:
        return after
    return after + random.uniform(0, min(LONGEST_PAUSE, 2.0 ** (job.attempt - 1)))


def _subject(job: Job) -> tuple[UUID, UUID]:
    return UUID(job.payload["deviceId"]), UUID(job.payload["about"])


def _log(job: Job, device: Row | None, outcome: str, **facts: Any) -> None:
    """The canonical line of one attempt; the age says how long after its cause."""
    level = log.info if outcome in ("sent", "quiet", "off", "unregistered") else log.warning
    level(
        "push.send",
        push=job.kind.removeprefix("push."),
        device_id=job.payload["deviceId"],
        user_id=str(device["user_id"]) if device else None,
        platform=device["platform"] if device else "unknown",
        outcome=outcome,
        age_ms=round((time.time() - job.created_at.timestamp()) * 1000),
        **(UNKNOWN | facts),
    )
