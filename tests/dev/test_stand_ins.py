"""The stand-ins of a development server: WhatsApp, SNS and SES on its own address, met by the real clients."""

import socket

import pytest
from aiohttp.test_utils import TestClient

from romantic.app import create_app
from romantic.integrations.aws import AwsRefusal
from romantic.integrations.email import EMAIL
from tests.conftest import Server, new_number, settings_with
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


@pytest.mark.parametrize("path", ["sms/angry", "fax/ok"])
async def test_mood_nobody_has_is_refused(client, path):
    assert (await client.put(f"/dev/moods/{path}")).status == 400
