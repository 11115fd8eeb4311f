"""GET /health/live, /health/ready, /health, /version"""

from contextlib import suppress
from decimal import Decimal
from uuid import uuid4

import pytest

from romantic.http.health import LIFECYCLE
from romantic.integrations.admob import ADMOB, CallbackRefused, KeysUnavailable
from romantic.integrations.push import SENDERS, Push, PushRefusal
from romantic.integrations.storage import STORAGE, StorageAway
from romantic.integrations.stripe_payments import PAYMENTS, PaymentFault


async def test_ready_names_its_checks(client):
    response = await client.get("/health/ready")

    assert (await response.json())["data"] == {"status": "ok", "checks": {"database": "ok", "redis": "ok"}}


async def test_draining_process_is_not_ready_and_takes_no_sockets_but_is_alive(client, make_person):
    person = await make_person()
    client.app[LIFECYCLE].draining = True

    ready, live, health = [await client.get(path) for path in ("/health/ready", "/health/live", "/health")]
    socket = await client.get("/ws", headers=person.auth | {"Connection": "Upgrade", "Upgrade": "websocket"})

    assert (ready.status, ready.headers["Retry-After"]) == (503, "5")
    assert (await ready.json())["error"]["meta"]["checks"]["lifecycle"] == "draining"
    assert (live.status, health.status, socket.status) == (200, 200, 503)
    assert (await health.json())["data"]["status"] == "draining"


async def test_without_redis_the_process_is_ready_but_degraded(make_client):
    client = await make_client(redis_url="redis://127.0.0.1:1")

    response = await client.get("/health/ready")

    assert (response.status, (await response.json())["data"]["status"]) == (200, "degraded")


async def test_database_at_another_migration_is_not_ready(client, sql):
    sql("INSERT INTO schema_migrations (name, sha256, seconds) VALUES ('9999_tomorrow', '', 0)")

    response = await client.get("/health/ready")
    sql("DELETE FROM schema_migrations WHERE name = '9999_tomorrow'")

    assert (response.status, (await response.json())["error"]["code"]) == (503, "NOT_READY")


async def test_bodies_name_no_host_and_no_library(client):
    texts = [await (await client.get(path)).text() for path in ("/health", "/health/ready", "/version")]

    assert not [
        text for text in texts if "postgres" in text.lower() or "aiohttp" in text or "127.0.0.1" in text
    ]


async def test_providers_are_shown_and_gate_nothing(make_client, make_person, outside):
    client = await make_client(**outside.fcm.settings)
    before = (await (await client.get("/health")).json())["data"]
    outside.fcm.mood = "broken"
    sender = client.app[SENDERS]["android"]
    for _ in range(3):
        with pytest.raises(PushRefusal):
            await sender.send(Push({"type": "match-new"}, 60), token="x" * 30, platform="android")
    during, ready = await client.get("/health"), await client.get("/health/ready")
    outside.fcm.mood = "ok"
    sender.breaker.succeeded()
    after = (await (await client.get("/health")).json())["data"]

    assert before["providers"] == {
        "whatsapp": "ok",
        "sms": "off",
        "email": "off",
        "push": "ok",
        "payments": "ok",
        "adKeys": "ok",
        "storage": "ok",
    }
    told = (await during.json())["data"]
    assert (during.status, told["status"], told["providers"]["push"]) == (200, "degraded", "degraded")
    assert (ready.status, (await ready.json())["data"]["status"]) == (200, "ok")
    assert (before["status"], after["status"]) == ("ok", "ok")


@pytest.mark.parametrize("provider", ["payments", "adKeys", "storage"])
async def test_provider_that_failed_the_last_time_is_degraded_until_it_works_again(
    make_client, make_person, outside, provider
):
    bucket = {"storage": "s3", "s3_bucket": "photos", "aws_endpoint_url_s3": outside.aws.url}
    client = await make_client(**(outside.aws.settings | bucket), stripe_api_base=outside.stripe.url)

    async def act():
        if provider == "storage":
            with suppress(StorageAway):
                await client.app[STORAGE].put("profile-images/x", b"x", "image/webp")
        elif provider == "payments":
            with suppress(PaymentFault):
                await client.app[PAYMENTS].create_intent(
                    purchase_id=uuid4(), user_id=uuid4(), price=Decimal(5), currency="usd"
                )
        else:
            client.app[ADMOB]._tried_at = float("-inf")
            with suppress(CallbackRefused, KeysUnavailable):
                await client.app[ADMOB].verify("a=b&signature=AAAA&key_id=99")
        return (await (await client.get("/health")).json())["data"]["providers"][provider]

    outside.aws.mood, outside.stripe.mood, outside.admob.is_down = "broken", "down", True
    down = await act()
    outside.aws.mood, outside.stripe.mood, outside.admob.is_down = "ok", "ok", False

    assert (down, await act()) == ("degraded", "ok")
