"""Sockets below the level of a phone: dialled in any way, and raw ones that need not obey the protocol."""

import asyncio
import base64
import itertools
import json
import socket as sockets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from aiohttp import ClientWebSocketResponse

from romantic.realtime import HUB
from tests.conftest import prove
from tests.outside import Outside
from tests.phone import Client, Person, Phone

Dial = Callable[..., Awaitable[ClientWebSocketResponse]]

_addresses = itertools.count(1)


@pytest.fixture
async def dial(client: Client) -> AsyncIterator[Dial]:
    """Open a socket and nothing more."""
    sockets: list[ClientWebSocketResponse] = []

    async def open_socket(
        path: str = "/ws", *, at: Client = client, **kwargs: Any
    ) -> ClientWebSocketResponse:
        sockets.append(await at.ws_connect(path, **kwargs))
        return sockets[-1]

    yield open_socket
    for socket in sockets:
        await socket.close()


async def refused(ws: ClientWebSocketResponse) -> tuple[str | None, int | None]:
    """The code of the error frame, if there is one, and the close code."""
    code = None
    async for message in ws:
        frame = message.json()
        code = frame["data"].get("code", code) if frame["event"] == "error" else code
    return code, ws.close_code


async def another_device(client: Client, outside: Outside, person: Person) -> Person:
    """The same person signed in once more: a session of its own."""
    tokens = await prove(client, outside, person.phone_number)
    return Person(person.client, person.id, person.phone_number, tokens)


def elsewhere(person: Person, client: Client) -> Person:
    """The same person, with the same tokens, at another server."""
    tokens = {"accessToken": person.access_token, "refreshToken": person.refresh_token}
    return Person(client, person.id, person.phone_number, tokens)


def from_a_fresh_address() -> dict[str, str]:
    """Limits by address must not meet those of another test."""
    n = next(_addresses)
    return {"X-Forwarded-For": f"198.18.{n // 250}.{n % 250 + 1}"}


def socket_of(phone: Phone, client: Client) -> Any:
    """The server's end of a phone's only socket."""
    return next(iter(client.app[HUB].sockets_of(UUID(str(phone.person.id)))))


class DeafPhone:
    """A socket that was opened properly and is never read from again."""

    def __init__(self, client, person):
        self._server, self._person = client.server, person
        self.socket = sockets.socket()
        self.socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
        self.socket.setblocking(False)

    async def open(self):
        loop = asyncio.get_running_loop()
        await loop.sock_connect(self.socket, ("127.0.0.1", self._server.port))
        key = base64.b64encode(b"0123456789abcdef").decode()
        request = (
            f"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            f"Authorization: Bearer {self._person.access_token}\r\n\r\n"
        )
        await loop.sock_sendall(self.socket, request.encode())
        seen = b""
        while b'"ready"' not in seen:
            seen += await loop.sock_recv(self.socket, 4096)

    async def read_until(self, end):
        """Everything that is still to come, until the given bytes or nothing comes any more."""
        loop, seen = asyncio.get_running_loop(), b""
        while not seen.endswith(end) and (chunk := await loop.sock_recv(self.socket, 65536)):
            seen = seen[-1000:] + chunk
        return seen

    async def say(self, frame):
        """Send a frame, masked with nothing."""
        payload = json.dumps(frame).encode()
        head = b"\x81\xfe" + len(payload).to_bytes(2, "big") + bytes(4)
        await asyncio.get_running_loop().sock_sendall(self.socket, head + payload)
