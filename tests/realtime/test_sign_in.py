"""GET /ws: who gets in, by which way, and what everybody else is told."""

import time
from datetime import datetime

import jwt
import pytest
from aiohttp import WSServerHandshakeError

from romantic.http.health import LIFECYCLE
from romantic.realtime import routes
from romantic.redis import REDIS
from romantic.settings import SETTINGS
from tests.conftest import new_number, prove
from tests.realtime.conftest import elsewhere, from_a_fresh_address, refused
from tests.waiting import until

MILLISECONDS = "%Y-%m-%dT%H:%M:%S.%fZ"


async def test_header_signs_in_and_ready_says_where_one_stands(client, make_person, connect):
    person = await make_person()

    phone = await connect(person)

    ready = phone.ready
    assert ready["userId"] == person.id
    assert ready["sessionId"].startswith("s_")
    assert isinstance(ready["epoch"], str)
    assert isinstance(ready["seq"], int)
    assert (ready["heartbeatMs"], ready["inCallPingMs"]) == (20000, 200)
    assert ready["limits"] == {"maxFrame": 65536, "framesPerSec": 30}
    assert ready["activeCall"] is None
    assert [len(ready[name]) for name in ("serverTime", "tokenExpiresAt")] == [24, 24]
    assert datetime.strptime(ready["serverTime"], MILLISECONDS)


async def test_ready_is_the_first_frame_and_carries_no_number(make_person, dial):
    person = await make_person()

    frame = await (await dial(headers=person.auth)).receive_json()

    assert (frame["event"], "seq" in frame, len(frame["ts"])) == ("ready", False, 24)


async def test_alias_serves_the_same(make_person, connect):
    phone = await connect(await make_person(), path="/api/ws")

    assert phone.ready["activeCall"] is None


async def test_subprotocol_signs_in_and_is_answered_without_the_token(make_person, dial):
    person = await make_person()

    ws = await dial(protocols=("romantic.v1", f"bearer.{person.access_token}"))

    assert ws._response.headers["Sec-WebSocket-Protocol"] == "romantic.v1"
    assert (await ws.receive_json())["data"]["userId"] == person.id


async def test_ticket_signs_in_once(make_person, dial):
    person = await make_person()
    ticket = (await (await person.post("/api/realtime/ticket")).json())["data"]

    first = await (await dial(f"/ws?ticket={ticket['ticket']}")).receive_json()
    second = await refused(await dial(f"/ws?ticket={ticket['ticket']}"))

    assert (first["data"]["userId"], ticket["expiresIn"]) == (person.id, 30)
    assert second == ("UNAUTHORIZED", 4401)


async def test_ticket_runs_out(client, make_person, dial, monkeypatch):
    monkeypatch.setattr(routes, "TICKET_SECONDS", 1)
    person = await make_person()
    ticket = (await (await person.post("/api/realtime/ticket")).json())["data"]["ticket"]
    key = routes._ticket_key(ticket)

    async def is_gone():
        return not await client.app[REDIS]._client.exists(key)

    await until(is_gone)

    assert await refused(await dial(f"/ws?ticket={ticket}")) == ("UNAUTHORIZED", 4401)


async def test_ticket_dies_with_its_session(make_person, dial):
    person = await make_person()
    ticket = (await (await person.post("/api/realtime/ticket")).json())["data"]["ticket"]
    await person.post("/api/auth/logout")

    assert await refused(await dial(f"/ws?ticket={ticket}")) == ("UNAUTHORIZED", 4401)


async def test_ticket_is_for_the_registered_only(client, outside):
    proof = await prove(client, outside, new_number())

    headers = {"Authorization": f"Bearer {proof['accessToken']}"}
    answer = await client.post("/api/realtime/ticket", headers=headers)

    assert answer.status == 404


async def test_first_frame_signs_in_and_is_acknowledged(make_person, dial):
    person = await make_person()
    ws = await dial()

    await ws.ping()
    await ws.send_json({"event": "auth", "data": {"token": person.access_token}, "id": "a1"})

    ack, ready = await ws.receive_json(), await ws.receive_json()
    assert ack == {"event": "ack", "id": "a1", "data": {"expiresAt": ready["data"]["tokenExpiresAt"]}}
    assert ready["data"]["userId"] == person.id


async def test_whoever_says_nothing_is_hung_up_on(make_client, dial):
    impatient = await make_client(ws_auth_seconds=0.1)

    assert await refused(await dial(at=impatient)) == (None, 4408)


async def test_heartbeats_do_not_buy_time_to_sign_in(make_client, dial):
    impatient = await make_client(ws_auth_seconds=1.0, ws_ping_seconds=0.3)

    assert await refused(await dial(at=impatient)) == (None, 4408)


@pytest.mark.parametrize(
    ("frame", "verdict"),
    [
        ('{"event":"ping","id":7}', ("UNAUTHORIZED", 4401)),
        ('{"event":"auth","data":{"token":"nonsense"}}', ("UNAUTHORIZED", 4401)),
        ('{"event":"auth","data":{}}', ("VALIDATION_ERROR", 4400)),
        ("hello", ("BAD_FRAME", 4400)),
        (b"binary", (None, 1003)),
    ],
)
async def test_first_frame_that_is_no_sign_in_ends_the_socket(client, dial, frame, verdict):
    ws = await dial()

    await (ws.send_str(frame) if isinstance(frame, str) else ws.send_bytes(frame))

    assert await refused(ws) == verdict


async def test_refusal_of_the_first_frame_answers_its_id(client, dial):
    ws = await dial()

    await ws.send_json({"event": "auth", "data": {"token": "nonsense"}, "id": 5})

    frame = await ws.receive_json()
    assert (frame["event"], frame["id"], frame["data"]["retryable"]) == ("error", 5, False)


@pytest.mark.parametrize(
    "way",
    [
        {"headers": {"Authorization": "Bearer nonsense"}},
        {"protocols": ("romantic.v1", "bearer.nonsense")},
        {"path": "/ws?ticket=nonsense"},
    ],
    ids=["header", "subprotocol", "ticket"],
)
async def test_bad_token_is_told_after_the_upgrade(client, dial, way):
    assert await refused(await dial(**way)) == ("UNAUTHORIZED", 4401)


async def test_unregistered_are_refused(client, outside, dial):
    proof = await prove(client, outside, new_number())

    ws = await dial(headers={"Authorization": f"Bearer {proof['accessToken']}"})

    assert await refused(ws) == ("UNAUTHORIZED", 4401)


async def test_token_of_the_admin_desk_is_refused(client, make_person, dial):
    person = await make_person()
    kid, key = next(iter(client.app[SETTINGS].jwt_keys.items()))
    claims = jwt.decode(person.access_token, options={"verify_signature": False}) | {"aud": "admin"}
    token = jwt.encode(claims, key, algorithm="HS256", headers={"kid": kid, "typ": "at+jwt"})

    assert await refused(await dial(headers={"Authorization": f"Bearer {token}"})) == ("UNAUTHORIZED", 4401)


async def test_expired_token_is_refused(client, make_person, dial):
    person = await make_person()
    kid, key = next(iter(client.app[SETTINGS].jwt_keys.items()))
    claims = jwt.decode(person.access_token, options={"verify_signature": False})
    claims |= {"exp": int(time.time()) - 60}
    token = jwt.encode(claims, key, algorithm="HS256", headers={"kid": kid, "typ": "at+jwt"})

    assert await refused(await dial(headers={"Authorization": f"Bearer {token}"})) == ("UNAUTHORIZED", 4401)


async def test_token_in_the_address_is_refused_at_once(client, make_person, dial):
    person = await make_person()

    assert await refused(await dial(f"/ws?token={person.access_token}")) == ("UNAUTHORIZED", 4401)


async def test_token_in_the_address_is_a_development_switch(make_client, make_person, dial):
    lenient = await make_client(ws_allow_query_token="on")
    person = await make_person()

    frame = await (await dial(f"/ws?token={person.access_token}", at=lenient)).receive_json()

    assert frame["data"]["userId"] == person.id


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "https://app.example.evil.example",
        "http://[",
        "https://app.example:444",
    ],
)
async def test_foreign_page_gets_no_socket(make_client, make_person, dial, origin):
    home = await make_client(cors_origins="https://app.example")
    person = await make_person()

    with pytest.raises(WSServerHandshakeError) as refusal:
        await dial(at=home, headers=person.auth | {"Origin": origin})

    assert refusal.value.status == 403


async def test_own_and_configured_pages_and_native_apps_get_one(make_client, make_person, dial):
    home = await make_client(cors_origins="https://app.example")
    person = await make_person()
    origins = [{}, {"Origin": "https://app.example"}, {"Origin": str(home.make_url("/")).rstrip("/")}]

    frames = [await (await dial(at=home, headers=person.auth | origin)).receive_json() for origin in origins]

    assert [frame["event"] for frame in frames] == ["ready"] * 3


async def test_draining_server_takes_no_sockets(client, make_person, dial):
    person = await make_person()
    client.app[LIFECYCLE].draining = True

    with pytest.raises(WSServerHandshakeError) as refusal:
        await dial(headers=person.auth)

    assert (refusal.value.status, refusal.value.headers["Retry-After"]) == (503, "5")


async def test_full_server_sends_new_sockets_elsewhere(make_client, make_person, connect, dial):
    small = await make_client(ws_max_per_process=1)
    person = elsewhere(await make_person(), small)
    await connect(person)

    with pytest.raises(WSServerHandshakeError) as refusal:
        await dial(at=small, headers=person.auth)

    assert (refusal.value.status, refusal.value.headers["Retry-After"]) == (503, "5")


async def test_twenty_first_connection_of_a_minute_has_to_wait(make_client, dial):
    strict = await make_client(rate_limits="on", trusted_proxies="127.0.0.0/8")
    address = from_a_fresh_address()
    for _ in range(20):
        ws = await dial(at=strict, headers=address)
        await ws.close()

    with pytest.raises(WSServerHandshakeError) as refusal:
        await dial(at=strict, headers=address)

    assert (refusal.value.status, "Retry-After" in refusal.value.headers) == (429, True)


@pytest.mark.parametrize(
    "headers", [{}, {"Upgrade": "websocket"}, {"Upgrade": "h2c", "Connection": "Upgrade"}]
)
async def test_what_is_no_websocket_gets_the_envelope(client, headers):
    response = await client.get("/ws", headers=headers)

    answer = await response.json()
    assert (response.status, answer["success"], answer["error"]["code"]) == (400, False, "BAD_REQUEST")
