"""SNS and SES through the real client against moto, which speaks the real protocol."""

import asyncio

import boto3
import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.sns.models import sns_backends

from romantic.integrations.aws import AwsRefusal
from romantic.integrations.email import EMAIL
from tests.aws import ACCESS, aws  # noqa: F401 - a fixture
from tests.conftest import new_number

SENDER = "hello@romantic.example"


@pytest.fixture
async def client(make_client, aws):  # noqa: F811
    return await make_client(sms_provider="sns", ses_sender=SENDER, aws_endpoint_url=aws, **ACCESS)


async def test_code_goes_out_as_a_text_that_sns_takes(client, outside):
    number = new_number()

    sent = await client.post("/api/auth/send-otp", json={"phoneNumber": number, "deliveryMethod": "sms"})
    texts = sns_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].sms_messages.values()
    (code,) = [text[1].split()[0] for text in texts if text[0] == number]
    verified = await client.post("/api/auth/verify-otp", json={"phoneNumber": number, "otpCode": code})

    assert (sent.status, verified.status) == (200, 200)


async def test_mail_goes_out_once_its_sender_is_verified(client, aws):  # noqa: F811
    mail = client.app[EMAIL]

    with pytest.raises(AwsRefusal) as refusal:
        await mail.send("ann@example.com", subject="Hello", text="Dear Ann")
    ses = boto3.client("ses", endpoint_url=aws, region_name="us-east-1", **ACCESS)
    await asyncio.to_thread(ses.verify_email_identity, EmailAddress=SENDER)

    assert not refusal.value.is_passing
    assert await mail.send("ann@example.com", subject="Hello", text="Dear Ann")
