"""POST /api/auth/refresh"""

import asyncio
from uuid import uuid4

import pytest

from tests.waiting import until

URL = "/api/auth/refresh"
KEYS = "new:a-brand-new-secret-of-more-than-thirty-two-characters"
OLD = "test:test-only-secret-of-more-than-thirty-two-characters"


async def refresh(client, token):
    response = await client.post(URL, json={"refreshToken": token})
    answer = await response.json()
    return response.status, answer.get("data") or answer["error"]["code"]


async def profile(client, token):
    return (await client.get("/api/auth/profile", headers={"Authorization": f"Bearer {token}"})).status


async def test_parallel_refreshes_get_the_identical_pair(client, make_person):
    person = await make_person()

    answers = await asyncio.gather(*(refresh(client, person.refresh_token) for _ in range(10)))

    assert {status for status, _ in answers} == {200}
    assert len({(data["accessToken"], data["refreshToken"]) for _, data in answers}) == 1


async def test_refreshed_pair_works_and_goes_on(client, make_person):
    person = await make_person()

    _, first = await refresh(client, person.refresh_token)
    status, second = await refresh(client, first["refreshToken"])

    assert status == 200
    assert second["refreshToken"] != first["refreshToken"]
    assert await profile(client, second["accessToken"]) == 200


async def test_reuse_after_the_grace_kills_the_session(make_client, make_person, sql):
    client = await make_client(refresh_grace=0.2)
    person = await make_person(at=client)
    _, pair = await refresh(client, person.refresh_token)
    sql("UPDATE user_sessions SET rotated_at = rotated_at - interval '1 second'")

    reused = await refresh(client, person.refresh_token)

    assert reused == (401, "REFRESH_TOKEN_REUSED")
    assert await refresh(client, pair["refreshToken"]) == (401, "UNAUTHORIZED")
    assert await profile(client, pair["accessToken"]) == 401


async def test_token_two_rotations_old_is_theft_even_within_the_grace(client, make_person):
    person = await make_person()
    _, pair = await refresh(client, person.refresh_token)
    await refresh(client, pair["refreshToken"])

    assert await refresh(client, person.refresh_token) == (401, "REFRESH_TOKEN_REUSED")


async def test_reuse_closes_the_socket(make_client, make_person, connect, sql):
    client = await make_client(refresh_grace=0.2)
    person = await make_person(at=client)
    phone = await connect(person)
    await refresh(client, person.refresh_token)
    sql("UPDATE user_sessions SET rotated_at = rotated_at - interval '1 second'")

    await refresh(client, person.refresh_token)

    assert await phone.closed() == 4410


async def test_no_refresh_after_logout(client, make_person):
    person = await make_person()
    await person.post("/api/auth/logout")

    assert await refresh(client, person.refresh_token) == (401, "UNAUTHORIZED")


async def test_no_refresh_after_the_session_expired(client, make_person, sql):
    person = await make_person()
    sql("UPDATE user_sessions SET expires_at = now()")

    assert await refresh(client, person.refresh_token) == (401, "UNAUTHORIZED")


async def test_session_lives_ninety_days_at_most(client, make_person, sql):
    person = await make_person()
    sql("UPDATE user_sessions SET created_at = now() - interval '80 days'")

    await refresh(client, person.refresh_token)

    assert sql("SELECT expires_at < now() + interval '11 days' FROM user_sessions") == [(True,)]


async def test_access_token_is_no_refresh_token(client, make_person):
    person = await make_person()

    status, _ = await refresh(client, person.access_token)

    assert status in (400, 401)


async def test_refresh_token_is_no_access_token(client, make_person):
    person = await make_person()

    assert await profile(client, person.refresh_token) == 401


@pytest.mark.parametrize("counter", ["-1", "1", "9" * 30, "x", "", "1_0", "٣"])
async def test_counter_somebody_made_up_is_refused(client, make_person, counter):
    person = await make_person()
    kid, session, _, mac = person.refresh_token.split(".")

    assert await refresh(client, f"{kid}.{session}.{counter}.{mac}") == (401, "UNAUTHORIZED")


@pytest.mark.parametrize("token", ["", "a", "a.b.c", "....", "test..0.", "x" * 200])
async def test_garbage_is_refused(client, token):
    assert await refresh(client, token) == (401, "UNAUTHORIZED")


async def test_token_of_another_session_is_refused(client, make_person):
    person = await make_person()
    kid, _, counter, mac = person.refresh_token.split(".")

    assert await refresh(client, f"{kid}.{uuid4().hex}.{counter}.{mac}") == (401, "UNAUTHORIZED")


async def test_tokens_of_the_old_key_stay_good_while_it_is_listed(make_client, make_person):
    before = await make_client(jwt_secret=OLD)
    person = await make_person(at=before)
    after = await make_client(jwt_secret=f"{KEYS},{OLD}")

    status, pair = await refresh(after, person.refresh_token)

    assert (await profile(after, person.access_token), status) == (200, 200)
    assert pair["refreshToken"].startswith("new.")
    assert await profile(before, pair["accessToken"]) == 401  # it does not know the new key


async def test_tokens_of_a_key_no_longer_listed_are_dead(make_client, make_person):
    before = await make_client(jwt_secret=OLD)
    person = await make_person(at=before)
    after = await make_client(jwt_secret=KEYS)

    assert await profile(after, person.access_token) == 401
    assert await refresh(after, person.refresh_token) == (401, "UNAUTHORIZED")


async def test_theft_seen_on_one_node_ends_the_session_on_another(make_client, make_person, sql):
    here, there = await make_client(refresh_grace=0.2), await make_client(refresh_grace=0.2)
    person = await make_person(at=here)
    assert await profile(there, person.access_token) == 200
    await refresh(here, person.refresh_token)
    sql("UPDATE user_sessions SET rotated_at = rotated_at - interval '1 second'")

    await refresh(here, person.refresh_token)

    async def is_refused():
        return await profile(there, person.access_token) == 401

    await until(is_refused)
