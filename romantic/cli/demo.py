"""run.py demo: the story of one paid call, on a server of its own or a running one, told as it happens."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from time import monotonic

from aiohttp import ClientSession, ClientTimeout
from rich.console import Console
from rich.live import Live
from rich.table import Table

from romantic import __version__
from romantic.cli.loop import run
from romantic.cli.own_server import OwnServer
from romantic.cli.stopping import stop_signals
from romantic.cli.story import Broken, Step, Story
from romantic.realtime.events import CloseCode

#: Long enough for RTCP to measure round trips; on a server that is not ours, for its shortest paid call.
TALK_OWN, TALK_ELSEWHERE = 6.0, 12.0
SHORTEST_PAID = 10.0


def demo(*, url: str | None, seconds: float | None) -> int:
    """Exit code 0 only if every step held."""
    with stop_signals():
        if url is not None:
            return run(_on_running(url.rstrip("/"), seconds=seconds or TALK_ELSEWHERE))
        seconds = seconds or TALK_OWN
        with OwnServer(least_billable=min(SHORTEST_PAID, seconds / 2)) as server:
            return run(_on_own(server, seconds=seconds))


async def _on_running(url: str, *, seconds: float) -> int:
    async with Report() as report, ClientSession(timeout=ClientTimeout(30)) as http:
        await report.step("server", lambda: _look_at(http, url))
        story = Story(http, url, seconds=seconds)
        await _tell(report, story)
    return report.conclude()


async def _on_own(server: OwnServer, *, seconds: float) -> int:
    url = ""

    async def start() -> str:
        nonlocal url
        url = await server.wait_ready()
        return f"{url}, process {server.pid}, its own PostgreSQL and Valkey"

    async with Report() as report, ClientSession(timeout=ClientTimeout(30)) as http:
        await report.step("server", start)
        story = Story(http, url, seconds=seconds)
        await _tell(
            report,
            story,
            ("ledger audit", lambda: _audit(server)),
            ("server stops", lambda: _stop(server, story)),
        )
    if not report.holds:
        print(server.log_tail(), file=sys.stderr)
    return report.conclude()


async def _tell(report: "Report", story: Story, *more: tuple[str, Step]) -> None:
    try:
        for name, step in (*story.steps, *more):
            await report.step(name, step)
    finally:
        await story.close()


async def _look_at(http: ClientSession, url: str) -> str:
    """Whether it is a development server of this version."""
    async with http.get(f"{url}/version") as response:
        version = (await response.json())["data"]["version"]
    async with http.get(f"{url}/dev/outbox.json") as response:
        if response.status != 200:
            raise Broken(f"{url} is not a development server: it has no outbox")
    return f"{url}, version {version}, this is {__version__}"


async def _audit(server: OwnServer) -> str:
    """What an operator runs beside the server."""
    done = await asyncio.to_thread(server.run, "admin", "ledger", "check", "--json")
    if done.returncode:
        raise Broken(done.stderr or done.stdout)
    audit = json.loads(done.stdout)
    return f"{audit['users']} users, {audit['entries']} entries, {audit['coins']} coins: the ledger holds"


async def _stop(server: OwnServer, story: Story) -> str:
    """SIGTERM: the phones are sent elsewhere, and the process ends in order."""
    stopped = asyncio.create_task(asyncio.to_thread(server.stop))
    codes = [await phone.line.closed() for phone in (story.caller, story.receiver)]
    status = await stopped
    if status or set(codes) != {CloseCode.DRAINING}:
        raise Broken(f"exit code {status}, sockets closed with {codes}")
    return f"SIGTERM: both sockets sent elsewhere ({int(CloseCode.DRAINING)}), exit code 0"


class Report:
    """Each step when it is done: a growing table on a terminal, plain lines elsewhere.

    After a step that does not hold the others are not tried.
    """

    def __init__(self) -> None:
        self.holds = True
        self._count = 0
        self._began = monotonic()
        self._console = Console()
        self._table = Table("", "step", "", "ms", "facts", box=None, pad_edge=False)
        self._open = AsyncExitStack()

    async def __aenter__(self) -> "Report":
        if self._console.is_terminal:
            live = Live(self._table, console=self._console, vertical_overflow="visible")
            self._open.enter_context(live)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._table.caption = None
        await self._open.aclose()

    async def step(self, name: str, step: Callable[[], Awaitable[str]]) -> None:
        if not self.holds:
            return
        self._count += 1
        self._table.caption = f"{name} …"
        began = monotonic()
        try:
            facts = await step()
        except Broken as broken:
            self.holds, facts = False, str(broken)
        except Exception as fault:
            self.holds, facts = False, f"{type(fault).__name__}: {fault}"
        self._show(name, round(1000 * (monotonic() - began)), facts)

    def conclude(self) -> int:
        """Say how it went; the exit code."""
        took = f"{monotonic() - self._began:.1f} s"
        held = f"All {self._count} steps held, {took}."
        print(held if self.holds else f"Step {self._count} did not hold, {took}.")
        return 0 if self.holds else 1

    def _show(self, name: str, took_ms: int, facts: str) -> None:
        verdict = "ok" if self.holds else "FAILED"
        if self._console.is_terminal:
            colour = "green" if self.holds else "bold red"
            self._table.add_row(str(self._count), name, f"[{colour}]{verdict}[/]", str(took_ms), facts)
        else:
            print(f"{self._count:2}  {name:20}  {verdict:6}  {took_ms:6} ms  {facts}", flush=True)
