"""Schemathesis finds nothing: no 5xx, no undocumented status, header or shape, nothing wrongly taken or refused."""

import asyncio
from time import monotonic
from uuid import uuid4

import pytest
import requests

from romantic.app import ROUTES
from romantic.docs.openapi import described_path, documented, openapi
from tests.docs.fuzz import Fuzz

#: What the development server leaves unconfigured, and whatever would slow thousands of codes down.
SETTINGS = {
    "sms_status_topic_arn": "arn:aws:sns:us-east-1:123456789012:sms",
    "whatsapp_webhook_verify_token": "your_verify_token",
    "probe_min_gap": 0.0,
}
#: They end the session they are asked with.
ENDING = ("/logout", "/auth/sessions/")
RENEW_SECONDS = 600


class People:
    """Ben asks as a person, Ada as an admin, and with a new session whatever ends sessions."""

    def __init__(self, url, seeded):
        self._url = url
        self.ada, self.ben = seeded[0], seeded[1]
        self._tokens = {}

    def token_for(self, scheme, label):
        if any(word in label for word in ENDING):
            return self._sign_in(self.ada, scheme)
        token, since = self._tokens.get(scheme, (None, -RENEW_SECONDS))
        if monotonic() - since >= RENEW_SECONDS:
            token = self._sign_in(self.ben if scheme == "bearer" else self.ada, scheme)
            self._tokens[scheme] = token, monotonic()
        return token

    def _sign_in(self, person, scheme):
        proof = {"phoneNumber": person["phoneNumber"], "otpCode": person["code"]}
        self.ask("POST", "/api/auth/send-otp", json={"phoneNumber": person["phoneNumber"]})
        path = "/api/auth/verify-otp" if scheme == "bearer" else "/api/admin/auth/login"
        return self.ask("POST", path, json=proof)["accessToken"]

    def ask(self, method, path, **options):
        return requests.request(method, self._url + path, timeout=30, **options).json()["data"]


def prepare(url, sql):
    """Everybody who asks, and things that exist to ask for."""
    seeded = requests.get(f"{url}/dev/people.json", timeout=30).json()["data"]["people"]
    sql("UPDATE users SET role = 'admin' WHERE id = %s", seeded[0]["id"])
    people = People(url, seeded)
    ben = {"headers": {"Authorization": f"Bearer {people.token_for('bearer', '')}"}}
    packages = people.ask("GET", "/api/coins/packages", **ben)["packages"]
    ring = {"receiverId": people.ada["id"], "callType": "video"}
    call_id = people.ask("POST", "/api/calls/initiate", json=ring, **ben)["callId"]
    others = [person["id"] for person in seeded if person is not people.ben]
    known = dict.fromkeys(("userId", "targetUserId", "receiverId", "superLoverId"), others)
    known |= {"packageId": [packages[0]["id"]], "callId": [call_id], "referenceId": [str(uuid4()), call_id]}
    return Fuzz(url, openapi(ROUTES), people.token_for, known, examples=1)


@pytest.fixture
async def fuzz(start_server, outside, sql):
    url = await start_server(**SETTINGS, admob_keys_url=outside.admob.url)
    return await asyncio.to_thread(prepare, url, sql)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_few_requests_per_operation_find_nothing(fuzz):
    findings = await asyncio.to_thread(fuzz.run)

    assert sorted(findings) == []
    assert len(fuzz.sent) == len(documented(ROUTES))


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("label", [f"{route.method} {described_path(route)}" for route in documented(ROUTES)])
async def test_five_hundred_requests_to_an_operation_find_nothing(fuzz, label):
    fuzz.examples = 50

    findings = await asyncio.to_thread(fuzz.run, label, at_least=500)

    assert sorted(findings) == []
    assert fuzz.sent[label] >= 500
