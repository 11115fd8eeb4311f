"""How each provider did what it was last asked: for a person who looks at /health, never for a balancer."""

from typing import Any

from aiohttp import web

from romantic.integrations.admob import ADMOB
from romantic.integrations.email import EMAIL
from romantic.integrations.push import SENDERS
from romantic.integrations.sms import SMS
from romantic.integrations.storage import STORAGE
from romantic.integrations.stripe_payments import PAYMENTS
from romantic.integrations.whatsapp import WHATSAPP


def standings(app: web.Application) -> dict[str, str]:
    """`ok`, `degraded` or, without its settings, `off`; nobody is asked anything for it."""
    providers: dict[str, Any] = {
        "whatsapp": app[WHATSAPP],
        "sms": app[SMS],
        "email": app[EMAIL],
        "push": next(iter(app[SENDERS].values()), None),
        "payments": app[PAYMENTS],
        "adKeys": app[ADMOB],
        "storage": app[STORAGE],
    }
    return {name: _standing(provider) for name, provider in providers.items()}


def _standing(provider: Any) -> str:
    if provider is None:
        return "off"
    return "ok" if provider.breaker.is_well else "degraded"
