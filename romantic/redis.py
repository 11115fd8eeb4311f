"""Redis (or Valkey): one client per process behind a breaker, a subscription that says when it was lost."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import structlog
from aiohttp import web
from limits.aio.storage import RedisStorage
from redis import asyncio as aioredis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.driver_info import DriverInfo
from redis.exceptions import RedisError

from romantic.background import running
from romantic.settings import SETTINGS

log = structlog.get_logger()

Result = TypeVar("Result")

#: A command and its arguments, as on the wire.
Command = tuple[str | bytes | int | float, ...]

TIMEOUT = 0.25
#: What nobody waits for may take longer: a busy moment of this process is not the end of Redis.
PATIENCE = 1.0
BREAKER_SECONDS = 3.0
PING_SECONDS = 1.0
#: A burst that waits for a free connection does not mean that Redis is away.
BUSY_SECONDS = 1.0
#: Left out, the library looks its own version up among the installed packages for every connection.
DRIVER = DriverInfo()


#: Told what came on a channel: the kind of message, the channel, and the data.
Hear = Callable[[bytes, str, bytes], None]


class RedisAway(Exception):
    """Redis does not answer, or did not a moment ago."""


class RedisClient:
    """Commands with a deadline of a quarter second; after a failure nobody waits again for three."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool = _pool(url, connections=16, timeout=TIMEOUT)
        self._client = aioredis.Redis(connection_pool=self._pool)
        self._patient_pool = _pool(url, connections=2, timeout=PATIENCE)
        self._patient = aioredis.Redis(connection_pool=self._patient_pool)
        self._away_until = 0.0
        self._deaf = True

    @property
    def is_away(self) -> bool:
        """Whether a command failed a moment ago or the subscription is down."""
        return self._deaf or time.monotonic() < self._away_until

    @property
    def is_broken(self) -> bool:
        """Whether a command failed a moment ago: nobody tries again before the breaker closes."""
        return time.monotonic() < self._away_until

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

    async def run(self, commands: Sequence[Command], *, patient: bool = False) -> list[Any]:
        """Many commands in one round trip, in this order; a refused one stands as its error in the result.

        `patient` is for the background, which would rather wait for a second than give up.
        """
        client = self._patient if patient else self._client

        async def execute() -> list[Any]:
            async with client.pipeline(transaction=False) as pipeline:
                for command in commands:
                    pipeline.execute_command(*command)
                return await pipeline.execute(raise_on_error=False)

        return await self.guarded(execute)

    def subscription(self, hear: Hear, changed: Callable[[bool], None]) -> "Subscription":
        """Channels on a connection of their own; nothing is opened before it runs."""
        return Subscription(self._url, hear, changed)

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
        for client, pool in ((self._client, self._pool), (self._patient, self._patient_pool)):
            await client.aclose()
            await pool.aclose()


def _pool(url: str, *, connections: int, timeout: float) -> aioredis.BlockingConnectionPool:
    return aioredis.BlockingConnectionPool.from_url(
        url,
        max_connections=connections,
        timeout=BUSY_SECONDS,
        socket_timeout=timeout,
        socket_connect_timeout=TIMEOUT,
        retry=Retry(NoBackoff(), 0),
        client_name="romantic",
        driver_info=DRIVER,
    )


class Subscription:
    """One connection with any number of channels, spoken to directly: a message costs a third of what it
    does through the library's own subscription."""

    def __init__(self, url: str, hear: Hear, changed: Callable[[bool], None]) -> None:
        # Without retries: the library would reconnect in silence, and we would not know what was missed.
        self._pool = aioredis.ConnectionPool.from_url(
            url,
            socket_connect_timeout=1,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
            client_name="romantic",
            driver_info=DRIVER,
        )
        self._hear = hear
        self._changed = changed
        self._unsent: list[Command] = []
        self._wake = asyncio.Event()
        self._is_up = False

    def send(self, *command: str) -> None:
        """Subscribe or unsubscribe; forgotten without a connection, for `changed` says it all again."""
        if self._is_up:
            self._unsent.append(command)
            self._wake.set()

    async def run(self) -> None:
        """Connect, hear, and start over whenever the connection is lost, for ever."""
        while True:
            connection = self._pool.make_connection()  # type: ignore[no-untyped-call]
            try:
                await connection.connect()
                self._is_up = True
                self._changed(True)
                async with running(self._write(connection)):
                    await self._read(connection)
            except (RedisError, OSError, TimeoutError) as error:
                log.warning("redis.subscription_lost", reason=type(error).__name__)
            finally:
                self._unsent.clear()
                if self._is_up:
                    self._is_up = False
                    self._changed(False)
                with suppress(RedisError, OSError):
                    await connection.disconnect(nowait=True)
            await asyncio.sleep(0.25)

    async def _write(self, connection: Any) -> None:
        """Until the connection fails, which the reader hears of as well."""
        with suppress(RedisError, OSError):
            while True:
                if self._unsent:
                    unsent, self._unsent = self._unsent, []
                    await connection.send_packed_command(connection.pack_commands(unsent), check_health=False)
                else:
                    # A sign of life is asked for, or a frozen Redis would go unnoticed.
                    await connection.send_command("PING", check_health=False)
                self._wake.clear()
                asyncio.get_running_loop().call_later(PING_SECONDS, self._wake.set)
                await self._wake.wait()

    async def _read(self, connection: Any) -> None:
        while True:
            message = await connection.read_response(timeout=3 * PING_SECONDS, disconnect_on_error=False)
            if message is None:
                raise TimeoutError
            if isinstance(message, list) and len(message) == 3 and isinstance(message[1], bytes):
                self._hear(message[0], message[1].decode(), message[2])


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
