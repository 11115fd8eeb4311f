"""The end of run.py serve: drained at the first signal, at once at the second, nothing left behind."""

import asyncio
import json
import signal
import socket
from collections.abc import AsyncIterator, Callable
from time import monotonic

import pytest
from aiohttp import ClientSession, ClientTimeout

from romantic.cli.phone import Phone
from romantic.cli.story import RECEIVER, RECEIVER_CODE
from romantic.realtime.events import CloseCode
from tests.cli.runs import Server, wait_until

SHUTDOWN_SECONDS = 25.0
BODY = json.dumps({"phoneNumber": RECEIVER, "otpCode": RECEIVER_CODE}).encode()
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


@pytest.fixture
async def http() -> AsyncIterator[ClientSession]:
    async with ClientSession(timeout=ClientTimeout(10)) as session:
        yield session


class HalfRequest:
    """A request that the server has begun to serve and cannot finish before we send the rest."""

    async def open(self, url: str) -> None:
        port = int(url.rpartition(":")[2])
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"POST /api/auth/verify-otp HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n"
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


async def test_sigterm_drains(start: Callable[..., Server], http: ClientSession) -> None:
    """Not ready, no new sockets, the open ones sent elsewhere, what was begun finished, all within limits."""
    server = start(DRAIN_SECONDS="2.5", READ_TIMEOUT_SECONDS="30")
    url = server.ready()
    phones = [await connected(http, url) for _ in range(3)]
    await phones[0].post("/api/auth/send-otp", {"phoneNumber": RECEIVER})
    half = HalfRequest()
    await half.open(url)
    async with http.get(f"{url}/health/ready") as before:
        assert before.status == 200
    began = monotonic()

    server.send(signal.SIGTERM)
    codes = {await first_closed(phones)}
    async with http.get(f"{url}/health/ready") as during, http.get(f"{url}/ws", headers=UPGRADE) as late:
        checks = (await during.json())["error"]["meta"]["checks"]
    codes |= {await phone.line.closed() for phone in phones}
    await listener_closed(url)
    answer = await half.finish()
    status = await asyncio.to_thread(server.ended)
    took = monotonic() - began

    assert codes == {CloseCode.DRAINING}
    assert (during.status, checks["lifecycle"], late.status) == (503, "draining", 503)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["success"] is True
    assert (status, took <= SHUTDOWN_SECONDS) == (0, True)
    assert server.logged("server.stop")
    assert server.place.programs == []
    assert "Traceback" not in server.err


async def first_closed(phones: list[Phone]) -> int | None:
    closing = [asyncio.ensure_future(phone.line.closed()) for phone in phones]
    done, _ = await asyncio.wait(closing, return_when=asyncio.FIRST_COMPLETED)
    return done.pop().result()


async def test_second_signal_ends_the_drain_at_once(start: Callable[..., Server]) -> None:
    server = start(READ_TIMEOUT_SECONDS="30")
    half = HalfRequest()
    await half.open(server.ready())
    server.send(signal.SIGTERM)
    await listener_closed(server.ready())
    assert server.process.poll() is None

    server.send(signal.SIGTERM)

    assert await asyncio.to_thread(server.ended) == 128 + signal.SIGTERM
    assert server.logged("server.stop") is None
    assert server.place.programs == []
    assert "Traceback" not in server.err
    half.abandon()


async def listener_closed(url: str) -> None:
    """From then on the drain waits for nothing but the requests it has begun."""
    port = int(url.rpartition(":")[2])

    def refuses() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) != 0

    await asyncio.to_thread(wait_until, refuses, "the listener to close")
