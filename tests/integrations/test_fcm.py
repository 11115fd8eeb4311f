"""The client of FCM against a server that speaks its protocol: what is asked, and what each refusal means."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import aiohttp
import jwt
import pytest

from romantic.integrations.fcm import Fcm, verdict_of
from romantic.integrations.push import Push, PushRefusal, Verdict
from romantic.settings import load_settings

PUSH = Push({"type": "call-incoming"}, 30, is_urgent=True, collapse="c1")


@pytest.fixture
async def make_fcm(outside):
    async with aiohttp.ClientSession() as http:

        def make(**settings):
            stores = {"database_url": "", "redis_url": ""}
            return Fcm(
                load_settings({"ROMANTIC_ENV": "test"}, **stores, **outside.fcm.settings | settings), http
            )

        yield make


@pytest.fixture
def fcm(make_fcm):
    return make_fcm()


async def send(fcm, platform="android"):
    return await fcm.send(PUSH, token="a-registration-token", platform=platform)


async def refusal(fcm, platform="android"):
    with pytest.raises(PushRefusal) as refused:
        await send(fcm, platform)
    return refused.value


async def test_many_at_once_share_one_access_token(fcm, outside):
    ids = await asyncio.gather(*(send(fcm) for _ in range(50)))

    assert len(set(ids)) == 50
    assert outside.fcm.tokens_given == 1


async def test_access_token_is_renewed_in_its_last_minute(fcm, outside):
    await send(fcm)
    fcm._tokens._ends_at = time.monotonic() + 90
    await send(fcm)
    kept = outside.fcm.tokens_given
    fcm._tokens._ends_at = time.monotonic() + 59

    await send(fcm)

    assert (kept, outside.fcm.tokens_given) == (1, 2)


async def test_access_token_that_was_revoked_is_replaced_once(fcm, outside):
    await send(fcm)
    outside.fcm.valid.clear()

    await send(fcm)

    assert (outside.fcm.tokens_given, len(outside.fcm.messages)) == (2, 2)


async def test_account_that_stays_locked_out_is_not_asked_for_tokens_for_ever(fcm, outside):
    outside.fcm.mood = "locked"

    assert (await refusal(fcm)).verdict is Verdict.STOP
    assert (outside.fcm.tokens_given, outside.fcm.asked) == (2, 2)


@pytest.mark.parametrize(
    ("mood", "verdict"),
    [
        ("gone", Verdict.FORGET),
        ("unknown", Verdict.FORGET),
        ("mismatch", Verdict.FORGET),
        ("no token", Verdict.FORGET),
        ("no data", Verdict.REFUSED),
        ("busy", Verdict.RETRY),
        ("broken", Verdict.RETRY),
        ("away", Verdict.RETRY),
        ("garbage", Verdict.RETRY),
        ("lost page", Verdict.RETRY),  # our address is wrong: no phone is gone for that
        ("forbidden", Verdict.STOP),
        ("apple", Verdict.STOP),
    ],
)
async def test_refusals_are_told_apart(fcm, outside, mood, verdict):
    outside.fcm.mood = mood

    told = await refusal(fcm)

    assert told.verdict is verdict
    assert "a-registration-token" not in told.reason


@pytest.mark.parametrize(
    ("mood", "verdict"),
    [("refused", Verdict.STOP), ("broken", Verdict.RETRY), ("garbage", Verdict.RETRY)],
)
async def test_without_an_access_token_nothing_is_sent(fcm, outside, mood, verdict):
    outside.fcm.token_mood = mood

    assert (await refusal(fcm)).verdict is verdict
    assert outside.fcm.asked == 0


async def test_account_of_another_key_is_refused_by_google_not_by_us(make_fcm, outside, monkeypatch):
    fcm = make_fcm()
    monkeypatch.setitem(outside.fcm.__dict__, "key", type(outside.fcm)().key)

    told = await refusal(fcm)

    assert (told.verdict, told.reason) == (Verdict.STOP, "token: status 400, invalid_grant")


@pytest.mark.parametrize("mood", ["broken", "away", "busy", "garbage"])
async def test_service_that_failed_thrice_is_left_alone_and_asked_again_after_three_seconds(
    fcm, outside, mood
):
    outside.fcm.mood = mood
    for _ in range(3):
        await refusal(fcm)
    outside.fcm.mood = "ok"

    told = await refusal(fcm)

    assert outside.fcm.asked == 3
    assert told.verdict is Verdict.RETRY
    assert 0 < told.after <= 3
    fcm.breaker._open_until = time.monotonic()  # three seconds later
    assert await send(fcm)
    assert fcm.breaker.is_well


async def test_phones_that_are_gone_do_not_count_against_the_service(fcm, outside):
    outside.fcm.mood = "gone"
    for _ in range(5):
        await refusal(fcm)
    outside.fcm.mood = "ok"

    assert await send(fcm)


async def test_silence_ends_at_the_deadline(fcm, outside, monkeypatch):
    monkeypatch.setattr("romantic.integrations.fcm.TIMEOUT", aiohttp.ClientTimeout(total=0.2))
    outside.fcm.mood = "silence"

    told = await refusal(fcm)

    assert told.verdict is Verdict.RETRY


async def test_nobody_listening_is_a_refusal_like_any_other(make_fcm):
    told = await refusal(make_fcm(fcm_api_base_url="http://127.0.0.1:1"))

    assert told.verdict is Verdict.RETRY


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("999999", 3600.0),
        ("soon", None),
        ("-3", None),
        ("", None),
        ("Tue, 24 Nov 2020 12:00:00 GMT", 0.0),
    ],
)
async def test_wait_the_service_asks_for_is_passed_on(fcm, outside, text, seconds):
    outside.fcm.mood, outside.fcm.retry_after = "busy", text

    assert (await refusal(fcm)).after == seconds


async def test_date_the_service_names_is_a_wait_until_then(fcm, outside):
    outside.fcm.mood = "away"
    outside.fcm.retry_after = format_datetime(datetime.now(UTC) + timedelta(minutes=30), usegmt=True)

    assert 1700 < (await refusal(fcm)).after <= 1800


async def test_project_may_be_another_than_the_accounts(make_fcm, outside):
    assert (await refusal(make_fcm(fcm_project_id="elsewhere"))).verdict is Verdict.STOP
    assert outside.fcm.messages == []


async def test_assertion_says_who_asks_for_what_and_for_how_long(fcm, outside):
    assertion = fcm._tokens._assertion()

    assert jwt.get_unverified_header(assertion) == {"alg": "RS256", "kid": "k1", "typ": "JWT"}
    claims = jwt.decode(assertion, options={"verify_signature": False})
    assert claims["aud"] == f"{outside.fcm.url}/token"
    assert claims["exp"] - claims["iat"] == 3600


@pytest.mark.parametrize(
    ("status", "code", "verdict"),
    [
        (404, "UNREGISTERED", Verdict.FORGET),
        (400, "INVALID_ARGUMENT", Verdict.REFUSED),
        (413, "INVALID_ARGUMENT", Verdict.REFUSED),
        (429, "RESOURCE_EXHAUSTED", Verdict.RETRY),
        (599, "None", Verdict.RETRY),
        (302, "None", Verdict.REFUSED),
    ],
)
def test_codes_nobody_knows_are_judged_by_their_status(status, code, verdict):
    assert verdict_of(status, code) is verdict
