"""The detector that looks at every line of every test finds what it is for, and nothing else"""

import json
from uuid import uuid4

import pytest
import structlog

from tests.conftest import new_number
from tests.secrecy import DETECTOR, Detector

SIGNED = ".".join(("eyJ" + "hbGciOiJIUzI1NiJ9", "eyJzdWIiOiIxIn0", "c2lnbmF0dXJl"))


def found(told, **line):
    detector = Detector()
    detector.tell_body(told)
    detector.hear(json.dumps({"event": "x", **line}))
    return bool(detector.leaks())


@pytest.mark.parametrize(
    "line",
    [
        {"reason": "code 482913 was wrong"},
        {"deep": [{"otp": "482913"}]},
        {"reason": "to 15550001234"},
        {"text": "Meet me at noon?"},
        {"token": SIGNED},
        {"headers": "Authorization: Bearer abcdefghijklmnop"},
        {"reason": "+12025550123 is busy"},
        {"offer": "v=0\r\no=- 1 1 IN IP4 0.0.0.0"},
        {"line": "a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1"},
        {"line": "candidate:1 1 udp 2113937151 192.0.2.7 9 typ host"},
        {"refused": "kid.0af76519.3.bWFjbWFjbWFj"},
        {"key": "sk_live_abcdef"},
    ],
    ids=lambda line: next(iter(line.values())).__str__()[:24],
)
def test_a_secret_is_found_wherever_it_stands(line):
    told = {
        "phoneNumber": "+15550001234", "otpCode": "482913", "refreshToken": "kid.0af76519.3.bWFjbWFjbWFj",
        "items": [{"messageText": "Meet me at noon?"}],
    }  # fmt: skip

    assert found(told, **line)


def test_what_is_no_secret_is_not_found():
    told = {"otpCode": "482913", "messageText": "hi", "callType": "video"}
    line = {
        "bytes": 482913, "at": "2026-11-28T12:00:00.482913Z", "call_id": str(uuid4()), "kind": "video",
        "phone": "+***34", "candidate_type": "host", "entry": "a4829130b",
    }  # fmt: skip

    assert not found(told, **line)


async def test_whatever_the_application_logs_in_a_test_is_heard(client, make_person):
    person = await make_person()
    await person.get("/api/coins/balance")

    assert any('"route":"/api/coins/balance"' in line for line in DETECTOR.lines)


def test_a_secret_that_redaction_misses_fails_the_test_it_is_logged_in():
    number = new_number()
    structlog.get_logger().info("careless", reason=f"no WhatsApp at {number.removeprefix('+')}")

    leaks = DETECTOR.leaks()
    DETECTOR.begin()  # or this test would fail, as it should

    assert len(leaks) == 1
    assert "careless" in leaks[0]
