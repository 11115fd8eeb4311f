"""A real Chromium, and an application in its development dress for it to look at."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from playwright.async_api import Browser, Locator, Page, async_playwright, expect

from romantic.app import create_app
from romantic.dev.seed import seed
from romantic.http.hardening import RUNNER_OPTIONS
from romantic.settings import load_settings
from tests.conftest import QUICK

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--use-fake-device-for-media-stream=fps=10",
    "--use-fake-ui-for-media-stream",
    "--allow-loopback-in-peer-connection",
    "--disable-features=LocalNetworkAccessChecks,WebRtcHideLocalIpsWithMdns"
    # Neither processes kept in store nor pages of Chromium's own: the pop-ups of its address bar alone
    # would cost every window ten times what an empty page costs.
    ",SpareRendererForSitePerProcess,PreloadTopChromeWebUI,WebUIOmniboxPopup,WebUIOmniboxAimPopup",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
)
PATIENCE_MS = 15_000


@pytest.fixture(scope="session")
async def browser(in_ci: bool) -> AsyncIterator[Browser]:
    if CHROMIUM is None and not in_ci:
        pytest.skip("no Chromium here: install the package chromium")
    assert CHROMIUM is not None, "CI must have a Chromium"
    expect.set_options(timeout=PATIENCE_MS)
    playwright = await async_playwright().start()
    running = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
    yield running
    # Playwright may wait for ever for its driver; that goes with this process, and the browser with it.
    with suppress(TimeoutError):
        async with asyncio.timeout(30):
            await running.close()
            await playwright.stop()


class Site:
    """An application with its seeded people, and where it listens."""

    def __init__(self, app: web.Application, url: str, runner: web.AppRunner, door: socket.socket) -> None:
        self.app = app
        self.url = url
        self._runner = runner
        self._door = door
        self._in_its_place: asyncio.Server | None = None

    async def die(self) -> None:
        """Stop in the middle of a test. The port stays taken, or the site of another test would answer there."""
        await self._runner.cleanup()
        self._in_its_place = await asyncio.start_server(_hang_up, sock=self._door)

    async def close(self) -> None:
        if self._in_its_place is None:
            await self._runner.cleanup()
            self._door.close()
        else:
            self._in_its_place.close()


def _hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


@pytest.fixture
async def site(request: pytest.FixtureRequest, postgres: str, valkey: str) -> AsyncIterator[Site]:
    """Settings of its own by indirect parametrization."""
    door = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{door.getsockname()[1]}"
    stores = {"database_url": postgres, "redis_url": valkey, "whatsapp_api_base_url": f"{url}/dev/whatsapp"}
    development = QUICK | stores | {"romantic_env": "development"} | getattr(request, "param", {})
    settings = load_settings({"ROMANTIC_ENV": "development"}, **development)
    await seed(settings)
    app = create_app(settings)
    runner = web.AppRunner(app, shutdown_timeout=1.0, **RUNNER_OPTIONS)
    await runner.setup()
    await web.SockSite(runner, door.dup()).start()
    site = Site(app, url, runner, door)
    yield site
    await site.close()


class Tab:
    """One person's tab, found by test ids; remembers what the browser complains about and where it goes."""

    def __init__(self, page: Page, site: Site) -> None:
        self.page = page
        self.site = site
        self.complaints: list[str] = []
        self.strangers: list[str] = []
        page.on("console", lambda message: self._heard(message.type, message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self._asked(request.url))
        page.on("websocket", lambda socket: self._asked(socket.url))

    def _heard(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)

    def _asked(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob") and parts.netloc != urlsplit(self.site.url).netloc:
            self.strangers.append(url)

    def get(self, testid: str) -> Locator:
        return self.page.get_by_test_id(testid)

    async def is_in(self, state: str) -> None:
        await expect(self.get("page")).to_have_attribute("data-state", state)

    async def text(self, testid: str) -> str:
        return (await self.get(testid).inner_text()).strip()

    async def call(self, name: str, kind: str = "video") -> None:
        card = self.page.locator(f'[data-testid="person"][data-name="{name}"]')
        await card.get_by_test_id(f"call-{kind}").click()

    async def width_beyond(self) -> int:
        """By how many pixels the page is wider than its window."""
        return int(await self.page.evaluate("() => document.documentElement.scrollWidth - innerWidth"))


OpenTab = Callable[..., Awaitable[Tab]]


@pytest.fixture
async def open_tab(browser: Browser, site: Site) -> AsyncIterator[OpenTab]:
    """Open a tab of a person of their own.

    In every test, whatever it is about: the policy of the pages is never violated, nothing fails in the
    console, and no request leaves the origin.
    """
    tabs: list[Tab] = []

    async def open_as(path: str, **options: Any) -> Tab:
        context = await browser.new_context(**options)
        tab = Tab(await context.new_page(), site)
        tabs.append(tab)
        await tab.page.goto(f"{site.url}{path}")
        return tab

    yield open_as
    for tab in tabs:
        await tab.page.context.close()
    assert [complaint for tab in tabs for complaint in tab.complaints] == []
    assert [url for tab in tabs for url in tab.strangers] == []


@pytest.fixture
async def ada(open_tab: OpenTab) -> Tab:
    return await open_tab("/demo?as=ada")


@pytest.fixture
async def ben(open_tab: OpenTab, ada: Tab) -> Tab:
    """Ben, with Ada signed in as well."""
    tab = await open_tab("/demo?as=ben")
    await tab.is_in("home")
    await ada.is_in("home")
    return tab
