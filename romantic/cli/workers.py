"""WORKERS processes on one port, and the supervisor that starts them, starts them again, and ends them."""

import asyncio
import multiprocessing
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from time import monotonic
from typing import Any

import structlog

from romantic.cli.faults import CommandFault
from romantic.cli.loop import run
from romantic.cli.stopping import StopSignals
from romantic.logs import configure_logs, flush_logs
from romantic.ops.lines import count
from romantic.ops.sentry import add_sentry, report
from romantic.settings import Settings

log = structlog.get_logger()

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
YOUNG_SECONDS = 60.0  # who dies younger is started again a little later each time
KILL_SECONDS = 2.0  # after the time a worker has to stop


class Worker:
    """One of the processes: its settings, and the process that lives by them at the moment."""

    def __init__(self, settings: Settings, index: int) -> None:
        self.index = index
        self.is_ready = asyncio.Event()
        self._settings = settings_of_worker(settings, index)
        self._told = asyncio.Event()
        self._process: multiprocessing.process.BaseProcess | None = None
        self._fault = ""

    async def keep(self) -> None:
        """Start it, and again whenever it ends, until it is told to stop.

        Raises CommandFault if it never came up: starting again would not mend that.
        """
        pause = 0.0
        while not self._told.is_set():
            began = monotonic()
            code = await self._live()
            if self._told.is_set():
                return
            if not self.is_ready.is_set():
                raise CommandFault(self._fault or f"Worker {self.index} ended with status {code}")
            write, event = (log.error, "worker.died") if code else (log.info, "worker.replaced")
            write(event, worker=self.index, exit_code=code, lived_s=round(monotonic() - began, 1))
            is_young = monotonic() - began < YOUNG_SECONDS
            pause = min(LONGEST_PAUSE, 2 * pause or FIRST_PAUSE) if is_young and code else 0.0
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._told.wait()

    async def _live(self) -> int | None:
        """From its start to its end; the exit code."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe(duplex=False)
        self._process = context.Process(target=work, args=(self._settings, self.index, theirs))
        self._process.start()
        theirs.close()
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._process.sentinel, over.set)
        loop.add_reader(ours.fileno(), self._hear, ours)
        try:
            await over.wait()
        finally:
            loop.remove_reader(self._process.sentinel)
            loop.remove_reader(ours.fileno())
        self._hear(ours)
        ours.close()
        self._process.join()
        return self._process.exitcode

    def _hear(self, line: Connection) -> None:
        """What the process says: that it serves, or why it cannot."""
        try:
            while line.poll():
                self._fault = line.recv()
                if not self._fault:
                    self.is_ready.set()
        except (EOFError, OSError):
            with suppress(ValueError, OSError):
                asyncio.get_running_loop().remove_reader(line.fileno())

    def stop(self) -> None:
        self._told.set()
        if self._process is not None and self._process.is_alive():
            self._process.terminate()

    def kill(self) -> None:
        self._told.set()
        if self._process is not None and self._process.is_alive():
            self._process.kill()


def settings_of_worker(settings: Settings, index: int) -> Settings:
    """Each has its own port for operators and for monitors, as far as those are fixed."""
    return replace(
        settings,
        ops_port=settings.ops_port + index if settings.ops_port else 0,
        rtc_udp_port=settings.rtc_udp_port + index if settings.rtc_udp_port else 0,
    )


async def supervise(settings: Settings, *, stop: StopSignals, ready: Callable[[], None]) -> None:
    """Run the workers until told to stop, and then until they have drained. Raises CommandFault."""
    began = monotonic()
    told = asyncio.create_task(_all(stop.listen().wait()))
    crew = [Worker(settings, index) for index in range(settings.workers)]
    keeping = asyncio.create_task(_all(*(worker.keep() for worker in crew)))
    coming = asyncio.create_task(_all(*(worker.is_ready.wait() for worker in crew)))
    try:
        await asyncio.wait({told, keeping, coming}, return_when=asyncio.FIRST_COMPLETED)
        if coming.done():
            where = {"port": settings.port, "ops_port": settings.ops_port}
            log.info("server.start", **where, config=settings.digest, workers=len(crew))
            ready()
            await asyncio.wait({told, keeping}, return_when=asyncio.FIRST_COMPLETED)
        await _stop(crew, keeping, within=settings.shutdown_seconds + KILL_SECONDS)
    finally:  # also at a second signal: whatever is left then is not waited for
        for worker in crew:
            worker.kill()
        for one in (told, coming, keeping):
            one.cancel()
    log.info("server.stop", port=settings.port, uptime_s=round(monotonic() - began, 1))


async def _all(*jobs: Awaitable[Any]) -> None:
    await asyncio.gather(*jobs)


async def _stop(crew: list[Worker], keeping: asyncio.Task[None], *, within: float) -> None:
    """Let every worker drain; raises the fault of one that never came up."""
    fault = keeping.exception() if keeping.done() and not keeping.cancelled() else None
    for worker in crew:
        worker.stop()
    await asyncio.wait({keeping}, timeout=within)
    if fault is not None:
        raise fault


@contextmanager
def address_held(settings: Settings) -> Iterator[Settings]:
    """The address for all workers, with the port chosen if it was 0: bound by us and never listened on, so
    that each of them may share it and no other server can. Raises CommandFault."""
    if not hasattr(socket, "SO_REUSEPORT"):
        raise CommandFault(f"WORKERS={settings.workers}: this system cannot share a port (SO_REUSEPORT)")
    where = f"HOST={settings.host} PORT={settings.port}"
    try:
        family, *_, name = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        with socket.create_server(name[:2], family=family):
            pass  # sharing would also let us in beside a stranger who shares
        with socket.socket(family) as held:
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            held.bind(name)
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)  # or who reuses addresses got in
            yield replace(settings, port=held.getsockname()[1])
    except OSError as fault:
        raise CommandFault(f"{where}: {fault}") from None


def work(settings: Settings, index: int, line: Connection) -> None:
    """The whole life of a worker process. It says nothing on its line when it serves, or why it cannot."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the group: the supervisor is told
    add_sentry(settings)
    configure_logs(settings, observers=(count, report))
    try:
        run(_work(settings, index, line))
    except CommandFault as fault:
        line.send(str(fault))
        sys.exit(1)
    finally:
        flush_logs()


async def _work(settings: Settings, index: int, line: Connection) -> None:
    from romantic.cli.serve import serve_until

    loop, told = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, told.set)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def orphaned() -> None:
        loop.remove_reader(parent.sentinel)
        told.set()

    loop.add_reader(parent.sentinel, orphaned)
    await serve_until(told, settings, worker=index, ready=lambda: line.send(""))
