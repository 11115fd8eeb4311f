"""How often one caller may use one class of routes, counted in Redis and shared between nodes.

When Redis is away, comfort classes count in this process and classes that guard money or codes count in
PostgreSQL (fail open, fail closed); what that costs and why is in this room's README.
"""

import ipaddress
import time
from dataclasses import dataclass

import limits
from aiohttp import web
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from romantic.db import DATABASE, load_queries
from romantic.errors import RateLimited
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
        if not await self._admits(limit, subject):
            raise RateLimited(
                retry_after=limit.seconds / limit.hits if limit.seconds <= 60 else limit.seconds / 2,
                headers=_headers(limit),
                limit=limit.hits,
                window_seconds=limit.seconds,
            )

    async def _admits(self, limit: Limit, subject: str) -> bool:
        item = limits.RateLimitItemPerSecond(limit.hits, limit.seconds, namespace=f"limit:{limit.name}")
        if self._redis is not None and self._shared is not None:
            try:
                return await self._redis.guarded(lambda: self._count(self._shared, item, subject))
            except RedisAway:
                pass
        if limit.closed and self._redis is not None:
            return await self._count_in_postgres(limit, subject)
        return await self._count(self._local, item, subject)

    @staticmethod
    async def _count(
        counter: SlidingWindowCounterRateLimiter, item: limits.RateLimitItem, subject: str
    ) -> bool:
        return bool(await counter.hit(item, subject))

    async def _count_in_postgres(self, limit: Limit, subject: str) -> bool:
        async with self._app[DATABASE].connection() as conn:
            hits = await conn.value(
                sql.count_hit, subject=f"{limit.name}:{subject}", window_seconds=limit.seconds
            )
        return int(hits) <= limit.hits


LIMITER = web.AppKey("LIMITER", Limiter)


def _headers(limit: Limit) -> dict[str, str]:
    # RateLimit header fields for HTTP, IETF draft-ietf-httpapi-ratelimit-headers.
    return {
        "RateLimit-Policy": f'"{limit.name}";q={limit.hits};w={limit.seconds}',
        "RateLimit": f'"{limit.name}";r=0;t={limit.seconds}',
        "X-RateLimit-Limit": str(limit.hits),
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": str(int(time.time()) + limit.seconds),
    }


def subject_of(request: web.Request) -> str:
    """The user where one is known, else the address (IPv6 by /64: one household, one subject)."""
    principal = request.get(PRINCIPAL)
    if principal is not None:
        return str(principal.user_id or principal.session_id)
    return network_of(client_ip(request))


def network_of(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if parsed.version == 6:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def client_ip(request: web.Request) -> str:
    """The client's address: X-Forwarded-For only as far as it was written by proxies we trust."""
    peer = request.transport.get_extra_info("peername") if request.transport else None
    address = str(peer[0]) if peer else "unknown"
    trusted = [ipaddress.ip_network(network) for network in request.app[SETTINGS].trusted_proxies]
    hops = ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")
    for hop in reversed(hops):
        if not _within(address, trusted) or not _is_address(hop.strip()):
            break
        address = hop.strip()
    return address


def _within(address: str, networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    return _is_address(address) and any(ipaddress.ip_address(address) in network for network in networks)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
