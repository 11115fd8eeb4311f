"""Schemathesis finds nothing: no 5xx, no undocumented status, header or shape, nothing wrongly taken or refused."""

import asyncio
from uuid import uuid4

import pytest
from aiohttp import ClientSession

from romantic.app import ROUTES
from romantic.docs.openapi import documented, openapi
from tests.docs.fuzz import Fuzz

#: What the development server leaves unconfigured, and whatever would slow thousands of codes down.
SETTINGS = {
    "sms_status_topic_arn": "arn:aws:sns:us-east-1:123456789012:sms",
    "whatsapp_webhook_verify_token": "your_verify_token",
    "probe_min_gap": 0.0,
}
LOGOUTS = ("/logout", "/auth/sessions/")


class People:
    """Ben asks as a person, Ada as an admin, and somebody who is signed in anew for whatever ends sessions."""

    def __init__(self, url, session, people):
        self._url, self._session = url, session
        self.ada, self.ben = people[0], people[1]
        self.tokens = {}

    async def sign_in(self):
        self.tokens["bearer"] = await self._token(self.ben, "/api/auth/verify-otp")
        self.tokens["logout"] = await self._token(self.ada, "/api/auth/verify-otp")
        self.tokens["staff"] = await self._token(self.ada, "/api/admin/auth/login")

    async def _token(self, person, path):
        await self.post("/api/auth/send-otp", {"phoneNumber": person["phoneNumber"]})
        proof = {"phoneNumber": person["phoneNumber"], "otpCode": person["code"]}
        return (await self.post(path, proof))["accessToken"]

    async def post(self, path, body, **headers):
        async with self._session.post(f"{self._url}{path}", json=body, headers=headers) as response:
            return (await response.json())["data"]

    async def get(self, path, **headers):
        async with self._session.get(f"{self._url}{path}", headers=headers) as response:
            return (await response.json())["data"]

    def token_for(self, scheme, label):
        ends = scheme == "bearer" and any(word in label for word in LOGOUTS)
        return self.tokens["logout" if ends else scheme]


@pytest.fixture
async def fuzz(start_server, outside, sql):
    """Ready to run: everybody signed in, and things that exist to ask for."""
    url = await start_server(**SETTINGS, admob_keys_url=outside.admob.url)
    async with ClientSession() as session, session.get(f"{url}/dev/people.json") as response:
        seeded = (await response.json())["data"]["people"]
        sql("UPDATE users SET role = 'admin' WHERE id = %s", seeded[0]["id"])
        people = People(url, session, seeded)
        await people.sign_in()
        ben = {"Authorization": f"Bearer {people.tokens['bearer']}"}
        packages = (await people.get("/api/coins/packages", **ben))["packages"]
        others = [person["id"] for person in seeded if person is not people.ben]
        ring = {"receiverId": people.ada["id"], "callType": "video"}
        call_id = (await people.post("/api/calls/initiate", ring, **ben))["callId"]
    known = dict.fromkeys(("userId", "targetUserId", "receiverId", "superLoverId"), others)
    known |= {"packageId": [packages[0]["id"]], "callId": [call_id], "referenceId": [str(uuid4()), call_id]}
    return Fuzz(url, openapi(ROUTES), people.token_for, known, examples=1)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_few_requests_per_operation_find_nothing(fuzz):
    findings = await asyncio.to_thread(fuzz.run)

    assert sorted(findings) == []
    assert len(fuzz.sent) == len(documented(ROUTES))


@pytest.mark.full
@pytest.mark.timeout(3 * 3600)
async def test_five_hundred_requests_per_operation_find_nothing(fuzz):
    fuzz.examples = 300

    findings = await asyncio.to_thread(fuzz.run)

    assert sorted(findings) == []
    assert {label: sent for label, sent in fuzz.sent.items() if sent < 500} == {}
