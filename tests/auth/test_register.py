"""POST /api/auth/register"""

import asyncio

import pytest

from tests.conftest import new_number, prove

URL = "/api/auth/register"


def body_of(number, **changes):
    return {"phoneNumber": number, "fullName": "Ann", "age": 25, "gender": "female"} | changes


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


async def register(client, token, body):
    response = await client.post(URL, json=body, headers=bearer(token))
    answer = await response.json()
    return response.status, answer


async def test_new_person_gets_fifty_coins_as_an_entry(client, outside, sql):
    number = new_number()
    proof = await prove(client, outside, number)

    status, answer = await register(client, proof["accessToken"], body_of(number))

    assert (status, answer["data"]["user"]["coins"]) == (200, 50)
    assert sql("SELECT transaction_type, amount, balance_after FROM coin_transactions") == [("earn", 50, 50)]


async def test_registering_twice_in_parallel_makes_one_user_and_one_welcome(client, outside, sql):
    number = new_number()
    proofs = [await prove(client, outside, number) for _ in range(2)]
    tokens = [proof["accessToken"] for proof in proofs] * 5

    answers = await asyncio.gather(*(register(client, token, body_of(number)) for token in tokens))

    assert sorted(status for status, _ in answers) == [200] + [409] * 9
    assert sql("SELECT count(*), sum(coins_balance) FROM users") == [(1, 50)]
    assert sql("SELECT count(*) FROM coin_transactions") == [(1,)]


async def test_welcome_is_paid_once_per_number_for_ever(client, outside, make_person, sql):
    person = await make_person()
    sql(
        "UPDATE users SET status = 'deleted', deleted_at = now(), phone_number = NULL WHERE id = %s",
        person.id,
    )
    proof = await prove(client, outside, person.phone_number)

    status, answer = await register(client, proof["accessToken"], body_of(person.phone_number))

    assert (status, answer["data"]["user"]["coins"]) == (200, 0)
    assert answer["data"]["user"]["id"] != person.id


async def test_number_in_the_body_must_be_the_proven_one(client, outside):
    proof = await prove(client, outside, new_number())

    status, answer = await register(client, proof["accessToken"], body_of(new_number()))

    assert (status, answer["error"]["code"]) == (403, "PHONE_MISMATCH")


@pytest.mark.parametrize(
    "changes",
    [
        {"age": 17},
        {"age": "25"},
        {"age": 25.5},
        {"age": True},
        {"age": 121},
        {"age": 10**30},
        {"gender": "cat"},
        {"fullName": "   "},
        {"fullName": "x" * 101},
        {"fullName": ["Ann"]},
        {"bio": "x" * 1001},
        {"coins": 1000},
        {"coinsBalance": 1000},
        {"isVerified": True},
        {"isSuperLover": True},
        {"role": "admin"},
    ],
    ids=lambda changes: "-".join(changes),
)
async def test_value_out_of_bounds_or_not_ours_to_take_is_refused(client, outside, sql, changes):
    number = new_number()
    proof = await prove(client, outside, number)

    status, answer = await register(client, proof["accessToken"], body_of(number, **changes))

    assert (status, answer["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert [fault["path"] for fault in answer["error"]["fields"]] == list(changes)
    assert sql("SELECT count(*) FROM users") == [(0,)]


async def test_registering_needs_a_proven_number(client):
    response = await client.post(URL, json=body_of(new_number()))

    assert response.status == 401


async def test_refresh_token_of_the_proof_stays_good_after_registering(client, make_person, outside):
    number = new_number()
    proof = await prove(client, outside, number)
    await register(client, proof["accessToken"], body_of(number))

    response = await client.post("/api/auth/refresh", json={"refreshToken": proof["refreshToken"]})
    answer = await response.json()
    profile = await client.get("/api/auth/profile", headers=bearer(answer["data"]["accessToken"]))

    assert (response.status, profile.status) == (200, 200)


async def test_registration_token_opens_nothing_else(client, outside):
    proof = await prove(client, outside, new_number())
    headers = bearer(proof["accessToken"])

    paths = ("/api/auth/profile", "/api/coins/balance", "/api/auth/sessions")
    answers = [await client.get(path, headers=headers) for path in paths]

    assert [response.status for response in answers] == [404] * 3
    assert {(await response.json())["error"]["code"] for response in answers} == {"REGISTRATION_REQUIRED"}
