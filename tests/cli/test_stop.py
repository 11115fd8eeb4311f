"""The end of run.py serve: drained at the first signal, at once at the second, nothing left behind."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress

import pytest
from aiohttp import ClientConnectionError, ClientSession, ClientTimeout

from romantic.cli.phone import Phone
from romantic.cli.story import RECEIVER, RECEIVER_CODE
from romantic.realtime.events import CloseCode
from tests.cli.runs import Server

SHUTDOWN_SECONDS = 25.0
BODY = json.dumps({"phoneNumber": "+15550009999"}).encode()
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


@pytest.fixture(scope="module")
def fleet(start_for_all: Callable[..., Server]) -> dict[str, Server]:
    """All that these tests end, started at once."""
    return {name: start_for_all() for name in ("drained", "hurried")}


@pytest.fixture
async def http() -> AsyncIterator[ClientSession]:
    async with ClientSession(timeout=ClientTimeout(10)) as session:
        yield session


class HalfRequest:
    """A request that the server has begun to serve and cannot finish before we send the rest."""

    async def open(self, url: str) -> None:
        port = int(url.rpartition(":")[2])
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"POST /api/auth/send-otp HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
        self._writer.write(head.encode() + BODY[:10])
        await self._writer.drain()

    async def finish(self) -> bytes:
        self._writer.write(BODY[10:])
        await self._writer.drain()
        return await self._reader.read()

    def abandon(self) -> None:
        self._writer.close()


async def test_code() -> str:
    return RECEIVER_CODE


async def connected(http: ClientSession, url: str) -> Phone:
    phone = Phone(http, url, "")
    await phone.sign_in(RECEIVER, lambda _: test_code())
    await phone.connect()
    return phone


async def watch(http: ClientSession, url: str, path: str, **headers: str) -> list[int]:
    """The statuses of a path, asked over and over until nobody answers."""
    seen: list[int] = []
    with suppress(ClientConnectionError, TimeoutError):
        while True:
            async with http.get(url + path, headers=headers) as response:
                seen.append(response.status)
            await asyncio.sleep(0.02)
    return seen


async def test_sigterm_drains(fleet: dict[str, Server], http: ClientSession) -> None:
    """Not ready, no new sockets, the open ones sent elsewhere, what was begun finished, all within limits."""
    server = fleet["drained"]
    url = server.ready()
    phones = [await connected(http, url) for _ in range(3)]
    mute = await http.ws_connect(
        f"{url}/ws", headers=phones[0]._headers
    )  # never reads, so never says goodbye
    half = HalfRequest()
    await half.open(url)
    async with AsyncExitStack() as closing:
        closing.push_async_callback(mute.close)
        watching = [
            asyncio.create_task(watch(http, url, "/health/ready")),
            asyncio.create_task(watch(http, url, "/ws", **UPGRADE)),
        ]
        async with http.get(f"{url}/health/ready") as response:
            assert response.status == 200
        began = asyncio.get_running_loop().time()

        server.send(signal.SIGTERM)

        codes = [await phone.line.closed() for phone in phones]
        answer = await half.finish()
        status = await asyncio.to_thread(server.ended, within=SHUTDOWN_SECONDS)
        took = asyncio.get_running_loop().time() - began
        ready, upgrades = [await task for task in watching]

    assert codes == [CloseCode.DRAINING] * 3
    assert 503 in ready
    assert 503 in upgrades
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["success"] is True
    assert (status, took <= SHUTDOWN_SECONDS) == (0, True)
    assert server.logged("server.stop")
    assert server.place.programs == []
    assert "Traceback" not in server.err


async def test_second_signal_ends_the_drain_at_once(fleet: dict[str, Server]) -> None:
    server = fleet["hurried"]
    half = HalfRequest()
    await half.open(server.ready())
    server.send(signal.SIGTERM)
    # The listener is closed when the drain waits for nothing but requests.
    async with asyncio.timeout(10):
        while await accepts(server.ready()):
            await asyncio.sleep(0.02)
    assert server.process.poll() is None

    server.send(signal.SIGTERM)

    assert await asyncio.to_thread(server.ended) == 128 + signal.SIGTERM
    assert server.logged("server.stop") is None
    assert server.place.programs == []
    assert "Traceback" not in server.err
    half.abandon()


async def accepts(url: str) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    except ConnectionRefusedError:
        return False
    writer.close()
    return True
