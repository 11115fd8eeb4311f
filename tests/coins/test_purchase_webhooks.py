"""POST /api/webhooks/stripe"""

import asyncio
import random
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from tests.stripe_server import SECRET, charge, deliver, dispute, event, signed

URL = "/api/webhooks/stripe"


async def test_paid_intent_credits_its_coins_and_tells_the_phone(shop, make_person, connect, sql):
    person = await make_person()
    phone = await connect(person)

    bought, _ = await shop.buy(person)

    news = await phone.expect("balance")
    key = f"purchase:{bought['purchaseId']}"
    columns = "transaction_type, reference_type, metadata"
    entry = sql(f"SELECT {columns} FROM coin_transactions WHERE idempotency_key = %s", key)
    assert entry == [("purchase", "purchase", {"price": 9.99, "currency": "usd"})]
    assert (news["balance"], news["delta"], news["type"]) == (150, 100, "purchase")
    assert shop.outcomes() == ["paid"]


async def test_every_event_takes_effect_once_in_any_order(shop, make_person):
    """Fifty events, each one to three times, shuffled, eight senders."""
    dice = random.Random(44)
    people = [await make_person() for _ in range(10)]
    events = []
    for person in people:
        bought = await shop.open(person)
        paid = shop.stripe.settle(bought["paymentIntent"])
        failed = paid | {"status": "requires_payment_method", "amount_received": 0}
        events += [event("payment_intent.succeeded", paid) for _ in range(2)]
        events += [event("payment_intent.payment_failed", failed)]
        events += [event("charge.refunded", charge(paid, refunded=sum_)) for sum_ in (100, 300)]
    queue = [told for told in events for _ in range(dice.randint(1, 3))]
    dice.shuffle(queue)

    async def send():
        statuses = []
        while queue:
            statuses.append(await deliver(shop.client, queue.pop()))
        return statuses

    statuses = await asyncio.gather(*(send() for _ in range(8)))

    assert {status for some in statuses for status in some} == {200}
    assert len(shop.outcomes()) == 50
    # 300 of 999 cents stand for 31 of 100 coins.
    assert [await person.balance() for person in people] == [150 - 31] * 10


async def test_refund_before_the_payment_is_known_leaves_nothing(shop, make_person):
    person = await make_person()
    bought = await shop.open(person)
    intent = shop.stripe.settle(bought["paymentIntent"])

    await shop.tell("charge.refunded", charge(intent, refunded=999))
    await shop.tell("payment_intent.succeeded", intent)

    assert (await person.balance(), shop.debt(person)) == (50, 0)
    assert shop.status_of(bought) == "refunded"


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": 998, "amount_received": 998},
        {"amount_received": 1},
        {"currency": "eur"},
        {"id": "pi_of_something_else"},
        {"metadata": {"userId": "00000000-0000-0000-0000-000000000000"}},
    ],
    ids=str,
)
async def test_payment_that_is_not_what_we_sold_credits_nothing(shop, make_person, wrong):
    person = await make_person()
    bought = await shop.open(person)
    intent = shop.stripe.settle(bought["paymentIntent"])
    metadata = intent["metadata"] | wrong.get("metadata", {})

    status = await shop.tell("payment_intent.succeeded", intent | wrong | {"metadata": metadata})

    assert (status, await person.balance()) == (200, 50)
    assert (shop.outcomes(), shop.status_of(bought)) == (["mismatch"], "pending")


async def test_mismatch_is_an_alarm(shop, make_person):
    bought = await shop.open(await make_person())
    intent = shop.stripe.settle(bought["paymentIntent"])

    with capture_logs() as lines:
        await shop.tell("payment_intent.succeeded", intent | {"currency": "eur"})

    assert [line["log_level"] for line in lines if line["event"] == "purchase.mismatch"] == ["error"]


async def test_intent_that_names_another_purchase_of_ours_credits_neither(shop, make_person):
    person, other = await make_person(), await make_person()
    mine, theirs = await shop.open(person), await shop.open(other)
    intent = shop.stripe.settle(mine["paymentIntent"])

    await shop.tell(
        "payment_intent.succeeded",
        intent | {"metadata": {"purchaseId": theirs["purchaseId"], "userId": str(other.id)}},
    )

    assert [await person.balance(), await other.balance()] == [50, 50]


@pytest.mark.parametrize(
    "how", [{"age": 400}, {"age": -400}, {"secret": "another-secret"}], ids=["old", "future", "wrong secret"]
)
async def test_event_that_is_not_signed_now_by_stripe_is_refused(shop, make_person, how):
    person = await make_person()
    bought = await shop.open(person)

    status = await shop.tell("payment_intent.succeeded", shop.stripe.settle(bought["paymentIntent"]), **how)

    assert (status, await person.balance(), shop.outcomes()) == (400, 50, [])


@pytest.mark.parametrize("header", [None, "", "t=1,v1=", "garbage", "t=x,v1=é", "v1=00"])
async def test_event_without_a_signature_is_refused(shop, header):
    raw, _ = signed(event("payment_intent.succeeded", {}))
    headers = {"Stripe-Signature": header} if header is not None else {}

    response = await shop.client.post(URL, data=raw, headers=headers)

    assert (response.status, (await response.json())["error"]["code"]) == (400, "INVALID_SIGNATURE")


async def test_changed_byte_is_refused(shop, make_person):
    bought = await shop.open(await make_person())
    raw, headers = signed(event("payment_intent.succeeded", shop.stripe.settle(bought["paymentIntent"])))

    response = await shop.client.post(URL, data=raw.replace(b"999", b"998", 1), headers=headers)

    assert (response.status, shop.outcomes()) == (400, [])


async def test_signature_of_a_little_while_ago_is_good(shop):
    assert await shop.tell("customer.created", {}, age=200) == 200


@pytest.mark.parametrize("secret", ["new-secret", SECRET])
async def test_old_and_new_secret_both_count_while_one_replaces_the_other(make_client, secret):
    client = await make_client(stripe_webhook_secret=f"new-secret,{SECRET}")

    assert await deliver(client, event("customer.created", {}), secret=secret) == 200


async def test_unknown_types_are_taken_and_do_nothing(shop):
    assert await shop.tell("invoice.paid", {"id": "in_1"}) == 200
    assert shop.outcomes() == ["ignored"]


async def test_payment_of_no_purchase_of_ours_is_taken_and_does_nothing(shop):
    told = {"id": "pi_x", "status": "succeeded", "amount": 1, "currency": "usd", "metadata": {}}

    assert await shop.tell("payment_intent.succeeded", told) == 200
    assert shop.outcomes() == ["no_purchase"]


async def test_signed_event_that_lacks_what_it_promises_leaves_no_trace(shop):
    assert await shop.tell("payment_intent.succeeded", {"id": "pi_x"}) == 400
    assert shop.outcomes() == []


async def test_body_above_a_megabyte_is_refused(shop):
    response = await shop.client.post(URL, data=b"x" * (1024 * 1024 + 1))

    assert response.status == 413


async def test_declined_card_fails_the_purchase_until_another_one_pays(shop, make_person):
    person = await make_person()
    bought = await shop.open(person)
    declined = shop.stripe.settle(bought["paymentIntent"], "requires_payment_method")

    await shop.tell("payment_intent.payment_failed", declined)
    failed = shop.status_of(bought)
    await shop.tell("payment_intent.succeeded", shop.stripe.settle(bought["paymentIntent"]))

    assert (failed, shop.status_of(bought), await person.balance()) == ("failed", "paid", 150)


async def test_refund_after_the_coins_were_spent_is_a_debt_the_next_credit_pays(shop, make_person):
    person = await make_person(coins=0)
    bought, intent = await shop.buy(person)
    for _ in range(3):
        await person.post("/api/coins/spend", {"amount": 20, "action": "boost", "referenceId": str(uuid4())})

    await shop.tell("charge.refunded", charge(intent, refunded=999))
    after_refund = (await person.balance(), shop.debt(person), shop.status_of(bought))
    await shop.buy(person)

    assert after_refund == (0, 60, "refunded")
    assert (await person.balance(), shop.debt(person)) == (40, 0)


async def test_credit_smaller_than_the_debt_goes_all_into_it(shop, make_person, sql):
    person = await make_person(coins=0)
    sql("UPDATE users SET coin_debt = 130 WHERE id = %s", person.id)

    await shop.buy(person)

    assert (await person.balance(), shop.debt(person)) == (0, 30)


async def test_partial_refunds_add_up_and_round_in_our_favour(shop, make_person):
    person = await make_person()
    bought, intent = await shop.buy(person)

    balances = []
    for refunded in (1, 500, 250, 999):
        await shop.tell("charge.refunded", charge(intent, refunded=refunded))
        balances.append(await person.balance())

    assert balances == [149, 150 - 51, 150 - 51, 50]
    assert shop.status_of(bought) == "refunded"


async def test_dispute_takes_the_coins_and_won_gives_them_back(shop, make_person, connect):
    person = await make_person()
    bought, intent = await shop.buy(person)
    phone = await connect(person)

    await shop.tell("charge.dispute.created", dispute(intent))
    open_ = (await person.balance(), shop.status_of(bought))
    await shop.tell("charge.dispute.closed", dispute(intent, "won"))

    news = [(await phone.expect("balance"))["delta"] for _ in range(2)]
    assert open_ == (50, "disputed")
    assert (await person.balance(), shop.status_of(bought), news) == (150, "paid", [-100, 100])


async def test_dispute_won_after_the_coins_were_spent_clears_the_debt(shop, make_person):
    person = await make_person(coins=0)
    _, intent = await shop.buy(person)
    await person.post("/api/coins/spend", {"amount": 20, "action": "boost", "referenceId": str(uuid4())})

    await shop.tell("charge.dispute.created", dispute(intent))
    owed = shop.debt(person)
    await shop.tell("charge.dispute.closed", dispute(intent, "won"))

    assert owed == 20
    assert (await person.balance(), shop.debt(person)) == (80, 0)


async def test_dispute_won_before_it_began_takes_nothing(shop, make_person):
    person = await make_person()
    _, intent = await shop.buy(person)

    await shop.tell("charge.dispute.closed", dispute(intent, "won"))
    await shop.tell("charge.dispute.created", dispute(intent))

    assert await person.balance() == 150


async def test_dispute_lost_and_a_refund_take_the_coins_once(shop, make_person):
    person = await make_person()
    _, intent = await shop.buy(person)

    await shop.tell("charge.dispute.created", dispute(intent))
    await shop.tell("charge.refunded", charge(intent, refunded=999))
    await shop.tell("charge.dispute.closed", dispute(intent, "lost"))

    assert (await person.balance(), shop.debt(person)) == (50, 0)
