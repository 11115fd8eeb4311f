"""One provider is down: what is refused, what goes on, and that it heals within five seconds by itself.

What is particular to codes is in tests/auth/test_delivery.py.
"""

import asyncio
import time

import aiohttp
import pytest
from structlog.testing import capture_logs

from romantic.integrations.aws import AwsRefusal
from romantic.integrations.email import EMAIL
from tests.coins.shop import PURCHASE, Shop
from tests.conftest import new_number
from tests.devices.conftest import call, jobs_of, register, say
from tests.users.test_photos import PHOTO
from tests.users.test_photos import send as send_photo
from tests.waiting import until

HEALING_SECONDS = 5.0


async def heals(attempt):
    """Try as a client would until it works; the provider has just come back."""
    deadline = time.monotonic() + HEALING_SECONDS
    while not await attempt():
        assert time.monotonic() < deadline, "it did not heal in time"
        await asyncio.sleep(0.2)


async def ask_code(client, number=None):
    response = await client.post("/api/auth/send-otp", json={"phoneNumber": number or new_number()})
    return response.status


@pytest.fixture
async def client(make_client, outside):
    """Everything that can be sent, and files in a bucket."""
    bucket = {"storage": "s3", "s3_bucket": "photos", "aws_endpoint_url_s3": outside.aws.url}
    senders = outside.aws.settings | outside.fcm.settings
    return await make_client(**senders, **bucket, ads_trust_mode="ssv", ad_min_gap=0, jobs_poll_seconds=0.1)


async def test_whatsapp_and_sms_down_close_the_door_for_new_codes_only(client, make_person, outside):
    person = await make_person()
    outside.mood, outside.aws.mood = "broken", "refused"

    refused = await ask_code(client)
    profile = await person.get("/api/auth/profile")
    renewed = await person.post("/api/auth/refresh", {"refreshToken": person.refresh_token})
    outside.mood = outside.aws.mood = "ok"

    assert (refused, profile.status, renewed.status) == (503, 200, 200)

    async def sends():
        return await ask_code(client) == 200 and bool(outside.messages)

    await heals(sends)


@pytest.mark.parametrize("mood", ["busy", "broken", "refused"])
async def test_storage_down_refuses_uploads_and_nothing_else(client, make_person, outside, sql, mood):
    ann, ben = await make_person("Ann"), await make_person("Ben")
    outside.aws.mood = mood

    refused = await send_photo(ann, PHOTO)
    said = await ann.post(
        "/api/messages/send", {"receiverId": ben.id, "messageText": "Hi", "messageType": "text"}
    )
    kept = sql("SELECT count(*) FROM users WHERE profile_image_key IS NOT NULL")
    outside.aws.mood = "ok"

    assert (refused.status, said.status, kept) == (503, 200, [(0,)])
    assert refused.headers["Retry-After"]
    assert await ann.balance() == 45  # the message, not the photo
    assert (await send_photo(ann, PHOTO)).status == 200


async def test_stripe_down_refuses_purchases_while_coins_are_spent_and_its_news_taken(
    client, make_person, outside, sql
):
    shop, person, ben = Shop(client, outside.stripe, sql), await make_person(), await make_person("Ben")
    bought = await shop.open(person)
    intent = outside.stripe.settle(bought["paymentIntent"])
    outside.stripe.mood = "down"

    body = {"packageId": shop.add_package("More"), "paymentMethod": "stripe"}
    refused = await person.post(PURCHASE, body)
    said = await person.post(
        "/api/messages/send", {"receiverId": ben.id, "messageText": "Hi", "messageType": "text"}
    )
    told = await shop.tell("payment_intent.succeeded", intent)
    outside.stripe.mood = "ok"

    assert (refused.status, said.status, told) == (503, 200, 200)
    assert await person.balance() == 50 - 5 + 100
    assert (await person.post(PURCHASE, body)).status == 200


async def test_keys_of_ads_away_let_google_come_again_and_heal(client, make_person, outside):
    person = await make_person()
    nonce = (await (await person.post("/api/coins/ad-session")).json())["data"]["nonce"]
    query = outside.admob.query(nonce, transaction_id="t1")
    outside.admob.is_down = True

    async def call():
        return (await client.get(f"/api/webhooks/admob?{query}")).status

    refused = await call()
    outside.admob.is_down = False

    async def pays():
        return await call() == 200

    await heals(pays)
    assert refused == 503
    assert await person.balance() == 55


@pytest.mark.parametrize("mood", ["silence", "busy", "broken", "garbage"])
async def test_keys_of_ads_on_a_bad_day_refuse_nothing_for_good(
    client, make_person, outside, monkeypatch, mood
):
    monkeypatch.setattr("romantic.integrations.admob.TIMEOUT", aiohttp.ClientTimeout(total=0.3))
    monkeypatch.setattr("romantic.integrations.admob.RETRY_SECONDS", 0.0)
    person = await make_person()
    nonce = (await (await person.post("/api/coins/ad-session")).json())["data"]["nonce"]
    query = outside.admob.query(nonce, transaction_id="t1")
    outside.admob.mood = mood

    async def taken():
        return (await client.get(f"/api/webhooks/admob?{query}")).status == 200

    refused = await client.get(f"/api/webhooks/admob?{query}")
    outside.admob.mood = "ok"

    await heals(taken)
    assert (refused.status, "Retry-After" in refused.headers) == (503, True)
    assert await person.balance() == 55


async def test_keys_of_ads_that_are_known_outlive_their_server(client, make_person, outside):
    person = await make_person()
    nonces = [(await (await person.post("/api/coins/ad-session")).json())["data"]["nonce"] for _ in "ab"]
    first, second = (outside.admob.query(nonce, transaction_id=nonce) for nonce in nonces)
    taken = [(await client.get(f"/api/webhooks/admob?{first}")).status]
    outside.admob.is_down = True

    taken.append((await client.get(f"/api/webhooks/admob?{second}")).status)

    assert taken == [200, 200]


async def test_mail_provider_that_is_back_is_used_again(client, outside):
    mail = client.app[EMAIL]

    async def sends():
        try:
            await mail.send("ann@example.com", subject="Hi", text="…")
        except AwsRefusal:
            return False
        return True

    outside.aws.mood = "broken"
    assert [await sends() for _ in range(4)] == [False] * 4
    asked = outside.aws.asked
    outside.aws.mood = "ok"

    await heals(sends)
    assert asked == 3  # the fourth was not even asked


@pytest.mark.parametrize("mood", ["silence", "broken"])
async def test_push_service_down_delays_neither_call_nor_message_and_is_used_again(
    make_person, outside, sql, monkeypatch, mood
):
    monkeypatch.setattr("romantic.integrations.fcm.TIMEOUT", aiohttp.ClientTimeout(total=0.5))
    ann, bea = await make_person("Ann", coins=200), await make_person("Bea")
    await register(bea)
    outside.fcm.mood = mood

    call_id = await call(ann, bea)
    message_ids = {await say(ann, bea) for _ in range(4)}
    reached = (await bea.data("/api/messages/conversations"))["conversations"][0]["unreadCount"]

    async def is_given_up_on():
        return outside.fcm.asked >= 3

    await until(is_given_up_on)
    assert (reached, outside.fcm.messages) == (4, [])
    outside.fcm.mood = "ok"

    async def rings():
        return [data["callId"] for data in outside.fcm.of("call-incoming")] == [call_id]

    await heals(rings)
    newest = await say(ann, bea)

    async def is_told():
        return newest in {data["messageId"] for data in outside.fcm.of("message-new")}

    await heals(is_told)
    sql(
        "UPDATE jobs SET run_at = now() WHERE status = 'waiting'"
    )  # the back-off of those that waited is over

    async def are_all_told():
        return {data["messageId"] for data in outside.fcm.of("message-new")} == {*message_ids, newest}

    await until(are_all_told)
    told = [data["messageId"] for data in outside.fcm.of("message-new")]
    assert len(told) == len(set(told))


async def test_what_could_not_be_pushed_for_a_day_is_dropped(make_person, outside, sql):
    ann, bea = await make_person("Ann"), await make_person("Bea")
    await register(bea)
    outside.fcm.mood, outside.fcm.retry_after = "away", "3600"
    await say(ann, bea)

    async def is_waiting():
        return sql("SELECT status, attempts > 0 FROM jobs WHERE kind = 'push.message'") == [("waiting", True)]

    await until(is_waiting)
    assert sql("SELECT expires_at - created_at = interval '1 day' FROM jobs WHERE kind = 'push.message'") == [
        (True,)
    ]
    outside.fcm.mood = "ok"
    sql("UPDATE jobs SET run_at = now(), expires_at = now() WHERE kind = 'push.message'")

    async def is_dropped():
        return jobs_of(sql, "push.message") == ["expired"]

    await until(is_dropped)
    assert outside.fcm.messages == []


async def test_wrong_account_is_an_alarm_and_pushes_wait_for_it_to_be_mended(make_person, outside, sql):
    ann, bea = await make_person("Ann"), await make_person("Bea")
    await register(bea)
    outside.fcm.mood = "forbidden"

    with capture_logs() as lines:
        for _ in range(3):
            await say(ann, bea)

        async def is_waiting():
            jobs = sql("SELECT status, attempts FROM jobs WHERE kind = 'push.message'")
            return jobs == [("waiting", 1)] * 3

        await until(is_waiting)

    assert [line["log_level"] for line in lines if line["event"] == "push.unusable"] == ["error"]
    assert sql("SELECT count(*) FROM device_tokens") == [(1,)]
    outside.fcm.mood = "ok"
    sql("UPDATE jobs SET run_at = now() WHERE kind = 'push.message'")

    async def is_told():
        return len(outside.fcm.of("message-new")) == 3

    await until(is_told)


async def test_codes_no_provider_took_cost_the_address_its_budget_all_the_same(make_client, outside):
    """Else whoever makes providers refuse could ask for ever."""
    client = await make_client(**outside.aws.settings, otp_per_hour_per_ip=2)
    outside.mood, outside.aws.mood = "error", "refused"

    statuses = [await ask_code(client) for _ in range(3)]

    assert statuses == [503, 503, 429]


async def test_receipts_wait_a_day_however_often_the_mail_provider_refuses(client, make_person, outside, sql):
    shop, ann = Shop(client, outside.stripe, sql), await make_person()
    sql(
        "UPDATE user_preferences SET notifications_email = TRUE, email_address = 'ann@example.com',"
        " email_verified_at = now() WHERE user_id = %s", ann.id,
    )  # fmt: skip
    bought = await shop.open(ann)
    outside.aws.mood = "broken"
    await shop.tell("payment_intent.succeeded", outside.stripe.settle(bought["paymentIntent"]))

    async def is_waiting():
        return sql("SELECT status, attempts > 0 FROM jobs WHERE kind = 'email.receipt'") == [
            ("waiting", True)
        ]

    await until(is_waiting)
    sql("UPDATE jobs SET attempts = 100, run_at = now() WHERE kind = 'email.receipt'")

    async def was_tried_again():
        return sql("SELECT status FROM jobs WHERE kind = 'email.receipt' AND attempts > 100") == [
            ("waiting",)
        ]

    await until(was_tried_again)
    outside.aws.mood = "ok"
    sql("UPDATE jobs SET run_at = now() WHERE kind = 'email.receipt'")

    async def is_sent():
        return len(outside.aws.mails) == 1

    await until(is_sent)
    assert await ann.balance() == 150
