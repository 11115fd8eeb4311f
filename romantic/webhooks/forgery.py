"""What every door of providers shares: how wide it is, and what whoever is not the provider meets."""

import structlog
from aiohttp import web

from romantic.http import LIMITER, Limit
from romantic.http.limits import subject_of

log = structlog.get_logger()

#: Wide enough that a provider never meets it; whoever cannot sign meets the other one.
WEBHOOKS = Limit("webhook", 6000, 60)
FORGERIES = Limit("webhook-forgery", 30, 60)


def log_delivery(
    provider: str, outcome: str, *, event_type: str | None = None, is_replay: bool = False
) -> None:
    """The canonical line of one delivery, refused ones among them."""
    write = log.warning if outcome == "forged" else log.info
    write("webhook.in", provider=provider, event_type=event_type, outcome=outcome, is_replay=is_replay)


async def count_forgery(request: web.Request, provider: str) -> None:
    """Raises RateLimited for whoever tries too often."""
    log_delivery(provider, "forged")
    await request.app[LIMITER].hit(FORGERIES, subject_of(request))
