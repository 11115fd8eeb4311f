"""run.py serve: stores, migrations, demo data on a laptop, and the server until it is told to stop."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from time import monotonic

import structlog
from aiohttp import web

from romantic import __version__
from romantic.app import create_app
from romantic.cli.faults import CommandFault
from romantic.cli.loop import run
from romantic.cli.progress import progress
from romantic.cli.stopping import StopSignals, stop_signals
from romantic.cli.stores import HOME, Announce, migrate_showing, stores
from romantic.cli.workers import address_held, supervise
from romantic.db.migrations import MigrationFault
from romantic.http.hardening import RUNNER_OPTIONS, SlowHeaderWatch
from romantic.http.health import LIFECYCLE
from romantic.logs import configure_logs, flush_logs, name_lines
from romantic.ops.lines import count
from romantic.ops.listener import OpsAddressTaken
from romantic.ops.sentry import add_sentry, report
from romantic.realtime import HUB, NODE
from romantic.rtc import tune_gc
from romantic.settings import Settings

log = structlog.get_logger()

REQUEST_GRACE = 8.0  # for requests that were begun to end by themselves
CANCEL_GRACE = 0.5  # for what is cancelled after that
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or Ctrl-C; a second process in the same folder is told about the first."""
    add_sentry(settings)
    configure_logs(settings, observers=(count, report))
    try:
        with stop_signals() as stop, stores(settings) as (settings, announce):
            migrate_showing(settings, only_for_people=True)
            settings = _place(settings)
            if settings.development:
                from romantic.dev.seed import PEOPLE, seed

                with progress("Demo people", len(PEOPLE), only_for_people=True) as step:
                    run(seed(settings, report=step))

            try:
                _serve(settings, stop, announce)
            finally:
                stop.ignore()
    except (CommandFault, MigrationFault) as fault:
        raise CommandFault(f"Not started: {fault}") from None
    finally:
        flush_logs()
    return 0


def _serve(settings: Settings, stop: StopSignals, announce: Announce) -> None:
    """In this process, or in WORKERS of them."""

    def ready() -> None:
        announce(address(settings))
        _introduce(settings)

    if settings.workers == 1:
        run(_serve_alone(settings, stop=stop, ready=ready))
        return
    with address_held(settings) as settings:
        run(supervise(settings, stop=stop, ready=ready))


async def _serve_alone(settings: Settings, *, stop: StopSignals, ready: Callable[[], None]) -> None:
    await serve_until(stop.listen(), settings, ready=ready)


def address(settings: Settings) -> str:
    """Where this machine reaches the server."""
    host = EVERYWHERE.get(settings.host, settings.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def _place(settings: Settings) -> Settings:
    """The address to listen on: on a laptop a taken port gives way to the next free one, and 0 to any."""
    if not settings.development:
        return settings
    from romantic.dev.embedded import CannotStart, free_port
    from romantic.dev.fcm import stand_in_account

    try:
        port = free_port(settings.host, settings.port)
    except (CannotStart, OSError) as fault:
        raise CommandFault(f"HOST={settings.host} PORT={settings.port}: {fault}") from None
    if port != settings.port and settings.port:
        print(f"Port {settings.port} is taken; using {port}.", flush=True)
    settings = replace(settings, port=port)
    here, amazon = address(settings), settings.aws_endpoint_url
    return replace(
        settings,
        public_base_url=settings.public_base_url or here,
        whatsapp_api_base_url=settings.whatsapp_api_base_url or f"{here}/dev/whatsapp",
        aws_endpoint_url_sns=settings.aws_endpoint_url_sns or amazon or f"{here}/dev/aws/sns",
        aws_endpoint_url_ses=settings.aws_endpoint_url_ses or amazon or f"{here}/dev/aws/ses",
        stripe_api_base=settings.stripe_api_base or f"{here}/dev/stripe",
        fcm_credentials=settings.fcm_credentials or stand_in_account(here),
        fcm_api_base_url=settings.fcm_api_base_url if settings.fcm_credentials else f"{here}/dev/fcm",
        admob_keys_url=settings.admob_keys_url or f"{here}/dev/admob/keys.json",
    )


async def serve_until(
    told: asyncio.Event, settings: Settings, *, ready: Callable[[], None], worker: int | None = None
) -> None:
    """One process: listen, serve, and drain when told. Raises CommandFault for an address it cannot have."""
    app = create_app(settings)
    name_lines(app[NODE])
    log = structlog.get_logger().bind(**({} if worker is None else {"worker": worker}))
    who, crew = ("server", {"workers": 1}) if worker is None else ("worker", {})
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=CANCEL_GRACE, **RUNNER_OPTIONS)
    site = await _listen(runner, settings, is_shared=worker is not None)
    assert runner.server is not None
    watch = asyncio.create_task(SlowHeaderWatch(runner.server, settings.read_timeout_seconds).run())
    tune_gc()
    began, port = monotonic(), runner.addresses[0][1]
    log.info(f"{who}.start", port=port, config=settings.digest, ops_port=settings.ops_port, **crew)
    ready()
    await told.wait()
    try:
        async with asyncio.timeout(settings.shutdown_seconds):
            await drain(app, site, seconds=settings.drain_seconds)
            await _finish_requests(runner.server)
            watch.cancel()
            await runner.cleanup()
    except TimeoutError:
        log.error(f"{who}.stop_cut_short", seconds=settings.shutdown_seconds)
    log.info(f"{who}.stop", port=port, uptime_s=round(monotonic() - began, 1))


async def _listen(runner: web.AppRunner, settings: Settings, *, is_shared: bool) -> web.TCPSite:
    """Start the application, which opens its UDP port, and then take connections."""
    where = f"RTC_UDP_HOST={settings.rtc_udp_host} RTC_UDP_PORT={settings.rtc_udp_port}"
    try:
        await runner.setup()
        where = f"HOST={settings.host} PORT={settings.port}"
        site = web.TCPSite(runner, settings.host, settings.port, backlog=1024, reuse_port=is_shared or None)
        await site.start()
    except OpsAddressTaken as fault:
        raise CommandFault(str(fault)) from None
    except OSError as fault:
        with suppress(Exception):  # what has started already has reason to complain
            await runner.cleanup()
        raise CommandFault(f"{where}: {fault}") from None
    return site


async def drain(app: web.Application, site: web.BaseSite, *, seconds: float) -> None:
    """Not ready, no new sockets, the open ones sent elsewhere; calls go on between the phones.

    The listener stays for all of `seconds`: a load balancer has to see that we are not ready.
    """
    app[LIFECYCLE].draining = True
    await asyncio.gather(app[HUB].drain(seconds), asyncio.sleep(seconds))
    await site.stop()


async def _finish_requests(server: web.Server) -> None:
    """Let requests end that were begun.

    aiohttp's own shutdown stops reading first, and so starves a request whose body is still on its way.
    """
    deadline = monotonic() + REQUEST_GRACE
    # Polled: aiohttp announces it to nobody else.
    while monotonic() < deadline and any(  # noqa: ASYNC110
        one._request_in_progress for one in server.connections
    ):
        await asyncio.sleep(0.02)


def _introduce(settings: Settings) -> None:
    """For a person: in production stdout is log lines only."""
    if not settings.development:
        return
    here = address(settings)
    crew = f", {settings.workers} workers" if settings.workers > 1 else ""
    print(f"Romantic {__version__}: REST {here}/api, sockets ws{here[4:]}/ws{crew}")
    print(f"  Demo call   {here}/demo?as=ada  and  {here}/demo?as=ben")
    print(f"  Outbox      {here}/dev/outbox   one-time codes, pushes and mails land here")
    print(f"  Pay page    {here}/dev/pay   purchases wait here to be paid or declined")
    print(f"  Health      {here}/health")
    print(f"  Ctrl-C stops; embedded stores keep their data in {HOME.resolve()}", flush=True)
