"""POST /api/auth/login"""

import asyncio

import pytest

from tests.conftest import new_number, prove
from tests.secrecy import DETECTOR

URL = "/api/auth/login"
APP = "Romantic/1.0"


async def login(client, body, token=None):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    response = await client.post(URL, json=body, headers=headers)
    answer = await response.json()
    return response.status, answer


def without_request_id(answer):
    answer["error"].pop("requestId")
    return answer


async def test_bare_number_is_refused_alike_for_known_and_unknown(client, make_person):
    known = await make_person()

    answers = [await login(client, {"phoneNumber": number}) for number in (known.phone_number, new_number())]

    assert [status for status, _ in answers] == [401, 401]
    assert without_request_id(answers[0][1]) == without_request_id(answers[1][1])
    assert answers[0][1]["error"]["code"] == "OTP_REQUIRED"


async def test_token_of_that_number_logs_in(client, make_person):
    person = await make_person()

    status, answer = await login(client, {"phoneNumber": person.phone_number}, person.access_token)

    assert (status, answer["data"]["user"]["id"]) == (200, person.id)


async def test_token_of_another_person_does_not(client, make_person):
    person, other = await make_person(), await make_person()

    status, answer = await login(client, {"phoneNumber": person.phone_number}, other.access_token)

    assert (status, answer["error"]["code"]) == (401, "OTP_REQUIRED")


async def test_code_in_the_body_logs_in(client, make_person, outside):
    person = await make_person()
    await client.post("/api/auth/send-otp", json={"phoneNumber": person.phone_number})

    body = {"phoneNumber": person.phone_number, "otpCode": outside.code_for(person.phone_number)}
    status, answer = await login(client, body)

    assert (status, answer["data"]["user"]["id"]) == (200, person.id)


async def test_refresh_token_of_that_number_logs_in(client, make_person):
    person = await make_person()

    status, answer = await login(
        client, {"phoneNumber": person.phone_number, "refreshToken": person.refresh_token}
    )

    assert (status, answer["data"]["user"]["id"]) == (200, person.id)


async def test_refresh_token_of_another_person_is_refused_and_not_used_up(client, make_person, sql):
    person, other = await make_person(), await make_person()

    status, answer = await login(
        client, {"phoneNumber": person.phone_number, "refreshToken": other.refresh_token}
    )

    assert (status, answer["error"]["code"]) == (401, "OTP_REQUIRED")
    assert sql("SELECT max(refresh_counter) FROM user_sessions") == [(0,)]


@pytest.mark.parametrize("body", [{"otpCode": None}, {"refreshToken": "x"}, {"refreshToken": "a.b.c.d"}])
async def test_empty_proof_is_no_proof(client, make_person, body):
    person = await make_person()

    status, answer = await login(client, {"phoneNumber": person.phone_number} | body)

    assert status in (400, 401), answer


async def test_proven_number_without_a_person_is_sent_to_register(client, outside):
    number = new_number()
    proof = await prove(client, outside, number)

    status, answer = await login(client, {"phoneNumber": number}, proof["accessToken"])

    assert (status, answer["error"]["code"]) == (404, "REGISTRATION_REQUIRED")


@pytest.mark.parametrize("state", ["suspended", "banned"])
async def test_blocked_person_does_not_log_in_with_a_refresh_token(client, make_person, sql, state):
    person = await make_person()
    sql("UPDATE users SET status = %s WHERE id = %s", state, person.id)

    status, answer = await login(
        client, {"phoneNumber": person.phone_number, "refreshToken": person.refresh_token}
    )

    assert (status, answer["error"]["code"]) == (403, "ACCOUNT_BLOCKED")


@pytest.fixture
async def granting(make_client):
    """A server for apps that send nothing but a number."""
    return await make_client(auth_login_grant_seconds=120)


async def bare(client, number, agent=APP):
    response = await client.post(URL, json={"phoneNumber": number}, headers={"User-Agent": agent})
    answer = await response.json()
    return response.status if response.status == 200 else answer["error"]["code"]


async def verify(client, outside, number):
    """Prove the number from an app with a name of its own."""
    client.session.headers["User-Agent"] = APP
    return await prove(client, outside, number)


async def test_verified_code_alone_opens_no_door_unless_the_operator_says_so(client, make_person, outside):
    person = await make_person()
    await verify(client, outside, person.phone_number)

    assert await bare(client, person.phone_number) == "OTP_REQUIRED"


async def test_grant_lets_the_number_in_once(granting, make_person, outside):
    person = await make_person(at=granting)
    proof = await verify(granting, outside, person.phone_number)

    status, answer = await login(granting, {"phoneNumber": person.phone_number})
    balance = await granting.get(
        "/api/coins/balance", headers={"Authorization": f"Bearer {answer['data']['accessToken']}"}
    )

    assert (status, answer["data"]["user"]["id"], balance.status) == (200, person.id, 200)
    assert answer["data"]["refreshToken"] == proof["refreshToken"]
    assert any('"event":"login_grant.used"' in line and person.id in line for line in DETECTOR.lines)
    assert await bare(granting, person.phone_number) == "OTP_REQUIRED"


async def test_of_two_at_once_the_grant_lets_one_in(granting, make_person, outside):
    person = await make_person(at=granting)
    await verify(granting, outside, person.phone_number)

    answers = await asyncio.gather(*(bare(granting, person.phone_number) for _ in range(6)))

    assert sorted(map(str, answers)) == ["200"] + ["OTP_REQUIRED"] * 5


async def test_grant_is_for_the_app_that_verified_the_code_and_ends_with_the_third_try(
    granting, make_person, outside
):
    person = await make_person(at=granting)
    await verify(granting, outside, person.phone_number)
    strangers = [await bare(granting, person.phone_number, agent="curl/8") for _ in range(2)]
    own = await bare(granting, person.phone_number)
    await verify(granting, outside, person.phone_number)
    others = [await bare(granting, person.phone_number, agent="curl/8") for _ in range(3)]

    assert (strangers, own) == (["OTP_REQUIRED"] * 2, 200)
    assert [*others, await bare(granting, person.phone_number)] == ["OTP_REQUIRED"] * 4


@pytest.mark.parametrize(
    "ending",
    [
        "UPDATE user_sessions SET login_grant_until = now() - interval '1 second' WHERE login_grant_until > now()",
        "UPDATE user_sessions SET ip = '198.51.100.7'",
        "UPDATE user_sessions SET revoked_at = now()",
    ],
    ids=["time", "another address", "sign-out"],
)
async def test_grant_ends(granting, make_person, outside, sql, ending):
    person = await make_person(at=granting)
    await verify(granting, outside, person.phone_number)

    sql(ending)

    assert await bare(granting, person.phone_number) == "OTP_REQUIRED"


async def test_grant_tells_strangers_of_no_number_and_sends_new_people_to_register(
    granting, make_person, outside
):
    person, number = await make_person(at=granting), new_number()
    unproven = [await bare(granting, one) for one in (person.phone_number, new_number())]
    await verify(granting, outside, number)

    assert unproven == ["OTP_REQUIRED", "OTP_REQUIRED"]
    assert await bare(granting, number) == "REGISTRATION_REQUIRED"


async def test_grant_opens_nothing_for_somebody_banned_since(granting, make_person, outside, sql):
    person = await make_person(at=granting)
    await verify(granting, outside, person.phone_number)
    sql("UPDATE users SET status = 'banned' WHERE id = %s", person.id)

    assert await bare(granting, person.phone_number) == "ACCOUNT_BLOCKED"
