"""Applications that do nothing but jobs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import web

from romantic.db import Database, database
from romantic.db.connection import DATABASE
from romantic.jobs import Job, add_job, enqueue, jobs
from romantic.settings import SETTINGS
from tests.conftest import settings_with


class Shop:
    """One process with a worker: what it was handed, and how it answers."""

    def __init__(self, settings: Any) -> None:
        self.app = web.Application()
        self.app[SETTINGS] = settings
        self.app.cleanup_ctx.extend((database, jobs))
        self.runs: list[Job] = []
        self.ran = asyncio.Condition()
        self.act: Callable[[Job], Awaitable[None]] = self.nothing

    async def nothing(self, job: Job) -> None:
        pass

    async def handle(self, _: web.Application, job: Job) -> None:
        self.runs.append(job)
        async with self.ran:
            self.ran.notify_all()
        await self.act(job)

    async def has_run(self, times: int) -> None:
        async with asyncio.timeout(15), self.ran:
            await self.ran.wait_for(lambda: len(self.runs) >= times)

    @property
    def database(self) -> Database:
        return self.app[DATABASE]

    async def enqueue(
        self, payload: dict[str, Any] | None = None, kind: str = "test", **options: Any
    ) -> None:
        async with self.database.transaction() as conn:
            await enqueue(conn, kind, payload or {}, **options)


OpenShop = Callable[..., Awaitable[Shop]]


@pytest.fixture
async def open_shop(postgres, valkey, outside) -> AsyncIterator[OpenShop]:
    """Start a worker; several share the database as processes would."""
    async with AsyncExitStack() as opened:

        async def start(*, kinds: tuple[str, ...] = ("test",), how: Any = None, **settings: Any) -> Shop:
            quick = {"jobs_poll_seconds": 0.1, "jobs_drain_seconds": 2.0}
            shop = Shop(settings_with(postgres, valkey, outside, **(quick | settings)))
            for kind in kinds:
                add_job(shop.app, kind, shop.handle, **({"backoff": 0.01} | (how or {})))
            runner = web.AppRunner(shop.app)
            await runner.setup()
            shop.close = runner.cleanup  # type: ignore[attr-defined]
            opened.push_async_callback(runner.cleanup)
            return shop

        yield start


@pytest.fixture
async def shop(open_shop: OpenShop) -> Shop:
    return await open_shop()


@pytest.fixture
def states(sql: Any) -> Callable[[], list[tuple[Any, ...]]]:
    """Status, attempts and reason of every job, oldest first."""
    return lambda: sql("SELECT status, attempts, reason FROM jobs ORDER BY id")
