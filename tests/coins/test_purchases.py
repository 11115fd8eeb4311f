"""GET /api/coins/packages, POST /api/coins/purchase, GET /api/coins/purchases/{id}, and the reconciler"""

import asyncio
from decimal import Decimal
from uuid import uuid4

import pytest

from romantic.coins.reconciler import reconcile
from romantic.integrations.stripe_payments import minor_units
from tests.coins.shop import PURCHASE

CREATED = "POST /v1/payment_intents"


async def test_packages_on_sale_have_a_price_in_numbers_and_a_currency(shop, make_person):
    person = await make_person()
    shop.add_package("Old", active=False)

    packages = (await person.data("/api/coins/packages"))["packages"]

    assert packages == [
        {
            "id": shop.package_id,
            "name": "100 Coins",
            "coins": 100,
            "price": 9.99,
            "currency": "usd",
            "isActive": True,
        }
    ]


async def test_intent_has_the_price_of_our_list_and_names_purchase_and_person(shop, make_person):
    person = await make_person()

    bought = await shop.open(person)

    intent = shop.stripe.intents[bought["paymentIntent"]]
    assert (intent["amount"], intent["currency"]) == (999, "usd")
    assert intent["metadata"] == {"purchaseId": bought["purchaseId"], "userId": str(person.id)}
    assert bought["clientSecret"] == intent["client_secret"]
    assert await person.balance() == 50


async def test_own_purchase_can_be_watched_until_it_is_paid(shop, make_person):
    person = await make_person()
    bought = await shop.open(person)
    path = f"/api/coins/purchases/{bought['purchaseId']}"

    before = await person.data(path)
    shop.stripe.settle(bought["paymentIntent"])
    await shop.tell("payment_intent.succeeded", shop.stripe.intents[bought["paymentIntent"]])
    after = await person.data(path)

    assert (before["status"], before["paidAt"], before["price"]) == ("pending", None, 9.99)
    assert (after["status"], after["coins"]) == ("paid", 100)


async def test_purchase_of_somebody_else_looks_like_none(shop, make_person):
    person, other = await make_person(), await make_person()
    bought = await shop.open(other)

    response = await person.get(f"/api/coins/purchases/{bought['purchaseId']}")

    assert (response.status, (await response.json())["error"]["code"]) == (404, "PURCHASE_NOT_FOUND")


@pytest.mark.parametrize("method", ["apple", "google"])
async def test_ways_to_pay_that_are_not_built_say_so(shop, make_person, method):
    person = await make_person()

    response = await person.post(PURCHASE, {"packageId": shop.package_id, "paymentMethod": method})

    assert (response.status, (await response.json())["error"]["code"]) == (400, "PAYMENT_METHOD_UNAVAILABLE")


@pytest.mark.parametrize(
    "body", [{"amount": 1}, {"price": 0.01}, {"paymentMethod": "cash"}, {"packageId": "1"}]
)
async def test_client_names_no_price_and_no_other_way_to_pay(shop, make_person, body):
    person = await make_person()
    whole = {"packageId": shop.package_id, "paymentMethod": "stripe"}

    response = await person.post(PURCHASE, whole | body)

    assert (response.status, shop.stripe.intents) == (400, {})


async def test_package_that_is_not_sold_is_not_found(shop, make_person):
    person = await make_person()
    old = shop.add_package("Old", active=False)

    answers = [
        await person.post(PURCHASE, {"packageId": package, "paymentMethod": "stripe"})
        for package in (old, str(uuid4()))
    ]

    codes = [(await answer.json())["error"]["code"] for answer in answers]
    assert [answer.status for answer in answers] == [404, 404]
    assert codes == ["PACKAGE_NOT_FOUND"] * 2


async def test_sixth_open_purchase_is_refused_even_when_all_come_at_once(shop, make_person, sql):
    person = await make_person()
    packages = [shop.add_package(f"P{number}") for number in range(9)]

    answers = await asyncio.gather(
        *(person.post(PURCHASE, {"packageId": p, "paymentMethod": "stripe"}) for p in packages)
    )

    assert sorted(answer.status for answer in answers) == [200] * 5 + [429] * 4
    assert sql("SELECT count(*) FROM coin_purchases") == [(5,)]


async def test_provider_down_is_503_and_the_retry_finds_its_purchase(shop, make_person, sql):
    person = await make_person()
    shop.stripe.mood = "down"
    status, answer = await shop.ask(person)
    shop.stripe.mood = "ok"

    bought = await shop.open(person)

    assert (status, answer["error"]["code"]) == (503, "PAYMENT_PROVIDER_UNAVAILABLE")
    assert answer["error"]["retryable"] is True
    assert [str(row[0]) for row in sql("SELECT id FROM coin_purchases")] == [bought["purchaseId"]]


async def test_lost_answer_and_a_retry_are_one_intent(shop, make_person):
    person = await make_person()
    shop.stripe.mood = "lost"
    status, _ = await shop.ask(person, **{"Idempotency-Key": "k1"})
    shop.stripe.mood = "ok"

    retried, answer = await shop.ask(person, **{"Idempotency-Key": "k1"})

    assert (status, retried) == (503, 200)
    assert list(shop.stripe.intents) == [answer["data"]["paymentIntent"]]
    assert shop.stripe.requests.count(CREATED) == 4  # three tries without an answer, one with


async def test_double_tap_is_one_purchase(shop, make_person):
    person = await make_person()
    shop.stripe.mood = "slow"

    answers = await asyncio.gather(*(shop.ask(person) for _ in range(4)))

    assert {status for status, _ in answers} == {200}
    assert len(shop.stripe.intents) == len({a["data"]["purchaseId"] for _, a in answers}) == 1


async def test_answer_lost_by_us_is_given_again_under_its_key(shop, make_person, sql):
    """The process died after the intent was written down, and the key with it."""
    person = await make_person()
    _, first = await shop.ask(person, **{"Idempotency-Key": "k1"})
    sql("DELETE FROM idempotency_keys")

    _, second = await shop.ask(person, **{"Idempotency-Key": "k1"})

    assert first["data"] == second["data"]


async def test_second_purchase_on_purpose_is_a_second_intent(shop, make_person):
    person = await make_person()

    first, second = await shop.open(person), await shop.open(person)

    assert first["purchaseId"] != second["purchaseId"]
    assert len(shop.stripe.intents) == 2


async def test_package_edited_meanwhile_credits_what_was_offered(shop, make_person, sql):
    person = await make_person()
    bought = await shop.open(person)
    sql("UPDATE coin_packages SET coins = 1, price = 99, is_active = FALSE")

    await shop.tell("payment_intent.succeeded", shop.stripe.settle(bought["paymentIntent"]))

    assert await person.balance() == 150


async def test_reconciler_credits_what_no_webhook_told(shop, make_person, connect):
    person = await make_person()
    phone = await connect(person)
    bought = await shop.open(person)
    shop.stripe.settle(bought["paymentIntent"])

    paid = [await reconcile(shop.client.app, older_than=0) for _ in range(2)]

    news = await phone.expect("balance")
    assert (paid, await person.balance()) == ([1, 0], 150)
    assert (news["balance"], news["delta"], news["referenceId"]) == (150, 100, bought["purchaseId"])


async def test_reconciler_asks_nothing_of_young_purchases(shop, make_person):
    person = await make_person()
    bought = await shop.open(person)
    shop.stripe.settle(bought["paymentIntent"])

    assert await reconcile(shop.client.app) == 0
    assert await person.balance() == 50


async def test_reconciler_survives_a_provider_that_is_down(shop, make_person, sql):
    bought = await shop.open(await make_person())
    shop.stripe.settle(bought["paymentIntent"])
    shop.stripe.mood = "down"

    paid = await reconcile(shop.client.app, older_than=0)

    assert (paid, shop.status_of(bought)) == (0, "pending")
    assert sql("SELECT count(*) FROM coin_purchases WHERE checked_at IS NOT NULL") == [(1,)]


@pytest.mark.parametrize(
    ("price", "currency", "units"),
    [("4.99", "usd", 499), ("0.29", "usd", 29), ("500.00", "jpy", 500), ("1.50", "kwd", 1500)],
)
def test_price_is_counted_in_the_smallest_coin(price, currency, units):
    assert minor_units(Decimal(price), currency) == units


def test_fraction_of_the_smallest_coin_is_no_price():
    with pytest.raises(ValueError, match="no whole number"):
        minor_units(Decimal("4.99"), "jpy")


async def test_reconciler_finds_the_payment_that_worked_after_a_declined_one(shop, make_person, sql):
    person = await make_person()
    bought = await shop.open(person)
    await shop.tell(
        "payment_intent.payment_failed",
        shop.stripe.settle(bought["paymentIntent"], "requires_payment_method"),
    )
    shop.stripe.settle(bought["paymentIntent"])

    paid = await reconcile(shop.client.app, older_than=0)

    assert (paid, shop.status_of(bought), await person.balance()) == (1, "paid", 150)


async def test_reconciler_gives_up_on_what_failed_long_ago(shop, make_person, sql):
    bought = await shop.open(await make_person())
    shop.stripe.settle(bought["paymentIntent"], "canceled")
    await reconcile(shop.client.app, older_than=0)
    failed = shop.status_of(bought)
    sql("UPDATE coin_purchases SET updated_at = now() - interval '25 hours', checked_at = NULL")
    asked = len(shop.stripe.requests)

    await reconcile(shop.client.app, older_than=0)

    assert (failed, len(shop.stripe.requests)) == ("failed", asked)
