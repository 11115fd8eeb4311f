"""The laboratory as fixtures: a small internet, and the application listening in it."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web

import romantic.rtc.mux
from romantic.rtc import PEERS
from romantic.rtc.mux import UdpMux
from tests.conftest import MakeApp
from tests.lab.netns import why_not
from tests.lab.networks import SERVER, STUN, Lab
from tests.phone import Client

PORT = 8080
STUN_PORT = 3478

#: How an application that serves the laboratory is configured.
IN_WORLD = {
    "rtc_udp_host": SERVER,
    "webrtc_stun_servers": f"stun:{STUN}:{STUN_PORT}",
    "public_base_url": f"http://{SERVER}:{PORT}",
}


@pytest.fixture(scope="session")
def lab(in_ci: bool) -> Iterator[Lab]:
    missing = why_not()
    # CI is root, so there the laboratory must be there; on a person's machine it may not be.
    if missing is not None and not in_ci:
        pytest.skip(missing)
    assert missing is None, f"CI must have a laboratory: {missing}"
    lab = Lab()
    yield lab
    lab.close()


@pytest.fixture
async def stun_server(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """The address of a STUN server that is not the application's own."""
    sockets_in_world(lab, monkeypatch)
    mux = UdpMux()
    await mux.listen(STUN, STUN_PORT)
    yield f"stun:{STUN}:{STUN_PORT}"
    await mux.close()


def sockets_in_world(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our WebRTC port is opened in the world; its database stays where it is."""
    bind = romantic.rtc.mux._bound_socket

    def bound_there(host: str, port: int) -> Any:
        if host not in (SERVER, STUN):
            return bind(host, port)
        with lab.inside_world():
            return bind(host, port)

    monkeypatch.setattr("romantic.rtc.mux._bound_socket", bound_there)


@dataclass(frozen=True)
class WorldSite:
    """An application that listens in the world and, for the tests themselves, at home."""

    client: Client
    url: str  # in the laboratory

    @property
    def rtc_port(self) -> int:
        return int(self.client.app[PEERS].port)  # type: ignore[union-attr]


MakeWorldSite = Callable[..., Awaitable[WorldSite]]


@pytest.fixture
async def make_world_site(lab: Lab, stun_server: str, make_client: MakeApp) -> AsyncIterator[MakeWorldSite]:
    """Start the application with settings of its own; one at a time."""
    assert stun_server
    async with AsyncExitStack() as running:

        async def make(**settings: Any) -> WorldSite:
            client = await make_client(**(IN_WORLD | {"probe_min_gap": 0} | settings))
            with lab.inside_world():
                listener = listening(SERVER, PORT)
            site = web.SockSite(client.server.runner, listener)
            await site.start()
            running.push_async_callback(site.stop)
            return WorldSite(client, f"http://{SERVER}:{PORT}")

        yield make


@pytest.fixture
async def world_site(make_world_site: MakeWorldSite) -> WorldSite:
    return await make_world_site()


def listening(host: str, port: int) -> Any:
    """A listening socket where the calling thread is."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setblocking(False)
    listener.bind((host, port))
    listener.listen()
    return listener
