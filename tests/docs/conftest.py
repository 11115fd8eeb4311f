"""A development server as `run.py serve` starts it, with every stand-in, on the stores of the tests."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import web

from romantic.app import create_app
from romantic.cli.serve import _place, address
from romantic.dev.embedded import free_port
from romantic.dev.seed import seed
from romantic.http.hardening import RUNNER_OPTIONS
from romantic.settings import load_settings
from tests.conftest import QUICK

StartServer = Callable[..., Awaitable[str]]


@pytest.fixture
async def start_server(postgres: str, valkey: str) -> AsyncIterator[StartServer]:
    """Its address; settings by name."""
    async with AsyncExitStack() as running:

        async def start(**overrides: Any) -> str:
            ours = {"romantic_env": "development", "database_url": postgres, "redis_url": valkey}
            # Another process of the tests looks for one at the same time.
            ours["port"] = free_port("127.0.0.1", random.randrange(15_000, 20_000))
            settings = _place(load_settings({"ROMANTIC_ENV": "development"}, **QUICK | ours | overrides))
            await seed(settings)
            runner = web.AppRunner(create_app(settings), shutdown_timeout=1.0, **RUNNER_OPTIONS)
            await runner.setup()
            running.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", settings.port).start()
            return address(settings)

        yield start
