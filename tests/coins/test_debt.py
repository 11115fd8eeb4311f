"""What people in debt are told: what they have, not what passed through."""

from uuid import uuid4

import pytest

from tests.admin.conftest import make_staff  # noqa: F401 - a fixture


@pytest.fixture
def owing(make_person, sql):
    """Somebody who owes coins of a refund, and has none."""

    async def make(debt, **kwargs):
        person = await make_person(coins=0, **kwargs)
        sql("UPDATE users SET coin_debt = %s WHERE id = %s", debt, person.id)
        return person

    return make


async def call_between(caller, receiver):
    body = {"receiverId": receiver.id, "callType": "video"}
    response = await caller.post("/api/calls/initiate", body)
    return (await response.json())["data"]["callId"]


async def test_refund_of_a_call_tells_what_is_left_of_it(make_person, connect, sql):
    person, other = await make_person(coins=50), await make_person()
    phone = await connect(person)
    call = await call_between(person, other)
    await phone.expect("balance")
    sql("UPDATE users SET coin_debt = 30 WHERE id = %s", person.id)

    await other.post(f"/api/calls/{call}/reject")

    rejected, news = await phone.expect("call-rejected"), await phone.expect("balance")
    assert (rejected["refunded"], rejected["newBalance"]) == (50, 20)
    assert (news["balance"], news["delta"], news["type"]) == (20, 20, "refund")
    assert await person.balance() == 20


async def test_earnings_that_all_go_into_a_debt_leave_nothing(make_client, make_person, owing, connect, sql):
    client = await make_client(call_meter="wallclock")
    caller, person = await make_person(coins=50, at=client), await owing(40, at=client, super_lover=True)
    phone = await connect(person)
    call = await call_between(caller, person)
    await person.post(f"/api/calls/{call}/accept")

    await caller.post(f"/api/calls/{call}/end")

    news = await phone.expect("balance")
    assert (news["balance"], news["delta"], news["type"]) == (0, 0, "earn")
    assert sql("SELECT coins_balance, coin_debt FROM users WHERE id = %s", person.id) == [(0, 15)]


async def test_ad_tells_what_reached_the_balance(make_client, owing, connect):
    client = await make_client(ads_trust_mode="client")
    person = await owing(3, at=client)
    phone = await connect(person)

    answer = await (await person.post("/api/coins/earn-ad", {"adType": "rewarded"})).json()

    news = await phone.expect("balance")
    assert answer["data"]["newBalance"] == 2
    assert (news["balance"], news["delta"], news["type"]) == (2, 2, "earn")


async def test_adjustment_tells_what_is_left_and_its_replay_tells_nothing(make_staff, owing, connect):  # noqa: F811
    desk, person = await make_staff("admin"), await owing(20)
    phone = await connect(person)
    body = {
        "userId": person.id,
        "amount": 30,
        "reason": "goodwill",
        "note": "Sorry",
        "referenceId": str(uuid4()),
    }

    answers = [await desk.send("POST", "/api/admin/coins/adjust", body) for _ in range(2)]

    news = await phone.expect("balance")
    assert [answer["data"]["newBalance"] for _, answer in answers] == [10, 10]
    assert (news["balance"], news["delta"]) == (10, 10)
    await phone.hears_nothing_of("balance")


async def test_ledger_shows_the_credit_and_what_it_paid(owing, sql):
    person = await owing(20)
    sql("SELECT add_entry(%s, 'earn', 30, 'k', 'Gift', NULL, NULL)", person.id)

    rows = (await person.data("/api/coins/transactions"))["transactions"][:2]

    assert [(row["type"], row["amount"], row["balanceAfter"], row["referenceType"]) for row in rows] == [
        ("spend", 20, 10, "debt"),
        ("earn", 30, 30, None),
    ]
