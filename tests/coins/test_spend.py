"""POST /api/coins/spend"""

import asyncio
from uuid import uuid4

import pytest

URL = "/api/coins/spend"


def boost(reference=None, amount=20):
    return {"amount": amount, "action": "boost", "referenceId": str(reference or uuid4())}


async def test_boost_costs_the_price_of_the_list(make_person):
    person = await make_person()

    response = await person.post(URL, boost())

    assert (await response.json())["data"] == {"coinsSpent": 20, "newBalance": 30}


async def test_reference_is_charged_once(make_person):
    person = await make_person()
    reference = uuid4()

    answers = await asyncio.gather(*(person.post(URL, boost(reference)) for _ in range(10)))

    assert {response.status for response in answers} == {200}
    assert await person.balance() == 30


async def test_same_reference_of_two_people_is_two_charges(make_person):
    people = [await make_person() for _ in range(2)]
    reference = uuid4()

    for person in people:
        assert (await person.post(URL, boost(reference))).status == 200

    assert [await person.balance() for person in people] == [30, 30]


async def test_too_few_coins_is_402_with_the_facts(make_person):
    person = await make_person(coins=5)

    response = await person.post(URL, boost())
    error = (await response.json())["error"]

    assert (response.status, error["code"]) == (402, "INSUFFICIENT_COINS")
    assert error["meta"] == {"balance": 5, "required": 20}


@pytest.mark.parametrize("amount", [1, 19, 21, 1_000_000])
async def test_amount_that_is_not_the_price_is_refused(make_person, amount):
    person = await make_person()

    response = await person.post(URL, boost(amount=amount))

    assert (response.status, (await response.json())["error"]["code"]) == (400, "AMOUNT_MISMATCH")
    assert await person.balance() == 50


@pytest.mark.parametrize("amount", [0, -20, 2**31, 2**63, 10**30, 20.0, 20.5, "20", True, None, [20], 1e999])
async def test_amount_that_is_no_whole_number_is_refused(make_person, amount):
    person = await make_person()

    response = await person.post(URL, boost(amount=amount))

    assert response.status == 400
    assert await person.balance() == 50


@pytest.mark.parametrize("action", ["call", "chat"])
async def test_call_and_chat_are_charged_where_they_begin(make_person, action):
    person = await make_person()

    response = await person.post(URL, {"amount": 50, "action": action, "referenceId": str(uuid4())})

    assert (response.status, (await response.json())["error"]["code"]) == (404, "REFERENCE_NOT_FOUND")
    assert await person.balance() == 50


async def test_charge_of_somebody_else_looks_like_none(make_person, sql):
    person, other = await make_person(), await make_person()
    reference = str(uuid4())
    sql("SELECT add_entry(%s, 'spend', 50, 'k', '', 'call', %s)", other.id, reference)
    body = {"amount": 50, "action": "call", "referenceId": reference}

    own, theirs = await other.post(URL, body), await person.post(URL, body)

    assert (own.status, theirs.status) == (200, 404)
    assert (await own.json())["data"] == {"coinsSpent": 50, "newBalance": 0}
    assert await other.balance() == 0


async def test_last_coins_are_spent_once(make_person):
    person = await make_person(coins=20)

    answers = await asyncio.gather(*(person.post(URL, boost()) for _ in range(50)))

    assert sorted(response.status for response in answers) == [200] + [402] * 49
    assert await person.balance() == 0


async def test_balance_told_with_an_earlier_charge_is_the_balance_of_now(make_person, sql):
    person, reference = await make_person(), uuid4()
    await person.post(URL, boost(reference))
    sql("SELECT add_entry(%s, 'earn', 100, 'k', '', NULL, NULL)", person.id)

    again = await person.post(URL, boost(reference))

    assert (await again.json())["data"] == {"coinsSpent": 20, "newBalance": 130}


async def test_spending_is_told_to_every_phone_once(make_person, connect):
    person, reference = await make_person(), uuid4()
    phone = await connect(person)

    await asyncio.gather(*(person.post(URL, boost(reference)) for _ in range(5)))

    news = await phone.expect("balance")
    assert (news["balance"], news["delta"], news["referenceType"]) == (30, -20, "boost")
    await phone.hears_nothing_of("balance")
