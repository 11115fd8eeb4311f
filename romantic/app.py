"""The composition root: the only module that knows every room of the house."""

from functools import partial

from aiohttp import web

from romantic.admin import purchases as admin_purchases
from romantic.admin import routes as admin
from romantic.auth import account
from romantic.auth import routes as auth
from romantic.auth.delivery import add_delivery
from romantic.auth.sessions import add_sessions, end_sessions
from romantic.calls import routes as calls
from romantic.calls import signaling
from romantic.calls.parting import end_call_of, part
from romantic.calls.wiring import add_calls, come_back, greet, outdated
from romantic.coins import ads_routes, purchase_routes
from romantic.coins import routes as coins
from romantic.coins.auditor import auditor
from romantic.coins.reconciler import reconciler
from romantic.db import database
from romantic.docs.pages import add_docs
from romantic.http import LIMITER, Limiter, health, mount
from romantic.http.health import LIFECYCLE, Lifecycle
from romantic.http.middleware import observe
from romantic.http.uploads import UPLOADS_HELD, Uploads
from romantic.integrations.admob import admob
from romantic.integrations.email import email
from romantic.integrations.sms import sms
from romantic.integrations.sns_events import sns_notes
from romantic.integrations.storage import storage
from romantic.integrations.stripe_payments import payments
from romantic.integrations.whatsapp import whatsapp
from romantic.jobs import jobs
from romantic.jobs.janitor import janitor
from romantic.media import images
from romantic.messages import events as message_events
from romantic.messages import routes as messages
from romantic.messages.media import MEDIA_ROUTES, media_sweeper
from romantic.ops.listener import ops_listener
from romantic.preferences import email as email_preferences
from romantic.preferences import routes as preferences
from romantic.probe import events as probe_events
from romantic.probe import routes as probe
from romantic.probe.runs import probes
from romantic.realtime import DISPATCHER, Dispatcher
from romantic.realtime import routes as realtime
from romantic.realtime.asking import add_asking
from romantic.realtime.bus import add_bus
from romantic.realtime.hub import add_hub
from romantic.realtime.presence import add_presence
from romantic.realtime.resume import add_resumption
from romantic.realtime.routes import GREETINGS, Greeting
from romantic.redis import add_redis
from romantic.settings import SETTINGS, Settings
from romantic.signals import CHANGED, OnChanged, add_signals
from romantic.super_lover import routes as super_lover
from romantic.users import events as user_events
from romantic.users import presence as who_is_online
from romantic.users import routes as users
from romantic.users.photos import PHOTO_ROUTES, photo_sweeper
from romantic.users.watching import add_watching, hide, look_again
from romantic.webhooks import routes as webhooks
from romantic.webhooks import sms as sms_webhooks
from romantic.webhooks import whatsapp as whatsapp_webhooks
from romantic.webhooks.statuses import add_statuses

ROUTES = (
    *health.ROUTES,
    *auth.ROUTES,
    *account.ROUTES,
    *users.ROUTES,
    *PHOTO_ROUTES,
    *super_lover.ROUTES,
    *preferences.ROUTES,
    *email_preferences.ROUTES,
    *coins.ROUTES,
    *purchase_routes.ROUTES,
    *ads_routes.ROUTES,
    *webhooks.ROUTES,
    *whatsapp_webhooks.ROUTES,
    *sms_webhooks.ROUTES,
    *messages.ROUTES,
    *MEDIA_ROUTES,
    *calls.ROUTES,
    *probe.ROUTES,
    *realtime.ROUTES,
    *admin.ROUTES,
    *admin_purchases.ROUTES,
)
EVENTS = (
    *realtime.EVENTS,
    *signaling.EVENTS,
    *message_events.EVENTS,
    *probe_events.EVENTS,
    *user_events.EVENTS,
)


def create_app(settings: Settings) -> web.Application:
    """Wire the application; nothing is opened until it starts."""
    app = web.Application(middlewares=[observe])
    app[SETTINGS] = settings
    app[LIFECYCLE] = Lifecycle()
    app[LIMITER] = Limiter(add_redis(app), app)
    app[UPLOADS_HELD] = Uploads()
    # First, so that it closes last: operators want to watch the end as well.
    app.cleanup_ctx.append(ops_listener)
    app.cleanup_ctx.extend((database, whatsapp, sms, sns_notes, email, payments, admob, storage, images))
    add_bus(app)
    add_asking(app)
    hub = add_hub(app)
    sessions = add_sessions(app)
    sessions.watch(hub.sessions)
    sessions.on_change(hub.end_session)
    changed: list[OnChanged] = []
    app[CHANGED] = changed
    add_delivery(app)
    add_statuses(app)
    email_preferences.add_email(app)
    add_presence(app)
    who_is_online.add_presence(app)
    add_watching(app)
    add_calls(app)
    app.cleanup_ctx.append(probes)
    resumption = add_resumption(app)
    resumption.judges += [partial(user_events.from_strangers, app), partial(outdated, app)]
    resumption.snapshots += [greet, message_events.greet]
    resumption.on_resume.append(come_back)
    greetings: list[Greeting] = [greet]
    app[GREETINGS] = greetings
    add_signals(app, parted=[part, look_again], gone=[end_call_of, end_sessions, hide])
    app[admin.STATISTICS] = {}
    app[DISPATCHER] = Dispatcher(EVENTS)
    app.cleanup_ctx.extend((janitor, auditor, reconciler, photo_sweeper, media_sweeper, jobs))
    mount(app, ROUTES)
    add_docs(app)
    if settings.development:
        from romantic.dev.wiring import add_development

        add_development(app)
    return app
