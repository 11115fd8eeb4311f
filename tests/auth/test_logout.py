"""POST /api/auth/logout, POST /api/auth/logout-all, GET and DELETE /api/auth/sessions"""

import asyncio
from uuid import uuid4

import redis as valkey_client

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


async def test_revocation_is_not_missed_while_the_subscription_is_cut(make_client, make_person, valkey):
    here, there = await make_client(), await make_client()
    person = await make_person(at=here)
    assert not await refused(person, there)

    with valkey_client.Redis.from_url(valkey) as admin:
        admin.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    await person.post("/api/auth/logout")

    await until(lambda: refused(person, there), within=1.0)


async def test_request_that_overlaps_the_logout_does_not_keep_the_session_alive(make_client, make_person):
    """A session read just before its end must not be remembered after it."""
    client = await make_client()
    for _ in range(15):
        person = await make_person(at=client)
        await asyncio.gather(
            *(person.get("/api/coins/balance") for _ in range(5)),
            person.post("/api/auth/logout"),
            *(person.get("/api/coins/balance") for _ in range(5)),
        )

        assert await refused(person, client)


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


def tokens_of(person):
    return {"accessToken": person.access_token, "refreshToken": person.refresh_token}
