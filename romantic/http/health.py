"""Health: is the process alive, should it get traffic, what does it depend on."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from romantic import __version__
from romantic.db import connection, load_queries
from romantic.db.migrations import read_migrations
from romantic.errors import Unavailable
from romantic.http.envelope import ok
from romantic.http.guards import anyone
from romantic.http.limits import UNLIMITED
from romantic.http.routing import Route, get
from romantic.redis import REDIS

sql = load_queries("requests")

LIMIT_SECONDS = 1.0

Check = Callable[[web.Application], Awaitable[None]]


@dataclass(slots=True)
class Lifecycle:
    """Where this process stands between start and stop."""

    started_at: float = field(default_factory=time.time)
    draining: bool = False


LIFECYCLE = web.AppKey("LIFECYCLE", Lifecycle)


class NotReady(Unavailable):
    """A dependency does not answer, or the process is draining; `checks` says which."""

    code = "NOT_READY"
    message = "Not ready."


async def _database(app: web.Application) -> None:
    newest = list(read_migrations())[-1]
    async with connection(app) as conn:
        if await conn.value(sql.find_migration) != newest:
            raise RuntimeError("migrations are not at head")


async def _redis(app: web.Application) -> None:
    await app[REDIS].ping()


#: How the providers outside the house did lately, by name; what it says never makes a process unready.
PROVIDERS = web.AppKey[Callable[[web.Application], dict[str, str]]]("PROVIDERS")

#: Redis is missed but not needed: without it this process serves alone.
CHECKS: dict[str, tuple[Check, bool]] = {"database": (_database, True), "redis": (_redis, False)}


async def _look(app: web.Application, check: Check, *, needed: bool) -> str:
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            await check(app)
    except Exception:
        return "down" if needed else "degraded"
    return "ok"


async def _checks(app: web.Application) -> dict[str, str]:
    states = await asyncio.gather(*(_look(app, check, needed=needed) for check, needed in CHECKS.values()))
    return dict(zip(CHECKS, states, strict=True))


async def live(_app: web.Application) -> web.Response:
    """The event loop turns; nothing else is asked."""
    return ok({"status": "ok"}, "Alive")


async def ready(app: web.Application) -> web.Response:
    """200 while this process should get traffic; raises NotReady."""
    checks = await _checks(app)
    if app[LIFECYCLE].draining:
        checks["lifecycle"] = "draining"
        raise NotReady(retry_after=5, checks=checks)
    if "down" in checks.values():
        raise NotReady(retry_after=5, checks=checks)
    return ok({"status": _worst(checks), "checks": checks}, "Ready")


async def health(app: web.Application) -> web.Response:
    """Everything this process depends on, for a person; always 200."""
    checks, providers = await _checks(app), app[PROVIDERS](app)
    lifecycle = app[LIFECYCLE]
    data: dict[str, Any] = {
        "status": "draining" if lifecycle.draining else _worst(checks | providers),
        "checks": checks,
        "providers": providers,
        "uptimeSeconds": round(time.time() - lifecycle.started_at),
    }
    return ok(data, "Health")


async def version(_app: web.Application) -> web.Response:
    return ok({"version": __version__}, "Version")


def _worst(checks: dict[str, str]) -> str:
    return next((state for state in ("down", "degraded") if state in checks.values()), "ok")


Page = Callable[[web.Application], Awaitable[web.Response]]
#: Served to the public, and once more on the listener of the operators.
PAGES: dict[str, Page] = {
    "/health/live": live,
    "/health/ready": ready,
    "/health": health,
    "/version": version,
}


def _route(path: str, page: Page) -> Route:
    async def serve(request: web.Request) -> web.Response:
        return await page(request.app)

    serve.__doc__ = page.__doc__
    return get(path, serve, anyone, limit=UNLIMITED)


ROUTES = tuple(_route(path, page) for path, page in PAGES.items())
