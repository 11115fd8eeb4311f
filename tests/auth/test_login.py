"""POST /api/auth/login"""

import pytest

from tests.conftest import new_number, prove

URL = "/api/auth/login"


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
