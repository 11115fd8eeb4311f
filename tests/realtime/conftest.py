"""Sockets below the level of a phone: dialled in any way, and raw ones that need not obey the protocol."""

import itertools
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
