"""Redis (or Valkey): one client per process behind a breaker, a subscription that says when it was lost."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

import structlog
from aiohttp import web
from limits.aio.storage import RedisStorage
from redis import asyncio as aioredis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from romantic.settings import SETTINGS

log = structlog.get_logger()

Result = TypeVar("Result")

TIMEOUT = 0.25
BREAKER_SECONDS = 3.0
#: A burst that waits for a free connection does not mean that Redis is away.
BUSY_SECONDS = 1.0


class RedisAway(Exception):
    """Redis does not answer, or did not a moment ago."""


class RedisClient:
    """Commands with a deadline of a quarter second; after a failure nobody waits again for three."""

    def __init__(self, url: str) -> None:
        pool = aioredis.BlockingConnectionPool.from_url(
            url,
            max_connections=16,
            timeout=BUSY_SECONDS,
            socket_timeout=TIMEOUT,
            socket_connect_timeout=TIMEOUT,
            retry=Retry(NoBackoff(), 0),
            client_name="romantic",
        )
        self._url = url
        self._pool = pool
        self._client = aioredis.Redis(connection_pool=pool)
        self._away_until = 0.0
        self._deaf = True

    @property
    def is_away(self) -> bool:
        """Whether a command failed a moment ago or the subscription is down."""
        return self._deaf or time.monotonic() < self._away_until

    async def guarded(self, command: Callable[[], Awaitable[Result]]) -> Result:
        """Run one command; raises RedisAway instead of everything Redis can do wrong."""
        if time.monotonic() < self._away_until:
            raise RedisAway
        try:
            return await command()
        except (RedisError, OSError, TimeoutError) as error:
            self._away_until = time.monotonic() + BREAKER_SECONDS
            log.warning("redis.away", reason=type(error).__name__)
            raise RedisAway from error

    async def ping(self) -> None:
        """Ask Redis itself, whatever the breaker thinks, and close the breaker when it answers."""
        await self._client.ping()
        self._away_until = 0.0

    async def put(self, key: str, value: str, *, seconds: float) -> None:
        await self.guarded(lambda: self._client.set(key, value, px=max(1, round(seconds * 1000))))

    async def take(self, key: str) -> str | None:
        """The value, which nobody can take again."""
        value = await self.guarded(lambda: self._client.getdel(key))
        return value.decode() if isinstance(value, bytes) else value

    async def publish(self, channel: str, message: str) -> None:
        await self.guarded(lambda: self._client.publish(channel, message))

    def limits_storage(self) -> RedisStorage:
        return RedisStorage(
            f"async+{self._url}" if not self._url.startswith("unix") else f"async+redis+{self._url}",
            implementation="redispy",
            connection_pool=self._pool,  # type: ignore[arg-type]
        )

    async def listen(self, channel: str, *, lost: Callable[[], None]) -> AsyncIterator[str]:
        """Messages of a channel, for ever; `lost` is called whenever some may have been missed."""
        while True:
            # Without retries: the library would reconnect in silence, and we would not know what was missed.
            client = aioredis.Redis.from_url(
                self._url, socket_connect_timeout=1, health_check_interval=10, retry=Retry(NoBackoff(), 0)
            )
            try:
                async with client.pubsub() as subscription:
                    await subscription.subscribe(channel)
                    while await subscription.get_message(timeout=1) is None:
                        pass  # until Redis confirms, messages pass us by
                    lost()
                    self._deaf = False
                    async for message in _messages(subscription):
                        yield message
            except (RedisError, OSError, TimeoutError) as error:
                log.warning("redis.subscription_lost", reason=type(error).__name__)
                await asyncio.sleep(0.5)
            finally:
                self._deaf = True
                with suppress(RedisError, OSError):
                    await client.aclose()

    async def close(self) -> None:
        await self._client.aclose()
        await self._pool.aclose()


async def _messages(subscription: Any) -> AsyncIterator[str]:
    while True:
        message = await subscription.get_message(ignore_subscribe_messages=True, timeout=5)
        if message is not None:
            yield message["data"].decode()


REDIS = web.AppKey("REDIS", RedisClient)


async def redis(app: web.Application) -> AsyncIterator[None]:
    """Open the client with the application; Redis may be away at that moment."""
    yield
    await app[REDIS].close()


def add_redis(app: web.Application) -> RedisClient:
    """Connect lazily: nothing is sent before the first command."""
    app[REDIS] = RedisClient(app[SETTINGS].redis_url)
    app.cleanup_ctx.append(redis)
    return app[REDIS]
