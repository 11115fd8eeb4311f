"""The stand-ins of a development server: WhatsApp, SNS, SES, FCM and AdMob's keys, met by the real clients."""

import socket

import pytest
from aiohttp.test_utils import TestClient
from structlog.testing import capture_logs

from romantic.app import create_app
from romantic.dev.fcm import stand_in_account
from romantic.integrations.aws import AwsRefusal
from romantic.integrations.email import EMAIL
from romantic.integrations.push import SENDERS, Push, PushRefusal, Verdict
from romantic.integrations.sms import SMS
from tests.conftest import Server, new_number, settings_with
from tests.phone import Person
from tests.waiting import until


@pytest.fixture
async def client(postgres, valkey, outside):
    """A development server that reaches itself, as run.py arranges it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    here = f"http://127.0.0.1:{port}"
    settings = settings_with(
        postgres,
        valkey,
        outside,
        romantic_env="development",
        public_base_url=here,
        sms_provider="sns",
        ses_sender="hello@romantic.example",
        whatsapp_api_base_url=f"{here}/dev/whatsapp",
        aws_endpoint_url_sns=f"{here}/dev/aws/sns",
        aws_endpoint_url_ses=f"{here}/dev/aws/ses",
        aws_access_key_id="development",
        aws_secret_access_key="development",
        fcm_credentials=stand_in_account(here),
        fcm_api_base_url=f"{here}/dev/fcm",
        admob_keys_url=f"{here}/dev/admob/keys.json",
        ads_trust_mode="ssv",
        ad_min_gap=0,
    )
    async with TestClient(Server(create_app(settings), port=port)) as client:
        yield client


async def send(client, number, **body):
    response = await client.post("/api/auth/send-otp", json={"phoneNumber": number, **body})
    return (await response.json())["data"]


async def outbox(client):
    return (await (await client.get("/dev/outbox.json")).json())["data"]["messages"]


async def set_mood(client, provider, mood):
    return (await client.put(f"/dev/moods/{provider}/{mood}")).status


async def test_message_is_delivered_and_read_as_meta_would_tell(client, sql):
    await send(client, new_number())

    async def is_read():
        return sql("SELECT delivery_status, read_at IS NOT NULL FROM otp_codes") == [("delivered", True)]

    await until(is_read)


async def test_number_that_cannot_be_reached_gets_a_text_with_the_same_code(client):
    await send(client, "+15550000092")

    async def has_text():
        return len(await outbox(client)) == 2

    await until(has_text)
    text, message = await outbox(client)
    assert (text["channel"], text["to"], text["code"]) == ("sms", "+15550000092", message["code"])


@pytest.mark.parametrize("mood", ["busy", "broken", "garbage"])
async def test_bad_day_of_whatsapp_is_a_text(client, mood):
    assert await set_mood(client, "whatsapp", mood) == 200

    data = await send(client, new_number())

    assert data["deliveryMethod"] == "sms"
    assert [message["channel"] for message in await outbox(client)] == ["sms"]


async def test_mail_lands_in_the_outbox_unless_ses_has_a_bad_day(client):
    mail = client.app[EMAIL]
    await mail.send("ann@example.com", subject="Hello", text="Dear Ann,\n…")
    for mood in ("busy", "broken", "garbage"):
        await set_mood(client, "email", mood)
        with pytest.raises(AwsRefusal) as refusal:
            await mail.send("ann@example.com", subject="Again", text="…")
        assert refusal.value.is_passing, mood

    assert [(m["to"], m["subject"]) for m in await outbox(client)] == [("ann@example.com", "Hello")]


async def push(client, token="a-token-of-a-phone-of-mine", platform="ios"):
    message = Push({"type": "match-new", "fullName": "Ann"}, 60, collapse="c")
    return await client.app[SENDERS][platform].send(message, token=token, platform=platform)


async def test_push_lands_in_the_outbox_with_how_it_was_to_be_delivered(client):
    assert (await push(client)).startswith("projects/")

    (shown,) = await outbox(client)
    assert {name: shown[name] for name in ("channel", "to", "platform", "subject", "text")} == {
        "channel": "push",
        "to": "a-token-of-a-phone-of-mine",
        "platform": "ios",
        "subject": "match-new",
        "text": "fullName: Ann",
    }
    assert shown["delivery"]["headers"]["apns-collapse-id"] == "c"


async def test_phone_that_is_gone_is_unknown_to_the_stand_in(client):
    with pytest.raises(PushRefusal) as refusal:
        await push(client, token="a-token-of-a-phone-that-is-gone")

    assert refusal.value.verdict is Verdict.FORGET


@pytest.mark.parametrize(
    ("mood", "verdict"),
    [
        ("busy", Verdict.RETRY),
        ("broken", Verdict.RETRY),
        ("garbage", Verdict.RETRY),
        ("forged", Verdict.STOP),
    ],
)
async def test_bad_day_of_fcm_is_a_refusal_and_passes(client, mood, verdict):
    await push(client)
    await set_mood(client, "push", mood)

    with pytest.raises(PushRefusal) as refusal:
        await push(client)
    await set_mood(client, "push", "ok")

    assert refusal.value.verdict is verdict
    assert await push(client)


async def register(client):
    """Somebody whose code is in the outbox."""
    number = new_number()
    await send(client, number)
    code = next(m["code"] for m in await outbox(client) if m["to"] == number)
    verified = await client.post("/api/auth/verify-otp", json={"phoneNumber": number, "otpCode": code})
    tokens = (await verified.json())["data"]
    person = Person(client, None, number, tokens)
    body = {"phoneNumber": number, "fullName": "Ann", "age": 25, "gender": "female"}
    answer = await (await person.post("/api/auth/register", body)).json()
    return Person(client, answer["data"]["user"]["id"], number, answer["data"])


async def watch_ad(client, person):
    nonce = (await (await person.post("/api/coins/ad-session")).json())["data"]["nonce"]
    return (await client.post(f"/dev/ads/{nonce}/watch")).status


async def test_ad_that_was_watched_pays_by_a_callback_the_keys_prove(client):
    ann = await register(client)

    assert await watch_ad(client, ann) == 200
    await set_mood(client, "ads", "forged")
    assert await watch_ad(client, ann) == 400
    assert await ann.balance() == 55


@pytest.mark.parametrize("mood", ["busy", "broken", "garbage"])
async def test_keys_of_ads_on_a_bad_day_let_google_come_again(client, mood):
    ann = await register(client)
    await set_mood(client, "ads", mood)

    assert await watch_ad(client, ann) == 503


async def test_news_of_whatsapp_that_are_signed_wrong_change_nothing(client, sql):
    await set_mood(client, "whatsapp", "forged")

    with capture_logs() as lines:
        await send(client, new_number())

        async def is_told():
            heard = [line for line in lines if line["event"] == "webhook.in"]
            return [(line["provider"], line["outcome"]) for line in heard] == [("whatsapp", "forged")] * 2

        await until(is_told)

    assert sql("SELECT delivery_status FROM otp_codes") == [("sent",)]


@pytest.mark.parametrize("provider", ["sms", "email"])
async def test_amazon_that_takes_our_signature_for_wrong_is_no_passing_fault(client, provider):
    await set_mood(client, provider, "forged")
    ways = {
        "sms": lambda: client.app[SMS].send("+15550100", "Hi"),
        "email": lambda: client.app[EMAIL].send("ann@example.com", subject="Hi", text="…"),
    }

    with pytest.raises(AwsRefusal) as refusal:
        await ways[provider]()

    assert (refusal.value.reason, refusal.value.is_passing) == ("SignatureDoesNotMatch", False)


@pytest.mark.parametrize("path", ["sms/angry", "fax/ok"])
async def test_mood_nobody_has_is_refused(client, path):
    assert (await client.put(f"/dev/moods/{path}")).status == 400
