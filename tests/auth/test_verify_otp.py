"""POST /api/auth/verify-otp"""

import asyncio

from tests.conftest import new_number

URL = "/api/auth/verify-otp"


async def send(client, number):
    response = await client.post("/api/auth/send-otp", json={"phoneNumber": number})
    return (await response.json())["data"]["whatsappMessageId"]


async def verify(client, number, code, **more):
    response = await client.post(URL, json={"phoneNumber": number, "otpCode": code, **more})
    answer = await response.json()
    return response.status, answer.get("error", {}).get("code")


def wrong(code):
    """Another six digits."""
    return f"{(int(code) + 1) % 10**6:06d}"


async def test_fifty_parallel_right_codes_open_exactly_one_session(client, outside, sql):
    number = new_number()
    await send(client, number)
    code = outside.code_for(number)

    answers = await asyncio.gather(*(verify(client, number, code) for _ in range(50)))

    assert answers.count((200, None)) == 1
    assert sql("SELECT count(*) FROM user_sessions WHERE phone_number = %s", number) == [(1,)]


async def test_fifty_parallel_wrong_codes_are_judged_five_times_and_lock_the_right_one_out(
    client, outside, sql
):
    number = new_number()
    await send(client, number)
    code = outside.code_for(number)

    wrongs = await asyncio.gather(*(verify(client, number, wrong(code)) for _ in range(50)))
    right = await verify(client, number, code)

    assert {status for status, _ in wrongs} <= {400, 429}
    assert right == (429, "OTP_LOCKED")
    assert sql("SELECT attempts_count FROM otp_codes") == [(5,)]
    assert sql("SELECT failures FROM otp_failures") == [(5,)]


async def test_new_code_does_not_reset_the_failure_count(client, outside, sql):
    number = new_number()
    for _ in range(2):
        await send(client, number)
        for _ in range(5):
            await verify(client, number, wrong(outside.code_for(number)))

    assert sql("SELECT failures FROM otp_failures WHERE phone_number = %s", number) == [(10,)]


async def test_after_ten_failures_a_code_has_three_tries(client, outside, sql):
    number = new_number()
    sql("INSERT INTO otp_failures (phone_number, failures) VALUES (%s, 10)", number)
    await send(client, number)
    code = outside.code_for(number)
    for _ in range(3):
        await verify(client, number, wrong(code))

    assert await verify(client, number, code) == (429, "OTP_LOCKED")


async def test_after_fifty_failures_even_the_right_code_is_refused(client, outside, sql):
    number = new_number()
    await send(client, number)
    sql("INSERT INTO otp_failures (phone_number, failures) VALUES (%s, 50)", number)

    assert await verify(client, number, outside.code_for(number)) == (429, "OTP_LOCKED")


async def test_right_code_clears_the_failures(client, outside, sql):
    number = new_number()
    await send(client, number)
    code = outside.code_for(number)
    await verify(client, number, wrong(code))

    assert await verify(client, number, code) == (200, None)
    assert sql("SELECT count(*) FROM otp_failures") == [(0,)]


async def test_code_works_once(client, outside):
    number = new_number()
    await send(client, number)
    code = outside.code_for(number)

    first, second = await verify(client, number, code), await verify(client, number, code)

    assert (first[0], second) == (200, (400, "OTP_INVALID"))


async def test_only_the_newest_code_works(client, outside):
    number = new_number()
    await send(client, number)
    old = outside.code_for(number)
    await send(client, number)

    answer = await verify(client, number, old)

    assert old == outside.code_for(number) or answer == (400, "OTP_INVALID")


async def test_expired_code_is_as_invalid_as_a_wrong_one(client, outside, sql):
    number = new_number()
    await send(client, number)
    sql("UPDATE otp_codes SET expires_at = now() - interval '1 second'")

    assert await verify(client, number, outside.code_for(number)) == (400, "OTP_INVALID")


async def test_code_of_one_number_is_not_the_code_of_another(client, outside):
    one, other = new_number(), new_number()
    await send(client, one)
    await send(client, other)

    answer = await verify(client, other, outside.code_for(one))

    assert outside.code_for(one) == outside.code_for(other) or answer == (400, "OTP_INVALID")


async def test_number_that_asked_for_no_code_is_refused_alike(client):
    assert await verify(client, new_number(), "123456") == (400, "OTP_INVALID")


async def test_message_id_must_be_that_of_the_newest_code(client, outside):
    number = new_number()
    message_id = await send(client, number)
    code = outside.code_for(number)

    strange = await verify(client, number, code, whatsappMessageId="wamid.other")
    own = await verify(client, number, code, whatsappMessageId=message_id)

    assert (strange, own) == ((400, "OTP_INVALID"), (200, None))


async def test_digits_of_other_scripts_are_no_code(client):
    assert await verify(client, new_number(), "١٢٣٤٥٦") == (400, "VALIDATION_ERROR")


async def test_eleventh_session_ends_the_oldest(client, make_person, outside):
    person = await make_person()
    for _ in range(10):
        await send(client, person.phone_number)
        assert (await verify(client, person.phone_number, outside.code_for(person.phone_number)))[0] == 200

    response = await person.get("/api/auth/profile")

    assert response.status == 401


async def test_suspended_person_is_told_only_after_proof(client, make_person, outside, sql):
    person = await make_person()
    sql("UPDATE users SET status = 'suspended' WHERE id = %s", person.id)
    await send(client, person.phone_number)
    code = outside.code_for(person.phone_number)

    before = await verify(client, person.phone_number, wrong(code))
    after = await verify(client, person.phone_number, code)

    assert (before, after) == ((400, "OTP_INVALID"), (403, "ACCOUNT_BLOCKED"))
