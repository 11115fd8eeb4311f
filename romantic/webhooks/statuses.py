"""News of messages we sent: written down before the provider hears 200, acted on by a job."""

from aiohttp import web

from romantic.auth import delivery
from romantic.db import load_queries, transaction
from romantic.integrations.sms import SMS
from romantic.jobs import Job, Retry, add_job, enqueue

sql = load_queries("webhooks")

KIND = "webhook.statuses"
#: News may come before the id of its message is written down: so often it is looked for, about a minute.
ATTEMPTS = 6


def add_statuses(app: web.Application) -> None:
    add_job(app, KIND, _act, attempts=ATTEMPTS * 2, backoff=2.0)


async def keep(
    app: web.Application, provider: str, event_id: str, statuses: list[dict[str, str | None]]
) -> str:
    """Write down what concerns us, and the job that acts on it: taken, ignored or duplicate.

    People's numbers and words are part of a delivery as well, and are not kept at all.
    """
    outcome = "taken" if statuses else "ignored"
    async with transaction(app) as conn:
        is_new = await conn.value(
            sql.add_event,
            provider=provider,
            event_id=event_id,
            event_type="statuses",
            outcome=outcome,
            payload={"statuses": statuses},
        )
        if is_new and statuses:
            await enqueue(conn, KIND, {"provider": provider, "eventId": event_id})
    return outcome if is_new else "duplicate"


async def _act(app: web.Application, job: Job) -> None:
    async with transaction(app) as conn:
        event = await conn.value(
            sql.find_payload, provider=job.payload["provider"], event_id=job.payload["eventId"]
        )
        if event is None:  # so old that the janitor took it
            return
        has_sms = app[SMS] is not None
        are_known = await delivery.take_statuses(conn, event["statuses"], has_sms=has_sms)
    if not are_known and job.attempt < ATTEMPTS:
        raise Retry(reason="a message we do not know yet")
