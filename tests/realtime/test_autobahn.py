"""RFC 6455 by Autobahn's classic cases: the real application and the real socket, behind a route that echoes."""

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import WSMsgType

from romantic.app import create_app
from romantic.realtime import CloseCode
from romantic.realtime import socket as sockets
from romantic.realtime.routes import upgrade
from romantic.realtime.socket import Socket
from tests.conftest import settings_with, start

pytest.importorskip("lib2to3", reason="the cases are refactored by lib2to3: Python up to 3.12")

#: Framing, pings, reserved bits, opcodes, fragments, UTF-8, closing; then limits up to 16 MiB and fragmenting.
QUICK = ("1.*,2.*,3.*,4.*,5.*,7.*", 101)
TEXT = ("6.*", 145)
LARGE = ("9.*,10.*", 55)


class EchoSocket(Socket):
    """Says what it hears; our own protocol knows neither binary frames nor messages of 16 MiB."""

    async def _read(self, receive):
        while self.closed_by is None:
            message = await self.ws.receive()
            if message.type is WSMsgType.TEXT:
                await receive(self, message.data)
            elif message.type is WSMsgType.BINARY:
                await self.ws.send_frame(message.data, WSMsgType.BINARY)
            elif message.type in (WSMsgType.PING, WSMsgType.PONG):
                await self.take_control(message)
            else:
                await self._part(message)
                return


async def say(socket, raw):
    try:
        raw.decode()
    except UnicodeDecodeError:
        socket.close(CloseCode.NOT_UTF8, "not UTF-8")
    else:
        socket.send_frame(raw)


async def echo(request):
    ws = await upgrade(request, max_frame=0)
    await EchoSocket(request.app, ws).serve(say)
    return ws


@pytest.fixture
async def echo_url(make_client, postgres, valkey, outside, monkeypatch):
    monkeypatch.setattr(sockets, "QUEUE_BYTES", 32 * 2**20)
    app = create_app(settings_with(postgres, valkey, outside))
    app.router.add_get("/echo", echo)
    async with AsyncExitStack() as running:
        client = await start(running, app)
        yield f"ws://127.0.0.1:{client.port}/echo"


async def run_cases(url, patterns, report):
    driver = Path(__file__).with_name("wstest.py")
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(driver), url, patterns, str(report), stderr=asyncio.subprocess.PIPE
    )
    _, complaints = await process.communicate()
    assert report.exists(), complaints.decode()
    return json.loads(report.read_text("utf-8"))


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("patterns", "count"),
    [
        pytest.param(*QUICK, id="framing"),
        pytest.param(*TEXT, id="text", marks=pytest.mark.slow),
        pytest.param(*LARGE, id="limits", marks=pytest.mark.slow),
    ],
)
async def test_every_case_passes(echo_url, tmp_path, patterns, count):
    summary = await run_cases(echo_url, patterns, tmp_path / "report.json")

    assert (summary["failed"], summary["passed"]) == ({}, count), summary
