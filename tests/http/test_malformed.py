"""Bytes on the wire that are no HTTP, half HTTP, or two kinds of HTTP at once."""

import asyncio
import json

import pytest

from romantic.http.hardening import SlowHeaderWatch

LOGIN = b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
LIVE = b"GET /health/live HTTP/1.1\r\nHost: x\r\n"

REFUSED = {
    "length and chunked": LOGIN + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": LOGIN + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
    "negative length": LOGIN + b"Content-Length: -5\r\n\r\n",
    "length with a sign": LOGIN + b"Content-Length: +2\r\n\r\n{}",
    "enormous length": LOGIN + b"Content-Length: 999999999999999999999\r\n\r\n{}",
    "chunk that has no size": LOGIN + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n",
    "no host": b"GET /health/live HTTP/1.1\r\n\r\n",
    "method with a NUL": b"G\0T /health/live HTTP/1.1\r\nHost: x\r\n\r\n",
    "method nobody knows": b"FOO /health/live HTTP/1.1\r\nHost: x\r\n\r\n",
    "header of 20 kB": LIVE + b"X-Long: " + b"a" * 20_000 + b"\r\n\r\n",
    "address of 20 kB": b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "300 headers": LIVE + b"".join(b"X-%d: a\r\n" % n for n in range(300)) + b"\r\n",
    "HTTP/9.9": b"GET /health/live HTTP/9.9\r\nHost: x\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "bare line feeds": b"GET /health/live HTTP/1.1\nHost: x\n\n",
    "header name with a space": LIVE + b"X Y: a\r\n\r\n",
    "NUL in a header": LIVE + b"X-Y: a\0b\r\n\r\n",
    "folded header": LIVE + b"X-Y: a\r\n b\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "words": b"hello world\r\n\r\n",
    "broken address": b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n",
    "unknown expectation": LIVE + b"Expect: foo\r\n\r\n",
    "unknown expectation of an unknown path": b"GET /nope HTTP/1.1\r\nHost: x\r\nExpect: foo\r\n\r\n",
    "origin that is no address": b"GET /ws HTTP/1.1\r\nHost: x\r\nOrigin: http://[bad\r\n\r\n",
    "socket key that is none": b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\n",
    "no upgrade": b"GET /ws HTTP/1.1\r\nHost: x\r\n\r\n",
    "asterisk": b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    "CONNECT": b"CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    "token that is no text": b"GET /api/auth/profile HTTP/1.1\r\nHost: x\r\n"
    b"Authorization: Bearer \xff\xfe\r\n\r\n",
    "charset that is no text": LOGIN[:-2] + b"; charset=\xff\r\nContent-Length: 2\r\n\r\n{}",
    "path that is no text": b"GET /%ff%fe/%zz?a=%ff%00 HTTP/1.1\r\nHost: x\r\n\r\n",
}


async def exchange(client, raw):
    """What comes back for these bytes: status, headers by lower-case name, body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", client.server.port)
    try:
        async with asyncio.timeout(10):
            writer.write(raw)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.strip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            body = await reader.readexactly(int(headers["content-length"]))
            return int(first.split()[1]), headers, body
    finally:
        writer.close()


@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED)
async def test_refused_in_the_envelope_and_never_as_our_fault(client, raw):
    status, headers, body = await exchange(client, raw)

    assert 400 <= status < 500
    answer = json.loads(body)
    assert (answer["success"], answer["error"]["requestId"]) == (False, headers["x-request-id"])
    assert headers["server"] == "romantic"
    assert headers["x-content-type-options"] == "nosniff"


async def test_server_is_as_well_as_before(client):
    for raw in REFUSED.values():
        await exchange(client, raw)

    assert (await client.get("/health/live")).status == 200


async def test_expecting_100_continue_is_served(client):
    reader, writer = await asyncio.open_connection("127.0.0.1", client.server.port)
    writer.write(LOGIN + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")

    async with asyncio.timeout(10):
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"{}")
        assert (await reader.readline()).startswith(b"HTTP/1.1 400 ")
    writer.close()


@pytest.mark.parametrize("begun", [b"", b"GET /health/live HTTP/1.1\r\nHost: x\r\nX-Slow: "])
async def test_connection_that_never_finishes_its_header_is_closed(client, begun):
    watch = asyncio.create_task(SlowHeaderWatch(client.server.runner.server, 0.2).run())
    reader, writer = await asyncio.open_connection("127.0.0.1", client.server.port)
    writer.write(begun)

    async with asyncio.timeout(10):
        assert await reader.read() == b""
    writer.close()
    watch.cancel()


async def test_connection_that_has_asked_before_is_left_alone(client):
    watch = asyncio.create_task(SlowHeaderWatch(client.server.runner.server, 0.1).run())
    reader, writer = await asyncio.open_connection("127.0.0.1", client.server.port)
    for _ in range(2):
        writer.write(LIVE + b"\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        await reader.readuntil(b"}")
        await reader.readuntil(b"}")
        await asyncio.sleep(0.3)  # three times what the watch allows the silent
    writer.close()
    watch.cancel()


async def test_answers_do_not_name_what_serves_them(client):
    answers = [await client.get(path) for path in ("/health/live", "/nothing", "/api/auth/profile")]

    assert {response.headers["Server"] for response in answers} == {"romantic"}
    assert not [response for response in answers if "python" in str(response.headers).lower()]


@pytest.mark.parametrize("offered", ["abcdefgh", "a.b_c-d.12345678", "x" * 64])
async def test_harmless_request_id_is_kept(client, offered):
    response = await client.get("/health/live", headers={"X-Request-Id": offered})

    assert response.headers["X-Request-Id"] == offered


@pytest.mark.parametrize("offered", ["short", "x" * 65, "with space", "semi;colon", "<script>", "{" * 10, ""])
async def test_other_request_id_is_replaced(client, offered):
    response = await client.get("/health/live", headers={"X-Request-Id": offered})

    assert response.headers["X-Request-Id"].startswith("req_")


async def test_security_headers_stand_on_every_answer(client):
    answers = [await client.get(path) for path in ("/health/live", "/nothing", "/api/auth/profile")]

    for response in answers:
        assert response.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Referrer-Policy"] == "no-referrer"
