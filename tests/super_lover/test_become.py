"""POST /api/super-lover/become"""

import asyncio
from collections import Counter

import pytest
from structlog.testing import capture_logs

from tests.super_lover.conftest import refusal

BIO = "Professional Super Lover with 5+ years experience"
BODY = {"superLoverBio": BIO}


async def test_the_fee_is_taken_and_the_real_balance_returned(make_person, sql):
    ann = await make_person(coins=1200)

    response = await ann.post("/api/super-lover/become", BODY)

    answer = await response.json()
    assert response.status == 200, answer
    assert answer["message"] == "Congratulations! You are now a Super Lover!"
    assert answer["data"]["user"] == {
        "id": ann.id,
        "isSuperLover": True,
        "superLoverBio": BIO,
        "superLoverStatus": "offline",
        "coinsBalance": 200,
    }
    entries = sql(
        "SELECT transaction_type, amount, balance_after, reference_type, reference_id::text"
        " FROM coin_transactions WHERE idempotency_key = %s",
        f"superlover:{ann.id}",
    )
    assert entries == [("spend", 1000, 200, "super_lover", ann.id)]
    assert await ann.balance() == 200


async def test_twenty_tries_at_once_are_charged_once(make_person, patient, sql):
    ann = await make_person(coins=5000, at=patient)

    responses = await asyncio.gather(*(ann.post("/api/super-lover/become", BODY) for _ in range(20)))

    assert Counter(response.status for response in responses) == {200: 1, 409: 19}
    codes = {(await response.json())["error"]["code"] for response in responses if response.status == 409}
    assert codes == {"ALREADY_SUPER_LOVER"}
    assert await ann.balance() == 4000
    assert sql("SELECT count(*) FROM coin_transactions WHERE reference_type = 'super_lover'") == [(1,)]


async def test_a_second_time_is_refused_without_a_charge(make_person):
    ann = await make_person(coins=5000)
    await ann.post("/api/super-lover/become", BODY)

    again = await ann.post("/api/super-lover/become", BODY)

    assert await refusal(again) == (409, "ALREADY_SUPER_LOVER")
    assert await ann.balance() == 4000


async def test_too_few_coins_change_nothing(make_person):
    ann = await make_person(coins=999)

    response = await ann.post("/api/super-lover/become", BODY)

    error = (await response.json())["error"]
    assert (response.status, error["code"]) == (402, "INSUFFICIENT_COINS")
    assert error["meta"] == {"balance": 999, "required": 1000}
    assert await ann.balance() == 999
    assert (await ann.data("/api/auth/profile"))["isSuperLover"] is False


async def test_only_verified_people_may(make_person, sql):
    ann = await make_person(coins=1000)
    sql("UPDATE users SET is_verified = FALSE WHERE id = %s", ann.id)

    response = await ann.post("/api/super-lover/become", BODY)

    error = (await response.json())["error"]
    assert (response.status, error["code"]) == (403, "REQUIREMENTS_NOT_MET")
    assert error["meta"] == {"isVerified": False, "minimumAge": 18, "userAge": 25}
    assert await ann.balance() == 1000


async def test_the_fee_is_a_setting_and_may_be_nothing(make_client, make_person):
    free = await make_client(super_lover_fee=0)
    ann = await make_person(coins=50, at=free)

    response = await ann.post("/api/super-lover/become", BODY)

    assert (await response.json())["data"]["user"]["coinsBalance"] == 50


async def test_every_phone_is_told_the_new_balance(make_person, connect):
    ann = await make_person(coins=1500)
    phone = await connect(ann)

    await ann.post("/api/super-lover/become", BODY)

    assert await phone.expect("balance") == {
        "balance": 500,
        "delta": -1000,
        "type": "spend",
        "referenceType": "super_lover",
        "referenceId": ann.id,
    }


async def test_the_entry_is_logged_once_it_stands(make_person):
    ann = await make_person(coins=1500)

    with capture_logs() as logs:
        await ann.post("/api/super-lover/become", BODY)
        await ann.post("/api/super-lover/become", BODY)

    (line,) = [line for line in logs if line["event"] == "ledger.entry"]
    assert (line["user_id"], line["amount"], line["balance_after"]) == (ann.id, -1000, 500)
    assert line["idempotency_key"] == f"superlover:{ann.id}"


async def test_a_refused_try_tells_nobody(make_person, connect):
    ann = await make_person(coins=10)
    phone = await connect(ann)

    await ann.post("/api/super-lover/become", BODY)

    await phone.hears_nothing_of("balance")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"superLoverBio": ""},
        {"superLoverBio": "   "},
        {"superLoverBio": None},
        {"superLoverBio": "x" * 1001},
        {"superLoverBio": BIO, "coinsBalance": 9999},
        {"superLoverBio": BIO, "isVerified": True},
        {"superLoverBio": BIO, "superLoverRating": 5},
        {"superLoverBio": BIO, "userId": "0b0e7a62-58a5-4f0c-a1f7-0a1d0a8ad8a1"},
    ],
    ids=str,
)
async def test_anything_but_a_bio_is_refused(make_person, body):
    ann = await make_person(coins=1000)

    response = await ann.post("/api/super-lover/become", body)

    assert await refusal(response) == (400, "VALIDATION_ERROR")
    assert await ann.balance() == 1000
