"""run.py demo: the story of one paid call, on nodes of its own or running ones, told as it happens."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack
from functools import partial
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
CLOSED_SECONDS = 60.0


def demo(*, urls: list[str], nodes: int, seconds: float | None) -> int:
    """Exit code 0 only if every step held. The caller is at the first node, the receiver at the last."""
    with stop_signals(), ExitStack() as running:
        if urls:
            return run(_on_running([url.rstrip("/") for url in urls], seconds=seconds or TALK_ELSEWHERE))
        seconds = seconds or TALK_OWN
        servers: list[OwnServer] = []
        for _ in range(nodes):
            beside = servers[0] if servers else None
            server = OwnServer(least_billable=min(SHORTEST_PAID, seconds / 2), beside=beside)
            servers.append(running.enter_context(server))
        return run(_on_own(servers, seconds=seconds))


async def _on_running(urls: list[str], *, seconds: float) -> int:
    async with Report() as report, ClientSession(timeout=ClientTimeout(30)) as http:
        for url, name in zip(urls, _names(len(urls)), strict=True):
            await report.step(name, partial(_look_at, http, url))
        await _tell(report, Story(http, *urls, seconds=seconds))
    return report.conclude()


async def _on_own(servers: list[OwnServer], *, seconds: float) -> int:
    urls = [""] * len(servers)

    async def start(index: int) -> str:
        server = servers[index]
        urls[index] = await server.wait_ready()
        stores = "on the stores of node 1" if index else "its own PostgreSQL and Valkey"
        return f"{urls[index]}, process {server.pid}, {stores}"

    async with Report() as report, ClientSession(timeout=ClientTimeout(30)) as http:
        for index, name in enumerate(_names(len(servers))):
            await report.step(name, partial(start, index))
        story = Story(http, *urls, seconds=seconds)
        await _tell(
            report,
            story,
            ("ledger audit", lambda: _audit(servers[0])),
            ("server stops" if len(servers) == 1 else "nodes stop", lambda: _stop(servers, story)),
        )
    if not report.holds:
        print(*(server.log_tail() for server in servers), file=sys.stderr)
    return report.conclude()


def _names(count: int) -> list[str]:
    """Of the steps that start or visit so many servers."""
    return ["server"] if count == 1 else [f"node {number}" for number in range(1, count + 1)]


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


async def _stop(servers: list[OwnServer], story: Story) -> str:
    """SIGTERM: the phones are sent elsewhere, and the processes end in order, the stores' own one last."""
    stopped = asyncio.create_task(asyncio.to_thread(_stop_each, servers[::-1]))
    codes = [await phone.line.closed(within=CLOSED_SECONDS) for phone in (story.caller, story.receiver)]
    status = await stopped
    if any(status) or set(codes) != {CloseCode.DRAINING}:
        raise Broken(f"exit codes {status}, sockets closed with {codes}")
    return f"SIGTERM: both sockets sent elsewhere ({int(CloseCode.DRAINING)}), exit code 0"


def _stop_each(servers: list[OwnServer]) -> list[int]:
    return [server.stop() for server in servers]


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
