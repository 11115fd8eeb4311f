"""What a client may send as a body, and what it is told when it sends something else."""

import asyncio
import gzip
import json

import pytest

URL = "/api/auth/login"
JSON = {"Content-Type": "application/json"}
NUMBER = "+15550000001"

MALFORMED = {
    "not json": b"phoneNumber=1",
    "half an object": b'{"phoneNumber":',
    "array": b"[]",
    "string": b'"x"',
    "null": b"null",
    "number": b"1",
    "nested deep": b'{"a":' * 40_000,
    "lists nested deep": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a hundred thousand digits": b'{"a":' + b"9" * 100_000 + b"}",
    "NaN": b'{"phoneNumber": NaN}',
    "Infinity": b'{"phoneNumber": -Infinity}',
    "beyond a double": b'{"phoneNumber": 1e999}',
    "NUL in a value": b'{"phoneNumber": "\\u0000"}',
    "NUL in a key": b'{"\\u0000": 1}',
    "NUL in a list": b'{"phoneNumber": ["\\u0000"]}',
    "NUL deep inside": b'{"phoneNumber": {"a": [[{"b": "\\u0000"}]]}}',
    "raw NUL": b'{"phoneNumber": "\0"}',
    "lone surrogate": b'{"phoneNumber": "\\ud800"}',
    "not utf-8": b'{"phoneNumber": "\xff"}',
    "utf-16": '{"phoneNumber": "1"}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"phoneNumber": "1"}',
    "key given twice": b'{"phoneNumber": "+15550000001", "phoneNumber": "+15550000002"}',
    "inner key given twice": b'{"phoneNumber": {"a": 1, "a": 2}}',
    "two values": b"{} {}",
    "comment": b"{} // hello",
    "__proto__": b'{"__proto__": {"admin": true}}',
}


async def code_of(response):
    """The envelope's code; every refusal has the envelope, an id and nothing of ours inside."""
    answer = json.loads(await response.text())
    assert answer["success"] is False
    assert answer["error"]["requestId"] == response.headers["X-Request-Id"]
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    assert "Traceback" not in str(answer)
    return answer["error"]["code"]


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
async def test_malformed_body_is_a_400(client, body):
    response = await client.post(URL, data=body, headers=JSON)

    assert response.status == 400
    assert await code_of(response) in ("BAD_REQUEST", "VALIDATION_ERROR")


async def test_escaped_backslash_before_u0000_is_no_nul(client):
    response = await client.post(URL, data=b'{"phoneNumber": "\\\\u0000"}', headers=JSON)

    assert await code_of(response) == "PHONE_INVALID"


async def test_unknown_keys_are_named(client):
    body = {"phoneNumber": NUMBER, "admin": True, "x": {"y": 1}}

    response = await client.post(URL, json=body)
    answer = await response.json()

    assert response.status == 400
    faults = {(fault["path"], fault["code"]) for fault in answer["error"]["fields"]}
    assert faults == {("admin", "unknown"), ("x", "unknown")}


async def test_missing_keys_are_named(client):
    response = await client.post(URL, json={})

    (fault,) = (await response.json())["error"]["fields"]
    assert (fault["path"], fault["code"]) == ("phoneNumber", "required")


@pytest.mark.parametrize("path", ["/api/auth/logout", "/api/realtime/ticket"])
async def test_endpoint_without_a_body_takes_none(make_person, path):
    person = await make_person()

    response = await person.post(path, {"x": 1})

    assert response.status == 400


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data",
     "multipart/form-data; boundary=x", "application/jsonx", "", "garbage;;;"],
)  # fmt: skip
async def test_other_content_type_is_a_415(client, content_type):
    response = await client.post(URL, data=b'{"phoneNumber": "1"}', headers={"Content-Type": content_type})

    assert response.status == 415
    assert await code_of(response) == "UNSUPPORTED_MEDIA_TYPE"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "GZIP", "nonsense"])
async def test_compressed_body_is_refused_unread(client, encoding):
    bomb = gzip.compress(b" " * 10_000_000)

    headers = JSON | {"Content-Encoding": encoding}
    response = await client.post(URL, data=bomb, headers=headers)

    assert response.status == 415
    assert await code_of(response) == "UNSUPPORTED_MEDIA_TYPE"


async def test_body_at_the_limit_is_read(client):
    text = json.dumps({"phoneNumber": NUMBER})

    response = await client.post(URL, data=text.ljust(256 * 1024).encode(), headers=JSON)

    assert response.status == 401


async def test_larger_body_is_a_413(client):
    response = await client.post(URL, data=b" " * (256 * 1024 + 1), headers=JSON)

    assert response.status == 413
    assert await code_of(response) == "PAYLOAD_TOO_LARGE"


async def test_larger_body_without_a_length_is_a_413(client):
    async def endless():
        while True:
            yield b" " * 65536

    response = await client.post(URL, data=endless(), headers=JSON)

    assert response.status == 413
    response.close()


async def test_body_that_stops_half_way_is_a_408(make_client):
    client = await make_client(read_timeout_seconds=0.2)
    forever = asyncio.Event()

    async def half():
        yield b'{"phone'
        await forever.wait()

    headers = JSON | {"Content-Length": "1000"}
    async with asyncio.timeout(10):
        response = await client.post(URL, data=half(), headers=headers)

    assert response.status == 408
    assert await code_of(response) == "REQUEST_TIMEOUT"
    forever.set()


async def test_server_answers_others_meanwhile(client):
    bomb = gzip.compress(b" " * 100_000_000)

    _, live = await asyncio.gather(
        client.post(URL, data=bomb, headers=JSON | {"Content-Encoding": "gzip"}), client.get("/health/live")
    )

    assert live.status == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE"])
async def test_other_method_is_a_405_that_names_the_right_one(client, method):
    response = await client.request(method, URL)

    assert (response.status, response.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/nothing", "/api/auth/login/", "//", "/%2e%2e/etc/passwd", "/%ff", "/%00"]
)
async def test_unknown_path_is_a_404_in_the_envelope(client, path):
    response = await client.get(path)

    assert response.status == 404
    assert await code_of(response) == "NOT_FOUND"
