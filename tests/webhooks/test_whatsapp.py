"""POST /api/webhooks/whatsapp"""

import asyncio
import itertools
import json
import random
from uuid import UUID

import pytest

from tests.conftest import new_number
from tests.waiting import until
from tests.webhooks.meta import NUMBER, change, delivery, post, sign, status, tell

DONE = {"success": True, "message": "Webhook processed successfully"}
PENDING, SENT, FAILED = ("pending", False), ("sent", False), ("failed", False)
DELIVERED, READ = ("delivered", False), ("delivered", True)


@pytest.fixture
def send(client):
    """Send a code through the front door: the id of its message."""

    async def send_code():
        response = await client.post("/api/auth/send-otp", json={"phoneNumber": new_number()})
        return (await response.json())["data"]["whatsappMessageId"]

    return send_code


@pytest.fixture
def state_of(sql):
    """How far a message is, and whether we know that it was read."""

    def look(message_id):
        columns = "delivery_status, read_at IS NOT NULL"
        return sql(f"SELECT {columns} FROM otp_codes WHERE whatsapp_message_id = %s", message_id)[0]

    return look


async def holds(state_of, message, state):
    return state_of(message) == state


@pytest.fixture
def outcomes(sql):
    return lambda: [row[0] for row in sql("SELECT outcome FROM webhook_events ORDER BY received_at")]


async def test_without_a_secret_nothing_is_taken(make_client):
    client = await make_client(whatsapp_app_secret="")

    code, _ = await post(client, b"{}", sign(b"{}", ""))

    assert code == 503


@pytest.mark.parametrize(("told", "state"), [("delivered", DELIVERED), ("read", READ), ("failed", FAILED)])
async def test_status_moves_the_code(client, send, state_of, outcomes, told, state):
    mine, other = await send(), await send()
    raw = json.dumps(delivery(change(status(mine, told)))).encode()

    answer = await post(client, raw)

    assert answer == (200, DONE)
    assert (state_of(mine), state_of(other)) == (state, SENT)
    assert outcomes() == ["taken"]


@pytest.mark.parametrize("together", [False, True], ids=["one by one", "in one delivery"])
@pytest.mark.parametrize(
    ("words", "state"),
    [
        (("sent", "failed"), FAILED),
        (("failed", "delivered"), DELIVERED),
        (("sent", "delivered", "read"), READ),
        (("failed", "read"), READ),
    ],
    ids=str,
)
async def test_furthest_status_stands_in_any_order(client, send, state_of, words, state, together):
    orders = list(itertools.permutations(words))
    messages = [await send() for _ in orders]
    news = [
        [status(message, word) for word in order] for message, order in zip(messages, orders, strict=True)
    ]
    batches = news if together else [[item] for items in news for item in items]

    answers = [await tell(client, *batch) for batch in batches]

    assert set(answers) == {200}
    assert [state_of(message) for message in messages] == [state] * len(orders)


async def test_status_that_overtakes_our_own_note_of_the_message_is_harmless(client, send, sql, state_of):
    message = await send()
    sql("UPDATE otp_codes SET delivery_status = 'pending' WHERE whatsapp_message_id = %s", message)

    await tell(client, status(message, "sent"))

    assert state_of(message) == SENT


async def test_replay_changes_nothing_and_is_answered_the_same(client, send, sql, outcomes):
    raw = json.dumps(delivery(change(status(await send(), "read")))).encode()
    await post(client, raw)
    before = sql("SELECT * FROM otp_codes")

    answers = await asyncio.gather(*(post(client, raw) for _ in range(5)))

    assert answers == [(200, DONE)] * 5
    assert sql("SELECT * FROM otp_codes") == before
    assert outcomes() == ["taken"]


async def test_overlapping_deliveries_at_once_end_in_the_right_state(client, send, state_of):
    dice = random.Random(8)
    messages = [await send() for _ in range(6)]
    news = [status(message, word) for message in messages for word in ("sent", "delivered", "read")]
    batches = [dice.sample(news, len(news)) for _ in range(12)]

    answers = await asyncio.gather(*(tell(client, *batch) for batch in batches))

    assert answers == [200] * 12
    assert [state_of(message) for message in messages] == [READ] * 6


async def test_thousand_entries_are_all_taken(client, send, state_of):
    first, last = await send(), await send()
    strangers = [change(status(f"wamid.{number}", "delivered")) for number in range(998)]
    told = delivery(change(status(first, "delivered")), *strangers, change(status(last, "read")))

    answer = await post(client, json.dumps(told).encode())

    assert answer == (200, DONE)
    assert (state_of(first), state_of(last)) == (DELIVERED, READ)


async def test_news_of_another_number_is_ignored(client, send, state_of, outcomes):
    message = await send()

    answer = await tell(client, status(message, "read"), number="999")

    assert (answer, state_of(message), outcomes()) == (200, SENT, ["ignored"])


async def test_unknown_message_is_ignored(client, send, state_of):
    message = await send()

    answer = await tell(client, status("wamid.nobody", "read"))

    assert (answer, state_of(message)) == (200, SENT)


WRONG = [None, 5, "text", [], {}, [[]], [None]]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
async def test_wrong_shapes_are_ignored_beside_what_is_right(client, send, state_of, wrong):
    message = await send()
    value = {"metadata": {"phone_number_id": NUMBER}, "statuses": wrong}
    told = delivery(
        {"value": wrong}, {"value": {"metadata": wrong}}, {"value": value}, wrong,
        change(status(wrong, "read"), status(message, wrong), status(message, "deleted"), wrong, number=NUMBER),
        change(status(message, "read"), number=wrong),
        change(status("ä" * 200, "read"), status(message, "delivered")),
    )  # fmt: skip
    told["entry"] += [wrong, {"changes": wrong}]

    answers = [
        await post(client, json.dumps(body).encode()) for body in (told, {"entry": wrong}, {"object": wrong})
    ]

    assert answers == [(200, DONE)] * 3
    assert state_of(message) == DELIVERED


async def test_signature_is_over_the_bytes_as_they_came(client, send, state_of):
    message = await send()
    told = delivery({"value": {"messages": [{"text": "ä 😀"}]}}, change(status(message, "read")))
    raw = json.dumps(told, ensure_ascii=False, indent=3).encode() + b"\n "

    answer = await post(client, raw)

    assert (answer, state_of(message)) == ((200, DONE), READ)


RAW = b'{"entry": [], "text": "\xf0\x9f\x98\x80"}'
PROOF = sign(RAW)["X-Hub-Signature-256"]


@pytest.mark.parametrize(
    ("raw", "headers"),
    [
        (RAW, {}),
        (RAW, {"X-Hub-Signature-256": ""}),
        (RAW, {"X-Hub-Signature-256": "sha256=é"}),
        (RAW, {"X-Hub-Signature-256": PROOF.removeprefix("sha256=")}),
        (RAW, {"X-Hub-Signature-256": PROOF[:-1]}),
        (RAW, {"X-Hub-Signature": PROOF}),
        (RAW, sign(RAW, "another-secret")),
        (RAW.replace(b"entry", b"entrz"), sign(RAW)),
        (b"no JSON", sign(RAW)),
    ],
    ids=["none", "empty", "no text", "no scheme", "short", "old header", "secret", "changed byte", "garbage"],
)
async def test_what_meta_did_not_sign_is_refused(client, outcomes, raw, headers):
    code, answer = await post(client, raw, headers)

    assert (code, answer["error"]["code"]) == (401, "INVALID_SIGNATURE")
    assert outcomes() == []


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b"\xff", b'{"a": NaN}', b"[" * 9999], ids=str)
async def test_signed_garbage_is_refused_in_the_envelope(client, raw):
    code, answer = await post(client, raw)

    assert (code, answer["error"]["code"]) == (400, "BAD_REQUEST")


async def test_three_megabytes_are_taken_and_a_byte_more_is_not(client, outcomes):
    largest = b'{"text": "' + b"x" * (3 * 1024 * 1024 - 12) + b'"}'

    taken, _ = await post(client, largest)
    refused, answer = await post(client, largest + b" ")

    assert (taken, refused, answer["error"]["code"]) == (200, 413, "PAYLOAD_TOO_LARGE")
    assert outcomes() == ["ignored"]


async def test_news_that_could_not_be_acted_on_is_acted_on_later(client, send, sql, state_of, outcomes):
    """Meta heard 200 and will not say it again."""
    message = await send()
    sql("ALTER TABLE otp_codes ADD CONSTRAINT broken CHECK (delivery_status <> 'delivered')")
    try:
        answer = await tell(client, status(message, "delivered"))
        before = state_of(message)
    finally:
        sql("ALTER TABLE otp_codes DROP CONSTRAINT broken")

    await until(lambda: holds(state_of, message, DELIVERED))

    assert (answer, before, outcomes()) == (200, SENT, ["taken"])


async def test_news_from_before_we_knew_the_id_is_not_lost(client, send, sql, state_of):
    """It overtook the answer to our own request, and carries no reference."""
    message = await send()
    sql("UPDATE otp_codes SET whatsapp_message_id = NULL, delivery_status = 'pending'")
    await tell(client, status(message, "delivered"))

    sql("UPDATE otp_codes SET whatsapp_message_id = %s, delivery_status = 'sent'", message)

    await until(lambda: holds(state_of, message, DELIVERED))


async def test_news_with_our_reference_needs_no_id(client, send, sql, state_of, outside):
    """As after a crash between the provider's answer and our note of it."""
    message = await send()
    reference = outside.messages[-1]["biz_opaque_callback_data"]
    sql("UPDATE otp_codes SET whatsapp_message_id = NULL, delivery_status = 'pending'")

    await tell(client, status(message, "delivered") | {"biz_opaque_callback_data": reference})

    assert state_of(message) == DELIVERED


@pytest.mark.parametrize("reference", ["", "x", 5, None, [], str(UUID(int=5))], ids=str)
async def test_reference_that_is_none_of_ours_changes_nothing(client, send, state_of, reference):
    message = await send()

    answer = await tell(client, status("wamid.other", "read") | {"biz_opaque_callback_data": reference})

    assert (answer, state_of(message)) == (200, SENT)


async def test_numbers_and_words_of_people_are_not_kept(client, send, sql):
    told = change(status(await send(), "delivered"))
    told["value"]["messages"] = [{"from": "15550177", "text": {"body": "a secret of mine"}}]

    await post(client, json.dumps(delivery(told)).encode())

    ((kept,),) = sql("SELECT row_to_json(webhook_events)::text FROM webhook_events")
    assert "delivered" in kept
    assert "15550" not in kept
    assert "mine" not in kept


async def test_forgers_are_slowed_down_and_meta_is_not(make_client):
    client = await make_client(rate_limits="on")

    forged = {(await post(client, RAW, {}))[0] for _ in range(31)}
    genuine, _ = await post(client, RAW)

    assert forged == {401, 429}
    assert genuine == 200
