"""Every door that moves coins: one key is one effect and one answer, whoever repeats it and however often."""

import asyncio
from uuid import uuid4

import pytest

from tests.coins.shop import Shop

COPIES = 10

#: A door -> its body, another body, and the rows one effect leaves.
DOORS = {
    "/api/coins/spend": (
        lambda other, shop: {"amount": 20, "action": "boost", "referenceId": str(uuid4())},
        {"amount": 10, "action": "gift", "referenceId": str(uuid4())},
        "SELECT count(*) FROM coin_transactions WHERE reference_type = 'boost'",
    ),
    "/api/coins/purchase": (
        lambda other, shop: {"packageId": shop.package_id, "paymentMethod": "stripe"},
        {"packageId": str(uuid4()), "paymentMethod": "stripe"},
        "SELECT count(*) FROM coin_purchases",
    ),
    "/api/coins/earn-ad": (
        lambda other, shop: {"adType": "rewarded"},
        {"adType": "rewarded", "adProvider": "admob"},
        "SELECT count(*) FROM coin_transactions WHERE reference_type = 'ad_watch'",
    ),
    "/api/messages/send": (
        lambda other, shop: {"receiverId": other.id, "messageText": "Hi"},
        {"receiverId": str(uuid4()), "messageText": "Hi"},
        "SELECT count(*) FROM messages",
    ),
    "/api/calls/initiate": (
        lambda other, shop: {"receiverId": other.id, "callType": "video"},
        {"receiverId": str(uuid4()), "callType": "video"},
        "SELECT count(*) FROM calls",
    ),
    "/api/super-lover/become": (
        lambda other, shop: {"superLoverBio": "Hi"},
        {"superLoverBio": "Hello"},
        "SELECT count(*) FROM coin_transactions WHERE reference_type = 'super_lover'",
    ),
}


@pytest.fixture
async def client(make_client):
    return await make_client(ads_trust_mode="client", ad_min_gap=0)


def under(key):
    return {"Idempotency-Key": key}


@pytest.mark.parametrize("path", DOORS)
async def test_one_key_is_one_effect_at_every_door(path, client, outside, make_person, sql):
    person, stranger, other = [await make_person(coins=5_000) for _ in range(3)]
    make, different, effects = DOORS[path]
    body = make(other, Shop(client, outside.stripe, sql))

    answers = await asyncio.gather(*(person.post(path, body, headers=under("tap")) for _ in range(COPIES)))
    told = {(answer.status, await answer.text()) for answer in answers if answer.status != 409}
    again = await person.post(path, body, headers=under("tap"))
    reused = await person.post(path, different, headers=under("tap"))

    assert [(again.status, await again.text())] == list(told)
    assert (again.status, again.headers["Idempotent-Replayed"]) == (200, "true")
    assert (reused.status, (await reused.json())["error"]["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert sql(effects) == [(1,)]
    theirs = await stranger.post(path, body, headers=under("tap"))
    assert "Idempotent-Replayed" not in theirs.headers
    assert sql(effects) == [(1 if theirs.status == 409 else 2,)]  # the receiver of the call is busy
