"""No number from outside reaches a balance: what moves is a price of the server's list, or nothing."""

import asyncio
from itertools import count
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marshmallow import fields

from romantic.admin.session import admin, moderator
from romantic.app import EVENTS, ROUTES
from tests.coins.shop import Shop
from tests.conftest import new_number, prove
from tests.stripe_server import charge, dispute

#: Every field of a person's requests and events that is not a word, a switch or an id, and where it is varied here.
NUMBERS = {
    "POST /api/auth/register age", "PUT /api/users/profile age", "POST /api/super-lover/rate rating",
    "POST /api/coins/spend amount", "POST /api/calls/{call_id}/end duration", "POST /api/calls/{call_id}/stats sample", "ping t", "call-stats sample",
    "monitor-beat n", "monitor-beat c", "monitor-beat rx", "monitor-beat tx", "monitor-beat q",
}  # fmt: skip
#: What a phone measured before a call: it ends in a forecast, and no line of that room knows a coin.
MEASURED = {
    f"{door} {field}"
    for door in ("POST /api/probe", "probe-offer")
    for field in ("mapped", "wsRttMs", "gatherMs")
}
#: Switches, and texts with a form of their own.
FORMS = {"Sdp", "Description", "Candidate", "Flag"}
WORDS = (fields.Str, fields.UUID, fields.Bool)

NUMBER = st.one_of(
    st.sampled_from((0, -1, 1, 5, 10, 20, 49, 50, 51, 100, 2**31 - 1, 2**31, -(2**31), 2**63, 10**30)),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(("20", "1e3", True, None, [20], {"amount": 20})),
)
FEW = settings(
    max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)
LOTS = 1_000_000


def numbers_of(name: str, schema: Any) -> set[str]:
    if schema is None:
        return set()
    found = set()
    for field_name, field in schema.fields.items():
        key = f"{name} {field.data_key or field_name}"
        if isinstance(field, fields.List):
            field = field.inner
        if isinstance(field, fields.Nested):
            found |= numbers_of(key, field.schema)
        elif not isinstance(field, WORDS) and type(field).__name__ not in FORMS:
            found.add(key)
    return found


def test_every_number_people_may_send_is_varied_here():
    found = set()
    for route in ROUTES:
        if route.guard not in (admin, moderator):
            found |= numbers_of(f"{route.method} {route.path}", route.body)
    for event in EVENTS:
        found |= numbers_of(event.name, event.schema)

    assert found == NUMBERS | MEASURED


async def vary(example: Any, strategy: Any = NUMBER) -> None:
    """Run `example(number)` on this loop for numbers that Hypothesis chooses."""
    loop = asyncio.get_running_loop()

    @FEW
    @given(strategy)
    def search(number: Any) -> None:
        asyncio.run_coroutine_threadsafe(example(number), loop).result(30)

    await asyncio.to_thread(search)


@pytest.fixture
def change(sql):
    """How the balances of people have changed since it was asked last."""
    before: dict[Any, int] = {}

    def ask(*people: Any) -> tuple[int, ...]:
        changes = []
        for person in people:
            [(balance,)] = sql("SELECT coins_balance FROM users WHERE id = %s", person.id)
            changes.append(balance - before.get(person.id, balance))
            before[person.id] = balance
        return tuple(changes)

    return ask


@pytest.mark.parametrize(("action", "price"), [("boost", 20), ("gift", 10), ("call", 0), ("chat", 0)])
async def test_amount_of_a_spend(make_person, change, action, price):
    person = await make_person(coins=LOTS)
    change(person)

    async def spend(amount):
        body = {"amount": amount, "action": action, "referenceId": str(uuid4())}
        status = (await person.post("/api/coins/spend", body)).status
        is_price = price and type(amount) is int and amount == price
        assert (status == 200, change(person)) == (is_price or False, (-price if is_price else 0,))

    await vary(spend)


async def test_duration_of_a_call(make_person, change, sql):
    caller, receiver = await make_person(coins=LOTS), await make_person(super_lover=True)
    change(caller, receiver)

    async def talk(duration):
        body = {"receiverId": receiver.id, "callType": "video"}
        call = (await (await caller.post("/api/calls/initiate", body)).json())["data"]["callId"]
        await receiver.post(f"/api/calls/{call}/accept")
        status = (await caller.post(f"/api/calls/{call}/end", {"duration": duration})).status
        if status != 200:
            await caller.post(f"/api/calls/{call}/end")
        assert change(caller, receiver) == (-50, 25)

    await vary(talk)


async def test_figures_a_phone_reports_during_a_call(make_person, connect, change):
    caller, receiver = await make_person(coins=LOTS), await make_person(super_lover=True)
    phone = await connect(caller)
    body = {"receiverId": receiver.id, "callType": "video"}
    call = (await (await caller.post("/api/calls/initiate", body)).json())["data"]["callId"]
    await receiver.post(f"/api/calls/{call}/accept")
    change(caller, receiver)

    async def report(number):
        sample = dict.fromkeys(("t", "rtt", "loss", "bytesSent", "duration", "coins"), number)
        await phone.ask("call-stats", callId=call, sample=sample)
        await caller.post(f"/api/calls/{call}/stats", {"sample": sample})
        await phone.ask("monitor-beat", callId=call, **dict.fromkeys(("n", "c", "rx", "tx", "q"), number))
        await phone.ask("ping", t=number)
        assert change(caller, receiver) == (0, 0)

    await vary(report, st.one_of(st.integers(-(2**60), 2**60), st.floats(-1e9, 1e9)))


async def test_stars_of_a_rating(make_person, change):
    person, other = await make_person(), await make_person(super_lover=True)
    change(person, other)

    async def rate(rating):
        await person.post("/api/super-lover/rate", {"superLoverId": other.id, "rating": rating})
        assert change(person, other) == (0, 0)

    await vary(rate)


async def test_age_at_registration_and_later(client, outside, sql, make_person, change):
    person = await make_person()
    change(person)

    async def register(age):
        number = new_number()
        proof = await prove(client, outside, number)
        headers = {"Authorization": f"Bearer {proof['accessToken']}"}
        body = {"phoneNumber": number, "fullName": "Ann", "age": age, "gender": "female"}
        before = sql("SELECT count(*), sum(coins_balance) FROM users")[0]
        status = (await client.post("/api/auth/register", json=body, headers=headers)).status
        after = sql("SELECT count(*), sum(coins_balance) FROM users")[0]
        is_new = status == 200
        assert (after[0] - before[0], after[1] - before[1]) == (is_new, 50 * is_new)
        await client.put("/api/users/profile", json={"age": age}, headers=person.auth)
        assert change(person) == (0,)

    await vary(register)


AMOUNTS = st.one_of(st.integers(-2_000, 2_000), st.sampled_from((998, 999, 1000, 99_900, 2**63)))


async def test_amounts_in_stripes_news(client, outside, sql, make_person, change):
    """Signed as they are: they take back what they stand for, and credit what was sold or nothing."""
    shop, person = Shop(client, outside.stripe, sql), await make_person()
    change(person)

    async def hear(amount):
        sql("DELETE FROM purchase_reversals; DELETE FROM coin_purchases")
        bought = await shop.open(person)
        intent = shop.stripe.settle(bought["paymentIntent"])
        await shop.tell("payment_intent.succeeded", intent | {"amount": amount, "amount_received": amount})
        (credited,) = change(person)
        assert credited == (100 if amount == 999 else 0)
        await shop.tell("payment_intent.succeeded", intent)
        change(person)
        await shop.tell("charge.refunded", charge(intent, refunded=amount))
        await shop.tell("charge.dispute.created", dispute(intent) | {"amount": amount})
        (taken,) = change(person)
        assert -100 <= taken <= 0

    await vary(hear, AMOUNTS)


async def test_reward_in_googles_callback(make_client, outside, make_person, change):
    client = await make_client(ad_min_gap=0, ad_daily_cap=1000, ads_trust_mode="ssv")
    person, numbers = await make_person(at=client), count()
    change(person)

    async def watch(amount):
        nonce = (await (await person.post("/api/coins/ad-session")).json())["data"]["nonce"]
        query = outside.admob.query(nonce, transaction_id=f"t{next(numbers)}", reward_amount=str(amount))
        assert (await client.get(f"/api/webhooks/admob?{query}")).status == 200
        assert change(person) == (5,)

    await vary(watch, AMOUNTS)


NAMES = (
    "amount",
    "coins",
    "price",
    "cost",
    "coinsSpent",
    "coinsEarned",
    "duration",
    "balance",
    "newBalance",
    "reward",
)


async def test_numbers_nobody_asked_for_are_refused(make_person, sql):
    """Beside a body that would do: the same request without the number moves coins."""
    person, other = await make_person(coins=LOTS), await make_person()
    shop = Shop(person.client, None, sql)
    doors = {
        "/api/coins/spend": {"amount": 20, "action": "boost", "referenceId": str(uuid4())},
        "/api/coins/purchase": {"packageId": shop.package_id, "paymentMethod": "stripe"},
        "/api/coins/earn-ad": {"adType": "rewarded"},
        "/api/messages/send": {"receiverId": other.id, "messageText": "Hi"},
        "/api/super-lover/become": {"superLoverBio": "Hi"},
        "/api/calls/initiate": {"receiverId": other.id, "callType": "video"},
    }
    before = sql("SELECT count(*) FROM coin_transactions")

    statuses = {
        (path, name): (await person.post(path, {**body, name: 1_000})).status
        for path, body in doors.items()
        for name in NAMES
        if name not in body
    }

    assert set(statuses.values()) == {400}
    assert sql("SELECT count(*) FROM coin_transactions") == before
    assert {path: (await person.post(path, body)).status for path, body in doors.items()} == dict.fromkeys(
        doors, 200
    )
