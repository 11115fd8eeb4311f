"""The operators' listener: /metrics, and the health pages again, on a port the public never reaches."""

import asyncio
from collections.abc import AsyncIterator
from time import monotonic

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from romantic import metrics
from romantic.background import LAST_SUCCESS, running
from romantic.errors import RomanticError
from romantic.http.envelope import fail
from romantic.http.health import PAGES, Page
from romantic.http.request_id import HEADER, request_id_of
from romantic.ops.gauges import AppGauges
from romantic.settings import SETTINGS, Settings

log = structlog.get_logger()

LAG_SECONDS = 0.5


class OpsAddressTaken(OSError):
    """OPS_HOST and OPS_PORT cannot be listened on."""


async def ops_listener(app: web.Application) -> AsyncIterator[None]:
    """Serve the operators while the application runs; raises OpsAddressTaken."""
    settings = app[SETTINGS]
    if not settings.ops_port:
        yield
        return
    runner = web.AppRunner(ops_app(app), handle_signals=False, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        log.info("ops.start", port=await _listen(runner, settings))
        async with running(_watch_lag()):
            yield
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, settings: Settings) -> int:
    """The port; a laptop that runs two servers gets any free one for the second."""
    ports = (settings.ops_port, 0) if settings.development else (settings.ops_port,)
    for port in ports:
        site = web.TCPSite(runner, settings.ops_host, port)
        try:
            await site.start()
        except OSError as fault:
            taken = fault
        else:
            return int(runner.addresses[0][1])
    raise OpsAddressTaken(f"OPS_HOST={settings.ops_host} OPS_PORT={settings.ops_port}: {taken}")


def ops_app(app: web.Application) -> web.Application:
    """A small application beside the public one; it answers about that one."""
    gauges = CollectorRegistry()
    gauges.register(AppGauges(app))

    async def show_metrics(_request: web.Request) -> web.Response:
        return web.Response(body=_exposition(gauges), headers={"Content-Type": CONTENT_TYPE_LATEST})

    ops = web.Application()
    ops.router.add_get("/metrics", show_metrics)
    for path, page in PAGES.items():
        ops.router.add_get(path, _about(app, page))
    return ops


def _about(app: web.Application, page: Page) -> Handler:
    async def serve(request: web.Request) -> web.Response:
        request_id = request_id_of(request)
        try:
            response = await page(app)
        except RomanticError as refusal:
            response = fail(refusal, request_id)
        response.headers[HEADER] = request_id
        return response

    return serve


def _exposition(gauges: CollectorRegistry) -> bytes:
    for task, at in LAST_SUCCESS.items():
        metrics.TASK_SUCCESS.labels(task).set(at)
    return generate_latest(metrics.REGISTRY) + generate_latest(gauges)


async def _watch_lag() -> None:
    while True:
        due = monotonic() + LAG_SECONDS
        await asyncio.sleep(LAG_SECONDS)
        metrics.LOOP_LAG_SECONDS.observe(max(0.0, monotonic() - due))
