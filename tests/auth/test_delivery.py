"""How a code reaches its phone: WhatsApp, SMS once, and neither lost nor repeated by a crash."""

import asyncio
import os
import signal
import sys

import pytest

from romantic.auth import delivery, otp
from romantic.db import Database
from romantic.integrations.whatsapp import Verdict, verdict_of
from tests.conftest import new_number, settings_with
from tests.waiting import until
from tests.webhooks.meta import status, tell

URL = "/api/auth/send-otp"


@pytest.fixture
def make_texting(make_client, outside):
    """An application that has an SMS provider as well."""

    async def make(**settings):
        return await make_client(**(outside.aws.settings | settings))

    return make


@pytest.fixture
async def texting(make_texting):
    return await make_texting()


async def send(client, number, **body):
    response = await client.post(URL, json={"phoneNumber": number, **body})
    return response, await response.json()


async def verify(client, number, code, message_id=None):
    body = {"phoneNumber": number, "otpCode": code}
    if message_id:
        body["whatsappMessageId"] = message_id
    response = await client.post("/api/auth/verify-otp", json=body)
    return response.status, await response.json()


def code_in(text):
    return text["text"].split()[0]


def sent_texts(outside, count):
    async def holds():
        return len(outside.aws.texts) == count

    return until(holds)


def jobs_are(sql, *expected):
    async def holds():
        return sql("SELECT kind, status FROM jobs ORDER BY id") == list(expected)

    return until(holds)


@pytest.mark.parametrize("mood", ["error", "busy", "broken", "locked", "unknown", "garbage"])
async def test_code_whatsapp_refuses_goes_by_sms_at_once(texting, outside, mood):
    number = new_number()
    outside.mood = mood

    response, answer = await send(texting, number)

    (text,) = outside.aws.texts
    assert (response.status, text["to"]) == (200, number)
    assert answer["data"]["deliveryMethod"] == "sms"
    assert answer["data"]["whatsappMessageId"] is None
    assert (await verify(texting, number, code_in(text)))[0] == 200


async def test_code_asked_for_by_sms_goes_by_sms_only(texting, outside, sql):
    number = new_number()

    _, answer = await send(texting, number, deliveryMethod="sms")
    (text,) = outside.aws.texts
    code, proof = await verify(texting, number, code_in(text))

    assert (answer["data"]["deliveryMethod"], answer["message"]) == ("sms", "OTP sent via SMS successfully")
    assert (code, proof["data"]["verificationMethod"]) == (200, "sms")
    assert outside.messages == []


async def test_both_ways_draw_on_one_budget(make_texting, outside):
    client = await make_texting(otp_per_hour=2)
    number = new_number()

    answers = [await send(client, number, deliveryMethod=way) for way in ("sms", "whatsapp", "sms")]

    assert [response.status for response, _ in answers] == [200, 200, 429]


async def test_code_that_fails_later_goes_by_sms_once_with_the_same_code(texting, outside):
    number = new_number()
    _, answer = await send(texting, number)
    message_id = answer["data"]["whatsappMessageId"]

    await tell(texting, status(message_id, "failed"))
    await sent_texts(outside, 1)
    await tell(texting, status(message_id, "failed") | {"errors": [{"code": 131026}]})

    (text,) = outside.aws.texts
    assert code_in(text) == outside.code_for(number)
    assert (await verify(texting, number, code_in(text), message_id))[0] == 200


async def test_code_not_delivered_in_time_goes_by_sms_once_with_the_same_expiry(make_texting, outside, sql):
    client = await make_texting(otp_fallback_seconds=0.2)
    number = new_number()
    _, answer = await send(client, number)
    expires_at = sql("SELECT expires_at FROM otp_codes")

    await sent_texts(outside, 1)
    await tell(client, status(answer["data"]["whatsappMessageId"], "failed"))
    await jobs_are(
        sql, ("otp.send", "done"), ("otp.look", "done"), ("otp.text", "done"), ("webhook.statuses", "done")
    )

    assert [code_in(text) for text in outside.aws.texts] == [outside.code_for(number)]
    assert sql("SELECT expires_at FROM otp_codes") == expires_at
    assert sql("SELECT delivery_method, delivery_status FROM otp_codes") == [("sms", "sent")]


@pytest.mark.parametrize("event", ["delivered", "read", "used", "superseded"])
async def test_code_that_has_come_is_not_sent_again(make_texting, outside, sql, event):
    client = await make_texting(otp_fallback_seconds=0.5)
    number = new_number()
    _, answer = await send(client, number)

    if event == "used":
        await verify(client, number, outside.code_for(number))
    elif event == "superseded":
        await send(client, number)
        sql("UPDATE jobs SET status = 'done', finished_at = now() WHERE id = (SELECT max(id) FROM jobs)")
    else:
        await tell(client, status(answer["data"]["whatsappMessageId"], event))
    looks = "SELECT count(*) FROM jobs WHERE kind = 'otp.look' AND status = 'waiting'"

    async def has_looked():
        return sql(looks) == [(0,)]

    await until(has_looked)
    assert outside.aws.texts == []


async def test_code_neither_provider_takes_is_a_503_and_costs_the_number_nothing(make_texting, outside):
    client = await make_texting(otp_per_hour=1)
    number = new_number()
    outside.mood, outside.aws.mood = "error", "refused"

    failed, answer = await send(client, number)
    outside.mood = "ok"
    again, _ = await send(client, number)

    assert (failed.status, answer["error"]["code"]) == (503, "OTP_NOT_SENT")
    assert again.status == 200


@pytest.mark.parametrize("mood", ["busy", "broken", "garbage"])
async def test_sms_that_may_work_in_a_moment_is_tried_again(texting, outside, mood):
    number = new_number()
    outside.aws.mood = mood
    sending = asyncio.create_task(send(texting, number, deliveryMethod="sms"))

    async def was_asked():
        return outside.aws.asked > 0

    await until(was_asked)
    outside.aws.mood = "ok"

    response, _ = await sending
    assert (response.status, len(outside.aws.texts)) == (200, 1)


async def test_silent_provider_is_answered_for_and_its_code_sent_when_it_is_back(make_client, outside, sql):
    """Nobody waits for a provider longer than they would: the code is on its way, and so is the answer."""
    client = await make_client(otp_wait_seconds=0.2)
    number = new_number()
    outside.mood = "busy"

    response, answer = await send(client, number)
    outside.mood = "ok"
    await jobs_are(sql, ("otp.send", "done"))

    assert (response.status, answer["data"]["deliveryMethod"]) == (200, "whatsapp")
    message_id = answer["data"]["whatsappMessageId"]
    assert (await verify(client, number, outside.code_for(number), message_id))[0] == 200


async def test_provider_that_is_back_is_used_again_within_five_seconds(make_client, outside):
    client = await make_client()
    outside.mood = "garbage"
    assert (await send(client, new_number()))[0].status == 503
    outside.mood = "ok"

    response, _ = await asyncio.wait_for(send(client, new_number()), 5)

    assert (response.status, len(outside.messages)) == (200, 1)


async def test_provider_that_was_silent_thrice_is_left_alone_for_a_moment(make_texting, outside, monkeypatch):
    client = await make_texting()
    outside.mood = "broken"
    for _ in range(3):
        await send(client, new_number())
    outside.mood = "ok"

    _, answer = await send(client, new_number())

    assert (answer["data"]["deliveryMethod"], outside.messages) == ("sms", [])


async def test_no_code_is_in_the_database_in_any_form_that_is_read(texting, outside, sql):
    numbers = [new_number() for _ in range(3)]
    outside.mood = "busy"
    for number in numbers:
        await send(texting, number)
    outside.mood = "ok"
    codes = [code_in(text) for text in outside.aws.texts]
    tables = [name for (name,) in sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    dump = "\n".join(
        row
        for table in tables
        for (row,) in sql(f"SELECT (to_jsonb(t) - 'code_hash' - 'phone_number')::text FROM \"{table}\" AS t")
    )

    assert len(codes) == 3
    # Digits by chance, such as in a fraction of a second, are none of ours.
    assert [code for code in codes if f'"{code}' in dump or f" {code} " in dump] == []


def test_codes_are_spread_and_need_the_pepper():
    from uuid import UUID, uuid4

    about = {"code_id": UUID(int=1), "phone_number": "+15550100"}
    codes = {otp.derive_code("pepper", code_id=uuid4(), phone_number="+15550100") for _ in range(1000)}

    assert len(codes) > 990
    assert all(len(code) == 6 and code.isdecimal() for code in codes)
    assert otp.derive_code("pepper", **about) == otp.derive_code("pepper", **about)
    assert otp.derive_code("pepper", **about) != otp.derive_code("other pepper", **about)


async def test_code_of_a_changed_pepper_is_not_sent_for_nobody_could_use_it(
    make_client, postgres, valkey, outside, sql
):
    settings = settings_with(
        postgres, valkey, outside, otp_pepper="another pepper of more than 32 characters"
    )
    await write_code(settings)

    await make_client()
    await jobs_are(sql, ("otp.send", "dead"))

    assert outside.messages == []


async def write_code(settings, number="+15550100"):
    """What a request commits, by a process that has no worker."""
    database = Database(settings)
    await database.start()
    async with database.transaction() as conn:
        issued = await otp.issue(conn, settings, phone_number=number, ip=None, method="whatsapp")
        await delivery.begin(conn, issued, method="whatsapp", seconds=settings.otp_ttl)
    await database.stop()
    return issued


async def test_code_that_was_committed_and_not_sent_is_sent_by_the_next_process(
    make_client, postgres, valkey, outside, sql
):
    await write_code(settings_with(postgres, valkey, outside))

    clients = [await make_client(), await make_client()]
    await jobs_are(sql, ("otp.send", "done"))

    assert len(outside.messages) == 1
    assert (await verify(clients[0], "+15550100", outside.code_for("+15550100")))[0] == 200


KILLED_BETWEEN_COMMIT_AND_SEND = """
import asyncio, os, signal, sys
from romantic.auth import delivery, otp
from romantic.db import Database
from romantic.settings import load_settings

async def main():
    settings = load_settings({"ROMANTIC_ENV": "test"}, database_url=sys.argv[1])
    database = Database(settings)
    await database.start()
    async with database.transaction() as conn:
        issued = await otp.issue(conn, settings, phone_number="+15550100", ip=None, method="whatsapp")
        await delivery.begin(conn, issued, method="whatsapp", seconds=settings.otp_ttl)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_process_killed_between_commit_and_send_leaves_exactly_one_code_to_come(
    make_client, postgres, outside, sql
):
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        KILLED_BETWEEN_COMMIT_AND_SEND,
        postgres,
        env=os.environ | {"ROMANTIC_ENV": "test"},
    )
    assert await process.wait() == -signal.SIGKILL
    assert sql("SELECT kind, status FROM jobs") == [("otp.send", "waiting")]

    client = await make_client()
    await jobs_are(sql, ("otp.send", "done"))

    assert len(outside.messages) == 1
    assert (await verify(client, "+15550100", outside.code_for("+15550100")))[0] == 200


async def test_crash_after_the_send_is_mended_by_the_status_before_the_code_is_sent_twice(
    client, outside, sql
):
    """The provider took it, we never wrote that down; its news arrives before the lease is over."""
    number = new_number()
    _, answer = await send(client, number)
    reference = outside.messages[0]["biz_opaque_callback_data"]
    sql("UPDATE otp_codes SET whatsapp_message_id = NULL, delivery_status = 'pending'")
    news = status(answer["data"]["whatsappMessageId"], "sent") | {"biz_opaque_callback_data": reference}
    await tell(client, news)

    sql("UPDATE jobs SET status = 'running', finished_at = NULL, run_at = now(), payload = %s WHERE kind = %s",
        f'{{"codeId": "{reference}"}}', "otp.send")  # fmt: skip
    await jobs_are(sql, ("otp.send", "done"), ("webhook.statuses", "done"))

    assert len(outside.messages) == 1
    assert (await verify(client, number, outside.code_for(number), news["id"]))[0] == 200


@pytest.mark.parametrize(
    ("status", "code", "verdict"),
    [
        (400, 131026, Verdict.FALL_BACK),
        (400, 131049, Verdict.FALL_BACK),
        (400, 999999, Verdict.FALL_BACK),
        (401, 190, Verdict.STOP),
        (403, 299, Verdict.STOP),
        (403, 131031, Verdict.STOP),
        (404, 132001, Verdict.STOP),
        (400, 130429, Verdict.RETRY),
        (400, 131056, Verdict.RETRY),
        (429, 999999, Verdict.RETRY),
        (503, 999999, Verdict.RETRY),
        (200, None, Verdict.RETRY),
    ],
)
def test_refusals_are_told_apart(status, code, verdict):
    assert verdict_of(status, code) is verdict
