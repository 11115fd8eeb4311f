"""run.py serve: stores, migrations, demo data on a laptop, and the server until it is told to stop."""

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any

import structlog
from aiohttp import web

from romantic import __version__
from romantic.app import create_app
from romantic.cli.stores import Folder, stores
from romantic.db.migrations import MigrationFault, migrate
from romantic.http.hardening import RUNNER_OPTIONS, SlowHeaderWatch
from romantic.http.health import LIFECYCLE
from romantic.logs import configure_logs, flush_logs
from romantic.realtime import HUB
from romantic.rtc import tune_gc
from romantic.settings import SETTINGS, Settings, load_settings

log = structlog.get_logger()

DRAIN_SECONDS = 5.0
DRAIN_PER_SOCKET = 0.02
REQUEST_GRACE = 8.0


def serve() -> int:
    """Serve until SIGTERM or Ctrl-C; a second process in the same folder is told about the first."""
    settings, folder = load_settings(), Folder()
    configure_logs(settings)
    try:
        with stores(settings, folder=folder) as settings:
            migrate(settings.database_url)
            settings = _place(settings)
            if settings.development:
                from romantic.dev.seed import seed

                asyncio.run(seed(settings))
            folder.announce(f"http://{settings.host}:{settings.port}")
            _run(serve_until_stopped(settings, ready=partial(_announce, settings)))
    except (MigrationFault, RuntimeError, OSError) as fault:
        print(f"Not started: {fault}", file=sys.stderr)
        return 1
    finally:
        flush_logs()
    return 0


def _place(settings: Settings) -> Settings:
    """The address to listen on: on a laptop a taken port gives way to the next free one."""
    if settings.romantic_env == "production":
        return settings
    from romantic.dev.embedded import free_port

    port = free_port(settings.host, settings.port)
    if port != settings.port:
        print(f"Port {settings.port} is taken; using {port}.")
    here = f"http://{settings.host}:{port}"
    return replace(
        settings,
        port=port,
        public_base_url=settings.public_base_url or here,
        whatsapp_api_base_url=settings.whatsapp_api_base_url or f"{here}/dev/whatsapp",
    )


def _run(main: Coroutine[Any, Any, None]) -> None:
    try:
        import uvloop
    except ImportError:  # not made for Windows
        asyncio.run(main)
    else:
        uvloop.run(main)


async def serve_until_stopped(settings: Settings, *, ready: Callable[[web.Application], None]) -> None:
    """One process: listen, serve, drain."""
    app = create_app(settings)
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=REQUEST_GRACE, **RUNNER_OPTIONS)
    await runner.setup()
    site = web.TCPSite(runner, settings.host, settings.port, backlog=1024)
    await site.start()
    assert runner.server is not None
    watch = asyncio.create_task(SlowHeaderWatch(runner.server, settings.read_timeout_seconds).run())
    tune_gc()
    log.info("server.start", port=settings.port, config=settings.romantic_env)
    ready(app)
    await _stop_signal()
    await drain(app, site)
    watch.cancel()
    await runner.cleanup()
    log.info("server.stop")


async def _stop_signal() -> None:
    """Wait for SIGTERM or SIGINT; a second one ends the process at once."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def told() -> None:
        if stop.is_set():
            flush_logs()
            raise SystemExit(1)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told)
    await stop.wait()


async def drain(app: web.Application, site: web.BaseSite) -> None:
    """Not ready, no new sockets, the open ones sent elsewhere; calls go on between the phones."""
    app[LIFECYCLE].draining = True
    hub = app[HUB]
    async with asyncio.timeout(app[SETTINGS].shutdown_seconds):
        await hub.drain(min(DRAIN_SECONDS, DRAIN_PER_SOCKET * hub.count))
        await site.stop()


def _announce(settings: Settings, app: web.Application) -> None:
    here = f"http://{settings.host}:{settings.port}"
    print(f"Romantic {__version__}, {settings.romantic_env}. REST {here}/api  sockets ws{here[4:]}/ws", flush=True)
    if settings.development:
        print(f"  Demo call     {here}/demo?as=ada  and  {here}/demo?as=ben", flush=True)
        print(f"  Outbox        {here}/dev/outbox   one-time codes land here", flush=True)
        print(f"  Health        {here}/health", flush=True)
        print("  Ctrl-C stops; data stays in .romantic/", flush=True)
