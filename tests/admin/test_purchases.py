"""GET /api/admin/purchases, POST /api/admin/purchases/{id}/refund, and what revenue is"""

import asyncio

import pytest

from romantic.admin import routes as admin
from tests.coins.conftest import shop  # noqa: F401 - a fixture
from tests.stripe_server import charge

REASON = {"reason": "The person asked for it"}


@pytest.fixture
async def desk(make_staff):
    return await make_staff("admin")


async def test_purchases_are_listed_and_filtered(desk, shop, make_person):  # noqa: F811
    person, other = await make_person(), await make_person()
    bought, intent = await shop.buy(person)
    await shop.open(other)

    _, everything = await desk.get("/api/admin/purchases")
    _, paid = await desk.get("/api/admin/purchases", status="paid", userId=str(person.id))

    assert everything["data"]["pagination"]["total"] == 2
    assert [(row["id"], row["providerId"], row["price"]) for row in paid["data"]["purchases"]] == [
        (bought["purchaseId"], intent["id"], 9.99)
    ]


async def test_refund_is_sent_once_and_the_coins_follow_with_the_news(desk, shop, make_person):  # noqa: F811
    person = await make_person()
    bought, intent = await shop.buy(person)
    path = f"/api/admin/purchases/{bought['purchaseId']}/refund"

    answers = await asyncio.gather(*(desk.send("POST", path, REASON) for _ in range(3)))
    before = await person.balance()
    await shop.tell("charge.refunded", charge(intent, refunded=999))

    assert [status for status, _ in answers] == [200] * 3
    assert len(shop.stripe.refunds) == 1
    assert (before, await person.balance(), shop.status_of(bought)) == (150, 50, "refunded")


async def test_refund_leaves_a_trail(desk, shop, make_person):  # noqa: F811
    bought, _ = await shop.buy(await make_person())
    await desk.send("POST", f"/api/admin/purchases/{bought['purchaseId']}/refund", REASON)

    _, log = await desk.get("/api/admin/audit-log", targetId=bought["purchaseId"])

    [entry] = log["data"]["entries"]
    assert (entry["action"], entry["actorId"]) == ("purchase.refund", str(desk.person.id))
    assert entry["reason"] == REASON["reason"]


async def test_what_was_not_paid_cannot_be_refunded(desk, shop, make_person):  # noqa: F811
    bought = await shop.open(await make_person())

    status, answer = await desk.send("POST", f"/api/admin/purchases/{bought['purchaseId']}/refund", REASON)

    assert (status, answer["error"]["code"]) == (409, "PURCHASE_NOT_REFUNDABLE")
    assert shop.stripe.refunds == {}


async def test_provider_down_can_be_asked_again(desk, shop, make_person):  # noqa: F811
    bought, _ = await shop.buy(await make_person())
    path = f"/api/admin/purchases/{bought['purchaseId']}/refund"
    shop.stripe.mood = "lost"
    first, answer = await desk.send("POST", path, REASON)
    shop.stripe.mood = "ok"

    second, _ = await desk.send("POST", path, REASON)

    assert (first, answer["error"]["code"], second) == (503, "PAYMENT_PROVIDER_UNAVAILABLE", 200)
    assert len(shop.stripe.refunds) == 1


async def test_moderators_see_and_refund_nothing(make_staff, shop, make_person):  # noqa: F811
    bought, _ = await shop.buy(await make_person())
    moderator = await make_staff("moderator")

    looked, _ = await moderator.get("/api/admin/purchases")
    refunded, _ = await moderator.send("POST", f"/api/admin/purchases/{bought['purchaseId']}/refund", REASON)

    assert (looked, refunded) == (403, 403)


async def test_revenue_is_what_was_paid_without_what_went_back(desk, shop, make_person):  # noqa: F811
    person = await make_person()
    _, intent = await shop.buy(person)
    await shop.buy(person)
    await shop.open(person)
    await shop.tell("charge.refunded", charge(intent, refunded=999))
    shop.client.app[admin.STATISTICS].clear()

    _, answer = await desk.get("/api/admin/statistics")

    assert answer["data"]["totalRevenue"] == 9.99
