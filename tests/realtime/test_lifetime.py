"""How a socket's life ends: with its token, its session, its client, or its server."""

import asyncio
import time
from datetime import datetime
from time import monotonic
from uuid import UUID

import pytest

from romantic.db import transaction
from romantic.realtime import HUB
from romantic.signals import announce_gone
from tests.calls.stage import Call, initiate, until
from tests.conftest import new_number, prove
from tests.realtime.conftest import another_device, socket_of


@pytest.fixture
def quick_expiry(monkeypatch):
    """Half a minute of grace is a fifth of a second here."""
    monkeypatch.setattr("romantic.realtime.socket.EXPIRY_GRACE_SECONDS", 0.2)


@pytest.fixture
async def brief(make_client):
    """A server whose tokens live for a second or two."""
    return await make_client(jwt_access_ttl=2.0)


def instant(text):
    return datetime.fromisoformat(text).timestamp()


async def passed(at):
    await until(lambda: time.time() > at)


async def refreshed(client, person):
    answer = await client.post("/api/auth/refresh", json={"refreshToken": person.refresh_token})
    return (await answer.json())["data"]["accessToken"]


async def test_client_is_told_a_minute_before_its_token_runs_out(make_client, make_person, connect):
    host = await make_client(jwt_access_ttl=61.5)
    phone = await connect(await make_person(at=host))

    expires_at = (await phone.expect("token-expiring"))["expiresAt"]

    assert expires_at == phone.ready["tokenExpiresAt"]
    assert instant(expires_at) - time.time() <= 60


async def test_token_that_was_not_renewed_ends_the_socket(brief, make_person, connect, quick_expiry):
    phone = await connect(await make_person(at=brief))
    expires_at = instant(phone.ready["tokenExpiresAt"])

    code = await phone.closed()

    assert (code, time.time() >= expires_at + 0.2) == (4401, True)


async def test_renewed_token_keeps_the_socket(client, brief, make_person, connect, quick_expiry):
    phone = await connect(await make_person(at=brief))
    expires_at = phone.ready["tokenExpiresAt"]

    renewed = await phone.ask("auth", token=await refreshed(client, phone.person))
    await passed(instant(expires_at) + 0.5)

    assert instant(renewed["expiresAt"]) > instant(expires_at) + 60
    assert await phone.ask("app-state", state="background") == {}


async def test_renewal_takes_tokens_of_that_person_only(client, make_person, connect, outside):
    phone, other = await connect(await make_person()), await make_person()
    unregistered = await prove(client, outside, new_number())

    answers = [
        await phone.ask("auth", token=token)
        for token in (other.access_token, unregistered["accessToken"], "nonsense")
    ]

    assert [answer["error"]["code"] for answer in answers] == ["UNAUTHORIZED"] * 3
    assert await phone.ask("app-state", state="background") == {}


async def test_answered_call_outlives_the_token_and_nothing_else_is_served(
    brief, make_person, connect, quick_expiry, sql
):
    ann, bea = await make_person(at=brief, coins=100), await make_person(at=brief)
    phone = await connect(ann)
    ringing = await initiate(ann, bea)
    call = Call(ann, bea, ringing.data["callId"], sql)
    await call.accept()

    await passed(instant(phone.ready["tokenExpiresAt"]) + 0.5)
    joined = await phone.ask("join-room", roomId=call.room_id)
    refused = await phone.ask("app-state", state="background")
    ended = await phone.ask("call-end", roomId=call.room_id)

    assert (joined["callId"], refused["error"]["code"]) == (call.id, "UNAUTHORIZED")
    assert ended["status"] == "ended"
    assert await phone.closed() == 4401


async def test_logout_is_told_and_ends_the_sockets_of_that_session(client, make_person, connect, outside):
    person = await make_person()
    tablet = await connect(await another_device(client, outside, person))
    phone = await connect(person)

    await person.post("/api/auth/logout")

    assert await phone.expect("session-revoked") == {"reason": "revoked"}
    assert await phone.closed() == 4410
    assert await tablet.ask("app-state", state="background") == {}


async def test_logout_at_one_server_ends_sockets_at_another(make_client, make_person, connect):
    here, there = await make_client(), await make_client()
    person = await make_person(at=here)
    phone = await connect(person)

    await there.post("/api/auth/logout", headers=person.auth)

    assert await phone.closed() == 4410


async def test_ban_ends_every_socket_of_the_person(client, make_person, connect, outside):
    person = await make_person()
    phones = [await connect(person), await connect(await another_device(client, outside, person))]

    async with transaction(client.app) as conn:
        await announce_gone(conn, UUID(person.id), "banned")

    assert [await phone.expect("session-revoked") for phone in phones] == [{"reason": "banned"}] * 2
    assert [await phone.closed() for phone in phones] == [4403] * 2


async def test_client_that_answers_no_ping_is_dead_and_its_end_is_no_sign_of_life(
    make_client, make_person, connect
):
    host = await make_client(ws_ping_seconds=0.2)
    phone = await connect(await make_person(at=host), autoping=False)
    end = socket_of(phone, host)

    await until(lambda: not host.app[HUB].is_online(UUID(phone.person.id)))

    assert monotonic() - end.last_seen >= 0.25


async def test_client_that_only_answers_pings_lives(make_client, make_person, connect):
    host = await make_client(ws_ping_seconds=0.3)
    phone = await connect(await make_person(at=host))

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.2):
            await phone.ws.receive()

    assert await phone.ask("app-state", state="background") == {}


async def test_pongs_of_a_phone_in_a_call_are_signs_of_life(client, make_person, connect, sql):
    ann, bea = await make_person(coins=100), await make_person()
    phone = await connect(ann)
    ringing = await initiate(ann, bea)
    await Call(ann, bea, ringing.data["callId"], sql).accept()
    await phone.expect("call-accepted")
    end = socket_of(phone, client)
    seen = end.last_seen

    listening = asyncio.create_task(phone.closed(within=10))
    await until(lambda: end.last_seen > seen + 0.3)

    assert end.counts["events_in"] == 0
    listening.cancel()


async def test_drain_sends_everybody_elsewhere(client, make_person, connect):
    phones = [await connect(await make_person()) for _ in range(3)]

    _, *codes = await asyncio.gather(client.app[HUB].drain(0.1), *(phone.closed() for phone in phones))

    assert codes == [4012] * 3
    assert client.app[HUB].count == 0


async def test_presence_follows_the_first_socket_and_the_last(make_person, connect, sql):
    person = await make_person()

    def is_online():
        return sql("SELECT is_online FROM users WHERE id = %s", person.id)[0][0]

    phones = [await connect(person), await connect(person)]
    await until(is_online)
    await phones[0].close()
    await phones[1].ask("ping")
    assert is_online()
    await phones[1].close()

    await until(lambda: not is_online())
