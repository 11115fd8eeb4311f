"""/api/webhooks/sms: Amazon SNS tells what became of the codes we sent as texts."""

from aiohttp import web

from romantic.errors import BadRequest, Unavailable
from romantic.http import anyone, ok, post
from romantic.http.body import parse_object, read_body
from romantic.integrations.sns_events import SNS_NOTES, NoteRefused, NoteUnproven, read_status
from romantic.settings import SETTINGS
from romantic.webhooks import statuses
from romantic.webhooks.errors import Unsigned
from romantic.webhooks.forgery import WEBHOOKS, count_forgery, log_delivery


async def take(request: web.Request) -> web.Response:
    """200 for everything that is signed and of our topic: SNS repeats whatever was not."""
    if not request.app[SETTINGS].sms_status_topic_arn:
        raise Unavailable(retry_after=60)
    note = parse_object(await read_body(request))
    notes = request.app[SNS_NOTES]
    try:
        if await notes.verify(note) == "SubscriptionConfirmation":
            await notes.confirm(note)
            log_delivery("sms", "subscribed", event_type="SubscriptionConfirmation")
            return ok(message="Subscription confirmed")
    except NoteRefused:
        await count_forgery(request, "sms")
        raise Unsigned from None
    except NoteUnproven:
        raise Unavailable(retry_after=60) from None
    try:
        told = read_status(parse_object(note["Message"].encode()))
    except (BadRequest, UnicodeEncodeError):
        told = None
    # An event type we have never heard of must not be asked for again and again.
    outcome = await statuses.keep(request.app, "sms", note["MessageId"], [told] if told else [])
    log_delivery("sms", outcome, event_type="statuses")
    return ok(message="Webhook processed successfully")


ROUTES = (post("/api/webhooks/sms", take, anyone, limit=WEBHOOKS, raw=True),)
