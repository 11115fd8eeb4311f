"""POST /api/auth/send-otp"""

import asyncio

import pytest

from tests.conftest import new_number, prove

URL = "/api/auth/send-otp"
STRICT = {"otp_resend_seconds": 60, "otp_per_hour": 5, "otp_per_day": 10, "otp_per_hour_per_ip": 60}


async def send(client, number, **headers):
    response = await client.post(URL, json={"phoneNumber": number}, headers=headers)
    return response, await response.json()


def age_codes(sql, interval):
    sql("UPDATE otp_codes SET created_at = created_at - %s::interval", interval)


async def test_code_reaches_the_phone_in_body_and_button_and_never_the_answer(client, outside):
    number = new_number()

    response, answer = await send(client, number)

    body, button = outside.messages[0]["template"]["components"]
    assert body["parameters"] == button["parameters"]
    assert outside.code_for(number) not in await response.text()
    assert set(answer["data"]) == {
        "phoneNumber", "deliveryMethod", "whatsappMessageId", "expiresAt", "estimatedDeliveryTime",
    }  # fmt: skip


async def test_database_holds_no_code_in_clear(client, outside, sql):
    number = new_number()
    await send(client, number)

    ((row,),) = sql("SELECT row_to_json(otp_codes)::text FROM otp_codes")

    assert outside.code_for(number) not in row.replace(number, "")


async def test_known_and_unknown_numbers_get_the_same_answer(client, make_person):
    known = await make_person()
    unknown = new_number()

    answers = [(await send(client, number))[1] for number in (known.phone_number, unknown)]

    shapes = [(answer["success"], answer["message"], sorted(answer["data"])) for answer in answers]
    assert shapes[0] == shapes[1]


async def test_second_code_within_a_minute_is_refused_and_other_numbers_are_not(make_client):
    client = await make_client(**STRICT)
    number = new_number()
    await send(client, number)

    again, answer = await send(client, number)
    other, _ = await send(client, new_number())

    assert (again.status, answer["error"]["code"]) == (429, "RATE_LIMITED")
    assert 55 <= int(again.headers["Retry-After"]) <= 60
    assert other.status == 200


async def test_sixth_code_in_an_hour_is_refused(make_client, sql):
    client = await make_client(**STRICT)
    number = new_number()
    for _ in range(5):
        assert (await send(client, number))[0].status == 200
        age_codes(sql, "2 minutes")

    sixth, _ = await send(client, number)
    age_codes(sql, "1 hour")
    later, _ = await send(client, number)

    assert sixth.status == 429
    assert 2900 <= int(sixth.headers["Retry-After"]) <= 3600
    assert later.status == 200


async def test_eleventh_code_in_a_day_is_refused(make_client, sql):
    client = await make_client(**STRICT)
    number = new_number()
    for _ in range(10):
        assert (await send(client, number))[0].status == 200
        age_codes(sql, "61 minutes")

    eleventh, _ = await send(client, number)

    assert eleventh.status == 429


@pytest.mark.parametrize("budget", ["otp_per_hour_per_ip", "otp_per_hour_per_prefix", "otp_per_hour_in_all"])
async def test_budgets_beyond_the_number_hold_for_numbers_never_seen(make_client, budget):
    client = await make_client(**{budget: 3})
    for _ in range(3):
        assert (await send(client, new_number()))[0].status == 200

    fourth, _ = await send(client, new_number())

    assert fourth.status == 429


async def test_budget_is_exact_under_parallel_requests(make_client, sql):
    client = await make_client(otp_per_hour_in_all=5)

    answers = await asyncio.gather(*(send(client, new_number()) for _ in range(20)))

    assert sorted(response.status for response, _ in answers) == [200] * 5 + [429] * 15


async def test_code_no_provider_takes_is_a_503_and_costs_the_number_nothing(make_client, outside, sql):
    client = await make_client(**STRICT)
    number = new_number()
    outside.mood = "error"

    failed, answer = await send(client, number)
    outside.mood = "ok"
    again, _ = await send(client, number)

    assert (failed.status, answer["error"]["code"]) == (503, "OTP_NOT_SENT")
    assert answer["error"]["retryable"]
    assert again.status == 200
    assert sql("SELECT count(*) FROM otp_codes WHERE ip IS NOT NULL") == [(2,)]


async def test_answer_in_several_packets_is_read_whole(client, outside):
    outside.mood = "drip"

    response, answer = await send(client, new_number())

    assert response.status == 200, answer


async def test_test_number_never_reaches_the_provider(make_client, outside):
    client = await make_client(otp_test_numbers="+15550100=123456@2999-01-01")

    sent, _ = await send(client, "+15550100")
    body = {"phoneNumber": "+15550100", "otpCode": "123456"}
    verified = await client.post("/api/auth/verify-otp", json=body)

    assert (sent.status, verified.status) == (200, 200)
    assert outside.messages == []


async def test_test_number_is_refused_after_its_last_day(make_client, outside):
    client = await make_client(otp_test_numbers="+15550100=123456@2020-01-01")

    response, answer = await send(client, "+15550100")

    assert (response.status, answer["error"]["code"]) == (403, "TEST_NUMBER_ENDED")
    assert outside.messages == []


@pytest.mark.parametrize(
    "number",
    [
        "",
        "5551234567",
        "+1",
        "+0123456789",
        "+1555123456789012",
        "+15551234567x",
        "+١٢٣٤٥٦٧٨٩",
        "+155\n51234567\0",
    ],
)
async def test_what_is_no_number_is_refused(client, number):
    response, answer = await send(client, number)

    assert response.status == 400, answer


async def test_spaces_and_dashes_make_no_other_number(client, outside):
    number = new_number()

    _, answer = await send(client, f"{number[:4]} {number[4:7]}-{number[7:]}")

    assert answer["data"]["phoneNumber"] == number


@pytest.mark.parametrize("method", ["sms", "email"])
async def test_ways_of_delivery_without_a_provider_of_delivery_are_refused(client, method):
    response = await client.post(URL, json={"phoneNumber": new_number(), "deliveryMethod": method})

    assert response.status == 400
    assert (await response.json())["error"]["code"] == "UNSUPPORTED_DELIVERY_METHOD"


async def test_header_that_is_no_text_is_no_fault_of_ours(client, outside):
    number = new_number()
    await send(client, number)
    body = {"phoneNumber": number, "otpCode": outside.code_for(number)}

    # A server reads bytes that are not UTF-8 as surrogates, which PostgreSQL does not take.
    headers = {"X-Device-Id": "phone\udcff", "User-Agent": "app\udcfe"}
    response = await client.post("/api/auth/verify-otp", json=body, headers=headers)

    assert response.status == 200


async def test_prove_gives_tokens(client, outside):
    data = await prove(client, outside, new_number())

    assert data["isNewUser"]
