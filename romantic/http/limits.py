"""How often one caller may use one class of routes, counted in Redis and shared between nodes.

When Redis is away, comfort classes count in this process and classes that guard money or codes count in
PostgreSQL (fail open, fail closed); what that costs and why is in this room's README.
"""

import math
import time
from dataclasses import dataclass

import limits
from aiohttp import web
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from romantic import metrics
from romantic.db import DATABASE, load_queries
from romantic.errors import RateLimited
from romantic.http.client import client_ip, network_of
from romantic.http.guards import PRINCIPAL
from romantic.redis import RedisAway, RedisClient
from romantic.settings import SETTINGS

sql = load_queries("requests")


@dataclass(frozen=True, slots=True)
class Limit:
    """A class of requests: `hits` per `seconds` and caller. `closed` classes stay exact without Redis."""

    name: str
    hits: int
    seconds: int
    closed: bool = False


READ = Limit("read", 120, 60)
WRITE = Limit("write", 60, 60)
AUTH = Limit("auth", 20, 60, closed=True)
OTP_SEND = Limit("otp-send", 60, 3600, closed=True)
OTP_VERIFY = Limit("otp-verify", 30, 60, closed=True)
MONEY = Limit("money", 20, 60, closed=True)
CALLS = Limit("calls", 10, 60)
SIGNALING = Limit("signaling", 120, 60)
SOCKETS = Limit("sockets", 20, 60)
MESSAGES = Limit("messages", 60, 60)
UPLOADS = Limit("upload", 10, 60)
MEDIA = Limit("media", 600, 60)
LIKES = Limit("like", 200, 86_400)
REPORTS = Limit("report", 10, 3600)
EXPORTS = Limit("export", 5, 3600)
ADMIN = Limit("admin", 120, 60, closed=True)
#: Robots have one budget for whatever they ask: six whole test calls a minute fit into half of it.
ROBOT = Limit("robot", 300, 60)
UNLIMITED = Limit("unlimited", 0, 0)


class Limiter:
    """Counts hits in a sliding window."""

    def __init__(self, redis: RedisClient | None, app: web.Application) -> None:
        self._app = app
        self._redis = redis
        self._shared = SlidingWindowCounterRateLimiter(redis.limits_storage()) if redis else None
        self._local = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def hit(self, limit: Limit, subject: str) -> None:
        """Count one; raises RateLimited with `Retry-After` beyond the limit."""
        if limit is UNLIMITED or not self._app[SETTINGS].rate_limits:
            return
        wait = await self._wait(limit, subject)
        if wait is not None:
            metrics.RATE_LIMITED.labels(limit.name, "http").inc()
            raise RateLimited(
                retry_after=wait,
                headers=_headers(limit, wait),
                limit=limit.hits,
                window_seconds=limit.seconds,
            )

    async def _wait(self, limit: Limit, subject: str) -> float | None:
        """Count one hit; None if it is within the limit, else the seconds until one may be again."""
        redis, shared = self._redis, self._shared
        if redis is not None and shared is not None:
            try:
                return await redis.guarded(lambda: _count(shared, limit, subject))
            except RedisAway:
                pass
        if limit.closed and redis is not None:
            return await self._count_in_postgres(limit, subject)
        return await _count(self._local, limit, subject)

    async def _count_in_postgres(self, limit: Limit, subject: str) -> float | None:
        async with self._app[DATABASE].connection() as conn:
            hits = await conn.value(
                sql.count_hit, subject=f"{limit.name}:{subject}", window_seconds=limit.seconds
            )
        return None if hits <= limit.hits else limit.seconds - time.time() % limit.seconds


async def _count(counter: SlidingWindowCounterRateLimiter, limit: Limit, subject: str) -> float | None:
    item = limits.RateLimitItemPerSecond(limit.hits, limit.seconds, namespace=f"limit:{limit.name}")
    if await counter.hit(item, subject):
        return None
    return float((await counter.get_window_stats(item, subject)).reset_time - time.time())


LIMITER = web.AppKey("LIMITER", Limiter)
#: The class a request was counted in, for its log line.
POLICY = web.RequestKey("POLICY", str)


def _headers(limit: Limit, wait: float) -> dict[str, str]:
    # RateLimit header fields for HTTP, IETF draft-ietf-httpapi-ratelimit-headers.
    seconds = max(1, math.ceil(wait))
    return {
        "RateLimit-Policy": f'"{limit.name}";q={limit.hits};w={limit.seconds}',
        "RateLimit": f'"{limit.name}";r=0;t={seconds}',
        "X-RateLimit-Limit": str(limit.hits),
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": str(int(time.time()) + seconds),
    }


def limit_for(request: web.Request, limit: Limit) -> Limit:
    """The limit that counts for whoever asks: a route's own is made for people."""
    principal = request.get(PRINCIPAL)
    return ROBOT if principal is not None and principal.is_robot else limit


def subject_of(request: web.Request) -> str:
    """The user where one is known, else the address (IPv6 by /64: one household, one subject)."""
    principal = request.get(PRINCIPAL)
    if principal is not None:
        return str(principal.user_id or principal.session_id)
    return network_of(client_ip(request))
