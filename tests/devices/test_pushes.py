"""Messages, matches and coins: what is pushed, to whom, and when nobody needs to hear."""

from uuid import UUID

import pytest

from romantic.coins import service as coins
from romantic.realtime.presence import in_foreground
from tests.coins.shop import Shop
from tests.devices.conftest import all_done, jobs_of, register, say
from tests.waiting import until

SECRET = "Meet me at the old mill at nine."


@pytest.fixture
async def pair(make_person):
    return await make_person("Ann", coins=200), await make_person("Bea")


def pushed(outside, count=1):
    async def holds():
        return len(outside.fcm.messages) == count

    return until(holds)


def refused(sql, kind):
    """The service was asked and is busy: the job waits for another try."""

    async def holds():
        return sql("SELECT status, attempts > 0 FROM jobs WHERE kind = %s", kind) == [("waiting", True)]

    return until(holds)


async def like(person, other):
    return (await person.post("/api/users/like", {"targetUserId": other.id})).status


async def test_message_is_told_of_without_its_text(pair, outside, sql):
    ann, bea = pair
    await register(bea)
    await say(ann, bea, "first")
    message_id = await say(ann, bea, SECRET)

    await pushed(outside, 2)

    message = next(m for m in outside.fcm.messages if m["data"]["messageId"] == message_id)
    assert message["data"] | {"sentAt": ""} == {
        "type": "message-new",
        "messageId": message_id,
        "messageType": "text",
        "senderId": str(ann.id),
        "senderName": "Ann",
        "unread": "2",
        "sentAt": "",
    }
    assert SECRET not in str(outside.fcm.messages)
    assert 86_000 < int(message["android"]["ttl"].removesuffix("s")) <= 86_400


async def test_retry_of_a_message_is_told_of_once(pair, outside, sql):
    ann, bea = pair
    await register(bea)
    body = {"receiverId": bea.id, "messageText": "Hi", "messageType": "text", "clientMessageId": "m1"}
    for _ in range(3):
        await ann.post("/api/messages/send", body)

    await all_done(sql, message=1)

    assert len(outside.fcm.messages) == 1


async def test_message_that_cannot_be_paid_for_is_not_told_of(make_person, outside, sql):
    ann, bea = await make_person(coins=0), await make_person("Bea")
    await register(bea)

    response = await ann.post(
        "/api/messages/send", {"receiverId": bea.id, "messageText": "Hi", "messageType": "text"}
    )

    assert response.status == 402
    assert jobs_of(sql, "push.message") == []


async def test_person_in_the_app_who_reads_is_left_in_peace(pair, connect, outside, sql):
    ann, bea = pair
    await register(bea)
    phone = await connect(bea)
    await say(ann, bea)
    await phone.expect("message")
    await phone.ask("message-read", userId=str(ann.id))

    await all_done(sql, message=1)

    assert outside.fcm.messages == []


async def test_person_in_the_app_who_stays_there_is_left_in_peace(pair, connect, outside, sql):
    ann, bea = pair
    await register(bea)
    await connect(bea)
    await say(ann, bea)

    await all_done(sql, message=1)

    assert outside.fcm.messages == []


async def test_person_in_the_app_at_another_node_is_left_in_peace(
    make_pushing, make_person, connect, outside, sql
):
    """The other node does no work of this one's: nobody wakes it, and it does not look."""
    here, there = await make_pushing(), await make_pushing(jobs_poll_seconds=3600)
    ann, bea = await make_person(coins=200, at=here), await make_person("Bea", at=there)
    await register(bea)
    await connect(bea)

    async def is_known():
        return await in_foreground(here.app, UUID(bea.id))

    await until(is_known)
    await say(ann, bea)

    await all_done(sql, message=1)
    assert outside.fcm.messages == []


async def test_message_left_unread_by_somebody_who_left_the_app_is_told_of(pair, connect, outside):
    ann, bea = pair
    await register(bea)
    phone = await connect(bea)
    await say(ann, bea)
    await phone.expect("message")

    await phone.ask("app-state", state="background")

    await pushed(outside)


@pytest.mark.parametrize("end", ["read", "deleted", "blocked", "unwanted", "logged out"])
async def test_message_that_nobody_needs_to_hear_of_any_more_is_not_pushed(pair, outside, sql, end):
    ann, bea = pair
    await register(bea)
    outside.fcm.mood, outside.fcm.retry_after = "busy", "30"
    message_id = await say(ann, bea)
    await refused(sql, "push.message")

    if end == "read":
        await bea.client.put(f"/api/messages/read/{ann.id}", headers=bea.auth)
    elif end == "deleted":
        await ann.client.delete(f"/api/messages/{message_id}", headers=ann.auth)
    elif end == "blocked":
        await bea.post("/api/users/block", {"targetUserId": ann.id})
    elif end == "unwanted":
        await bea.client.put("/api/preferences", json={"notifications": {"push": False}}, headers=bea.auth)
    else:
        await bea.post("/api/auth/logout")
    sql("UPDATE jobs SET run_at = now() WHERE kind = 'push.message' AND status = 'waiting'")
    outside.fcm.mood = "ok"

    await all_done(sql, message=1)
    assert outside.fcm.messages == []


async def test_match_is_told_to_the_one_who_did_not_just_make_it(pair, outside, sql):
    ann, bea = pair
    await register(ann)
    hers = await register(bea)
    await like(bea, ann)
    await like(ann, bea)
    await like(ann, bea)

    await all_done(sql, match=1)

    (message,) = outside.fcm.messages
    assert message["token"] == hers["token"]
    assert message["data"] | {"sentAt": ""} == {
        "type": "match-new",
        "userId": str(ann.id),
        "fullName": "Ann",
        "sentAt": "",
    }


async def test_match_that_is_gone_again_is_not_told_of(pair, outside, sql):
    ann, bea = pair
    await register(bea)
    await like(bea, ann)
    outside.fcm.mood, outside.fcm.retry_after = "busy", "30"
    await like(ann, bea)
    await refused(sql, "push.match")
    await ann.client.delete(f"/api/users/matches/{bea.id}", headers=ann.auth)
    outside.fcm.mood = "ok"
    sql("UPDATE jobs SET run_at = now() WHERE kind = 'push.match' AND status = 'waiting'")

    await all_done(sql, match=1)

    assert outside.fcm.messages == []


async def test_bought_coins_are_told_of_once_however_often_stripe_says_so(client, make_person, outside, sql):
    shop, ann = Shop(client, outside.stripe, sql), await make_person()
    await register(ann)
    bought = await shop.open(ann)
    intent = outside.stripe.settle(bought["paymentIntent"])

    for _ in range(3):
        await shop.tell("payment_intent.succeeded", intent)
    await all_done(sql, coins=1)

    (message,) = outside.fcm.messages
    about = {
        name: message["data"][name] for name in ("type", "coins", "balance", "entryType", "referenceType")
    }
    assert about == {
        "type": "coins-credited",
        "coins": "100",
        "balance": "150",
        "entryType": "purchase",
        "referenceType": "purchase",
    }
    assert message["android"]["collapse_key"] == "coins"


async def test_earned_coins_are_told_of_and_spent_or_refunded_ones_are_not(pair, database, outside, sql):
    _, bea = pair
    await register(bea)
    async with database.transaction() as conn:
        for kind in ("earn", "spend", "refund"):
            await coins.add_entry(
                conn, user_id=UUID(bea.id), entry_type=kind, amount=10, key=f"t:{kind}", description="A test",
                reference_type="call",
            )  # fmt: skip

    await all_done(sql, coins=1)

    assert [m["data"]["entryType"] for m in outside.fcm.messages] == ["earn"]


async def test_welcome_coins_are_not_told_of(make_person, sql):
    await make_person()

    assert jobs_of(sql, "push.coins") == []


async def test_transaction_that_fails_pushes_nothing(pair, database, sql):
    _, bea = pair
    await register(bea)

    async def fail():
        async with database.transaction() as conn:
            await coins.add_entry(
                conn, user_id=UUID(bea.id), entry_type="earn", amount=10, key="t", description="A test"
            )
            raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        await fail()

    assert jobs_of(sql, "push.coins") == []


async def test_no_more_than_ten_thousand_wait_for_a_service_that_is_away(pair, outside, sql):
    ann, bea = pair
    await register(bea)
    sql(
        "INSERT INTO jobs (kind, key, payload, run_at)"
        " SELECT 'push.message', n::text, '{}', now() + interval '1 hour' FROM generate_series(1, 10000) AS n"
    )

    await say(ann, bea)

    assert sql("SELECT count(*) FROM jobs WHERE kind = 'push.message'") == [(10_000,)]
    assert await ann.balance() == 195  # the message itself is not held up
