"""POST /api/auth/logout, POST /api/auth/logout-all, GET and DELETE /api/auth/sessions"""

import asyncio
import time
from functools import partial
from uuid import UUID, uuid4

import jwt
import pytest
import redis as valkey_client

from romantic.auth.sessions import CHANNEL, SESSIONS
from romantic.errors import Unauthorized
from romantic.redis import REDIS
from tests.conftest import prove
from tests.phone import Person
from tests.waiting import until


async def another_session(client, outside, person):
    proof = await prove(client, outside, person.phone_number)
    return Person(client, person.id, person.phone_number, proof)


async def refused(person, at):
    response = await at.get("/api/auth/profile", headers=person.auth)
    return response.status == 401


async def test_next_request_is_refused(client, make_person):
    person = await make_person()

    response = await person.post("/api/auth/logout")

    assert (response.status, (await response.json()).get("data")) == (200, None)
    assert await refused(person, client)


async def test_socket_is_closed_with_4410(make_person, connect):
    person = await make_person()
    phone = await connect(person)

    await person.post("/api/auth/logout")

    assert await phone.closed() == 4410


async def test_other_device_is_unaffected(client, make_person, outside, connect):
    person = await make_person()
    other = await another_session(client, outside, person)
    phone = await connect(other)

    await person.post("/api/auth/logout")

    assert not await refused(other, client)
    await phone.hears_nothing_of("session-revoked")


async def test_another_node_refuses_within_a_second_and_closes_its_socket(make_client, make_person, connect):
    here, there = await make_client(), await make_client()
    person = await make_person(at=here)
    phone = await connect(Person(there, person.id, person.phone_number, tokens_of(person)))

    await person.post("/api/auth/logout")
    await until(lambda: refused(person, there), within=1.0)

    assert await phone.closed() == 4410


async def test_revocation_is_not_missed_while_the_subscription_is_cut(client, make_person, valkey, sql):
    person = await make_person()
    assert not await refused(person, client)

    # Nothing of ours runs between the cut and the message: it is lost for this node.
    sql("UPDATE user_sessions SET revoked_at = now()")
    with valkey_client.Redis.from_url(valkey) as admin:
        admin.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        admin.publish(CHANNEL, f"{session_of(person)} revoked")

    await until(lambda: refused(person, client), within=3.0)


async def test_session_read_just_before_its_end_is_not_remembered(make_client, make_person, sql):
    person, app = await make_person(), (await make_client()).app
    session_id = session_of(person)
    seen = "SELECT pid FROM pg_stat_activity WHERE query LIKE %s AND query LIKE %s AND state = 'idle'"
    asked = ("%user_sessions AS session%", f"%{session_id}%")
    before = set(sql(seen, *asked))
    await until(partial(hears_of_others, app))
    reading = asyncio.create_task(app[SESSIONS].authenticate(app, person.access_token))

    # PostgreSQL has answered, and our loop has not yet looked.
    while not set(sql(seen, *asked)) - before:
        await asyncio.sleep(0)
        time.sleep(0.02)  # noqa: ASYNC251 - the loop must not turn meanwhile
    sql("UPDATE user_sessions SET revoked_at = now()")
    app[SESSIONS]._forget(session_id, "revoked")  # what the message of another node does
    await reading

    with pytest.raises(Unauthorized):
        await app[SESSIONS].authenticate(app, person.access_token)


async def test_logout_all_ends_every_session(client, make_person, outside):
    person = await make_person()
    other = await another_session(client, outside, person)

    response = await person.post("/api/auth/logout-all")

    assert (await response.json())["data"]["sessionsEnded"] == 2
    assert await refused(person, client)
    assert await refused(other, client)


async def test_list_shows_own_sessions_and_marks_the_current_one(client, make_person, outside):
    person, stranger = await make_person(), await make_person()
    await another_session(client, outside, person)

    sessions = (await person.data("/api/auth/sessions"))["sessions"]

    assert [session["isCurrent"] for session in sessions] == [False, True]
    assert stranger.id not in str(sessions)


async def test_one_of_the_own_sessions_can_be_ended(client, make_person, outside):
    person = await make_person()
    other = await another_session(client, outside, person)
    sessions = (await person.data("/api/auth/sessions"))["sessions"]
    session_id = next(session["id"] for session in sessions if not session["isCurrent"])

    response = await client.delete(f"/api/auth/sessions/{session_id}", headers=person.auth)

    assert response.status == 200
    assert await refused(other, client)
    assert not await refused(person, client)


async def test_session_of_somebody_else_looks_like_one_that_is_not_there(client, make_person):
    person, stranger = await make_person(), await make_person()
    theirs = (await stranger.data("/api/auth/sessions"))["sessions"][0]["id"]

    answers = [
        await client.delete(f"/api/auth/sessions/{session_id}", headers=person.auth)
        for session_id in (theirs, uuid4(), "nonsense")
    ]

    assert [response.status for response in answers] == [404] * 3
    assert not await refused(stranger, client)


async def hears_of_others(app):
    return not app[REDIS].is_away


def session_of(person):
    return UUID(jwt.decode(person.access_token, options={"verify_signature": False})["sid"])


def tokens_of(person):
    return {"accessToken": person.access_token, "refreshToken": person.refresh_token}
