"""POST /api/webhooks/sms: notes of Amazon SNS, signed as SNS signs them."""

import base64
import datetime
import json

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.conftest import new_number
from tests.waiting import until
from tests.webhooks.meta import acted_on

URL, TOPIC = "/api/webhooks/sms", "arn:aws:sns:us-east-1:123456789012:texts"


class Amazon:
    """A certificate at an address, notes signed with its key, and who confirmed."""

    def __init__(self):
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
        now = datetime.datetime.now(datetime.UTC)
        self._certificate = (
            x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(self._key.public_key())
            .serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
            .sign(self._key, SHA256()).public_bytes(Encoding.PEM)
        )  # fmt: skip
        self.confirmed = []
        self.is_down = False

    async def start(self):
        app = web.Application()
        app.router.add_get("/cert.pem", self._show)
        app.router.add_get("/confirm", self._confirm)
        self.server = TestServer(app)
        await self.server.start_server()
        self.url = str(self.server.make_url("/")).rstrip("/")

    async def _show(self, _):
        return web.Response(status=503) if self.is_down else web.Response(body=self._certificate)

    async def _confirm(self, request):
        self.confirmed.append(request.query["Token"])
        return web.Response(text="<ConfirmSubscriptionResponse/>")

    def note(self, message, kind="Notification", **changes):
        note = {
            "Type": kind, "MessageId": "note-1", "TopicArn": TOPIC, "Message": message,
            "Timestamp": "2026-01-01T00:00:00.000Z", "SignatureVersion": "2",
            "SigningCertURL": f"{self.url}/cert.pem",
        }  # fmt: skip
        if kind == "SubscriptionConfirmation":
            note |= {"Token": "t0ken", "SubscribeURL": f"{self.url}/confirm?Token=t0ken"}
        note |= changes
        names = sorted(set(note) - {"SignatureVersion", "SigningCertURL"})
        content = "".join(f"{name}\n{note[name]}\n" for name in names)
        signature = self._key.sign(content.encode(), padding.PKCS1v15(), SHA256())
        return note | {"Signature": base64.b64encode(signature).decode()}


@pytest.fixture
async def amazon():
    amazon = Amazon()
    await amazon.start()
    yield amazon
    await amazon.server.close()


@pytest.fixture
async def client(make_client, outside, amazon):
    """Texts go to one stand-in; the notes name another as their origin."""
    client = await make_client(**outside.aws.settings, sms_status_topic_arn=TOPIC)
    from romantic.integrations.sns_events import SNS_NOTES

    client.app[SNS_NOTES]._stand_in = amazon.url
    return client


async def post(client, note):
    response = await client.post(URL, data=json.dumps(note), headers={"Content-Type": "text/plain"})
    return response.status


async def text_of(client, outside):
    body = {"phoneNumber": new_number(), "deliveryMethod": "sms"}
    assert (await client.post("/api/auth/send-otp", json=body)).status == 200
    return outside.aws.texts[-1]["id"]


def status_of(sql):
    return sql("SELECT delivery_status FROM otp_codes")[0][0]


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ({"eventType": "TEXT_DELIVERED"}, "delivered"),
        ({"eventType": "TEXT_SENT"}, "sent"),
        ({"eventType": "TEXT_CARRIER_BLOCKED"}, "failed"),
        ({"status": "SUCCESS", "notification": None}, "delivered"),
        ({"status": "FAILURE", "notification": None}, "failed"),
    ],
    ids=str,
)
async def test_note_moves_the_code(client, outside, amazon, sql, told, status):
    message_id = await text_of(client, outside)
    told = (
        {**told, "notification": {"messageId": message_id}}
        if "notification" in told
        else {**told, "messageId": message_id}
    )

    answers = [await post(client, amazon.note(json.dumps(told))) for _ in range(2)]
    await until(lambda: acted_on(client))

    assert (answers, status_of(sql)) == ([200, 200], status)
    assert len(outside.aws.texts) == 1


async def test_subscription_of_our_topic_is_confirmed(client, amazon):
    answer = await post(client, amazon.note("You have chosen…", "SubscriptionConfirmation"))

    assert (answer, amazon.confirmed) == (200, ["t0ken"])


@pytest.mark.parametrize(
    "changes",
    [
        {"TopicArn": "arn:aws:sns:us-east-1:999999999999:mine"},
        {"SignatureVersion": "1"},
        {"SigningCertURL": "http://169.254.169.254/cert.pem"},
        {"SigningCertURL": "https://sns.us-east-1.amazonaws.com.evil.example/cert.pem"},
        {"SigningCertURL": None},
        {"Type": "UnsubscribeConfirmation"},
        {"Type": None},
    ],
    ids=str,
)
async def test_what_is_not_of_our_topic_and_amazons_is_refused(client, amazon, changes):
    assert await post(client, amazon.note("{}", **changes)) == 401


async def test_changed_note_is_refused(client, amazon, sql):
    note = amazon.note('{"messageId": "sms-1", "eventType": "TEXT_DELIVERED"}')

    assert await post(client, note | {"MessageId": "another"}) == 401
    assert await post(client, note | {"Signature": "AAAA"}) == 401
    assert sql("SELECT * FROM webhook_events") == []


async def test_confirmation_never_leads_us_elsewhere(client, amazon):
    note = amazon.note("…", "SubscriptionConfirmation", SubscribeURL="http://127.0.0.1:1/steal")

    assert await post(client, note) == 401


async def test_certificate_that_cannot_be_fetched_makes_amazon_come_again(client, amazon):
    amazon.is_down = True
    away = await post(client, amazon.note("{}"))
    amazon.is_down = False

    assert (away, await post(client, amazon.note("{}"))) == (503, 200)


@pytest.mark.parametrize("message", ["", "no JSON", "[]", '{"messageId": 5}', '{"notification": []}'])
async def test_note_that_says_nothing_of_a_text_is_taken_and_ignored(client, amazon, sql, message):
    assert await post(client, amazon.note(message)) == 200
    assert sql("SELECT outcome FROM webhook_events") == [("ignored",)]


async def test_without_a_topic_nothing_is_taken(make_client, amazon):
    assert await post(await make_client(), amazon.note("{}")) == 503
