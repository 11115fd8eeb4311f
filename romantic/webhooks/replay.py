"""News of a provider once more: an operator has mended what kept us from acting on it.

A job of the server does the work, so that phones hear of it. Effects happen once by themselves, however often
an event comes.
"""

from aiohttp import web

from romantic.coins.news import tell_effect
from romantic.coins.purchases import Effect
from romantic.db import Connection, Row, load_queries, transaction
from romantic.errors import NotFound
from romantic.jobs import GiveUp, Job, add_job, enqueue
from romantic.webhooks import statuses
from romantic.webhooks.forgery import log_delivery
from romantic.webhooks.stripe_events import act_on

sql = load_queries("webhooks")

KIND = "webhook.replay"


def add_replay(app: web.Application) -> None:
    add_job(app, KIND, _replay)


async def list_events(
    conn: Connection, *, provider: str | None, outcome: str | None, page_size: int
) -> list[Row]:
    """The newest first, without what they say."""
    return await conn.all(sql.list_events, provider=provider, outcome=outcome, page_size=page_size)


async def request_replay(conn: Connection, *, provider: str, event_id: str) -> Row:
    """The event as it is now, and a job that acts on it again. Needs a transaction. Raises NotFound."""
    event = await conn.one(sql.find_event, provider=provider, event_id=event_id)
    if event is None:
        raise NotFound("There is no such event, or it is older than 90 days.")
    kind = KIND if provider == "stripe" else statuses.KIND
    await enqueue(conn, kind, {"provider": provider, "eventId": event_id}, key=f"{provider}:{event_id}")
    return event


async def _replay(app: web.Application, job: Job) -> None:
    provider, event_id = job.payload["provider"], job.payload["eventId"]
    async with transaction(app) as conn:
        event = await conn.value(sql.find_payload, provider=provider, event_id=event_id)
        if event is None:
            raise GiveUp("the event is gone")
        effect: Effect = await act_on(conn, event)
    log_delivery(provider, effect.outcome, event_type=event["type"], is_replay=True)
    await tell_effect(app, effect, event_type=event["type"], provider_id=event_id)
