"""The ground the ladder stands on: name, port, certificate, and whether the server wants traffic."""

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Any

from aiohttp import ClientSession, ClientTimeout, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult

from romantic import __version__
from romantic.cli.probe.outcome import Found, LeftOut, Trouble
from romantic.cli.probe.target import Target

AGENT = f"romantic-probe/{__version__}"
REQUEST_SECONDS = 10.0
CONNECT_SECONDS = 2.0  # for each address of a name
DAY_SECONDS = 86_400


class Ground:
    """The first four steps, and the HTTP session of all that follow: it goes where they went."""

    def __init__(self, target: Target, *, authority: Path | None = None) -> None:
        self.target = target
        self.addresses: list[str] = []
        self._context = _context(authority) if target.scheme == "https" else None
        self._http: ClientSession | None = None

    async def resolve(self) -> Found:
        """dns: the name has addresses."""
        try:
            self.addresses = await addresses_of(self.target.host)
        except OSError as error:
            advice = "Is the name spelled right, and does this machine have a resolver?"
            raise Trouble(f"{self.target.host} has no address: {error.strerror or error}", advice) from None
        return Found(", ".join(self.addresses[:4]))

    async def connect(self) -> Found:
        """tcp: the port opens, at the first address where it does; that one is used from here on."""
        failed: OSError | None = None
        for address in self.addresses:
            try:
                _, writer = await asyncio.wait_for(
                    asyncio.open_connection(address, self.target.port), CONNECT_SECONDS
                )
            except OSError as error:  # a TimeoutError is one
                failed = error
                continue
            writer.close()
            skipped = self.addresses.index(address)
            self.addresses = [address]
            cause = f"{skipped} of its addresses do not answer" if skipped else ""
            advice = "Take what is dead out of the DNS." if skipped else ""
            return Found(f"{address} port {self.target.port}", cause=cause, advice=advice)
        if isinstance(failed, TimeoutError):
            advice = "A firewall swallows the packets, or the machine is off."
            raise Trouble(f"port {self.target.port} does not answer", advice)
        assert failed is not None
        raise failed

    async def shake_hands(self) -> Found:
        """tls: a certificate this machine trusts, with some life left."""
        if self._context is None:
            raise LeftOut("plain http: nothing is encrypted", harmless=True)
        _, writer = await asyncio.open_connection(
            self.addresses[0], self.target.port, ssl=self._context, server_hostname=self.target.host
        )
        try:
            certificate: dict[str, Any] = writer.get_extra_info("peercert")
            version = writer.get_extra_info("ssl_object").version()
        finally:
            writer.close()
        days = (ssl.cert_time_to_seconds(certificate["notAfter"]) - time.time()) / DAY_SECONDS
        return Found(f"{version}, good for {days:.0f} more days", {"certificate": days})

    async def check_health(self) -> Found:
        """health: the server says it is ready, and what it runs."""
        began = monotonic()
        async with self.http.get(f"{self.target.url}/health/ready") as response:
            answer = await response.json()
        took = 1000 * (monotonic() - began)
        checks = answer["data"]["checks"] if answer["success"] else answer["error"]["meta"]["checks"]
        bad = {name: state for name, state in checks.items() if state != "ok"}
        listed = ", ".join(f"{name} {state}" for name, state in bad.items())
        if not answer["success"]:
            advice = "Start what is down; behind a load balancer another node should answer."
            raise Trouble(f"the server is not ready: {listed}", advice)
        async with self.http.get(f"{self.target.url}/version") as response:
            version = (await response.json())["data"]["version"]
        advice = "It serves alone as it is: bring the rest back before it is needed." if bad else ""
        facts = f"ready in {took:.0f} ms, version {version}"
        return Found(facts, {"http": took}, cause=listed and f"degraded: {listed}", advice=advice)

    @property
    def http(self) -> ClientSession:
        """One session for everything, at the address that was found."""
        if self._http is None:
            connector = TCPConnector(resolver=_Found(self.addresses), ssl=self._context or True)
            self._http = ClientSession(
                connector=connector,
                timeout=ClientTimeout(REQUEST_SECONDS),
                headers={"User-Agent": AGENT},
            )
        return self._http

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()


class _Found(AbstractResolver):
    """Answers with the address the first steps went to, whatever else a name means."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, _family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        return None


async def addresses_of(host: str) -> list[str]:
    """The addresses of a name, IPv4 first; raises OSError.

    In a thread nobody waits for at the end: a resolver that hangs must not hold up the exit.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[str]] = loop.create_future()

    def tell(found: list[str] | OSError) -> None:
        if answer.done():
            return
        if isinstance(found, OSError):
            answer.set_exception(found)
        else:
            answer.set_result(found)

    def ask() -> None:
        try:
            rows = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            found: list[str] | OSError = sorted({str(row[4][0]) for row in rows}, key=lambda one: ":" in one)
        except OSError as error:
            found = error
        except UnicodeError:  # a label that is empty or too long
            found = OSError(f"{host!r} is no name")
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell, found)

    threading.Thread(target=ask, name="dns", daemon=True).start()
    return await answer


def _context(authority: Path | None) -> ssl.SSLContext:
    """What this machine trusts, and `authority` beside it; raises OSError for a file that cannot be read."""
    context = ssl.create_default_context()
    if authority is not None:
        context.load_verify_locations(authority)
    return context
