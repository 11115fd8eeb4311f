"""What frames look like in both directions, and what becomes of those that look otherwise."""

from uuid import UUID

import pytest

from romantic.realtime import DISPATCHER, HUB, Event, Kind
from tests.phone import PATIENCE
from tests.realtime.conftest import refused, socket_of


@pytest.fixture
async def phone(make_person, connect):
    return await connect(await make_person())


async def say(phone, text):
    """The next frame after a raw text was sent."""
    await phone.ws.send_str(text)
    return await phone.ws.receive_json(timeout=PATIENCE)


async def test_ack_carries_the_id_as_it_came(phone):
    ids = ["c17", 17, 0, -3, "", "x" * 64, 2**53]

    for message_id in ids:
        await phone.ws.send_json({"event": "app-state", "data": {"state": "background"}, "id": message_id})

    acks = [await phone.ws.receive_json() for _ in ids]
    assert acks == [{"event": "ack", "id": message_id, "data": {}} for message_id in ids]


async def test_success_without_an_id_is_silent(phone):
    await phone.emit("app-state", state="background")

    await phone.hears_nothing_of("ack", "error")


async def test_refusal_with_an_id_names_the_id_only(phone):
    frame = await say(phone, '{"event":"nonsense","id":"c17"}')

    assert (frame["event"], frame["id"], frame["data"]["code"]) == ("error", "c17", "UNKNOWN_EVENT")
    assert frame["data"]["retryable"] is False
    assert "ref" not in frame["data"]


async def test_refusal_without_an_id_names_the_event(phone):
    frame = await say(phone, '{"event":"nonsense"}')

    assert ("id" in frame, frame["data"]["ref"]) == (False, "nonsense")


async def test_refusal_does_not_echo_a_novel(phone):
    frame = await say(phone, f'{{"event":"{"x" * 60_000}"}}')

    assert frame["data"]["ref"] == "x" * 64


async def test_faults_are_named_by_field(phone):
    frame = await say(phone, '{"event":"app-state","data":{"state":"asleep"},"id":1}')

    assert frame["data"]["code"] == "VALIDATION_ERROR"
    assert [(fault["path"], fault["code"]) for fault in frame["data"]["fields"]] == [("state", "invalid")]


async def test_missing_fields_are_named_as_required(phone):
    frame = await say(phone, '{"event":"join-room","id":1}')

    assert [(fault["path"], fault["code"]) for fault in frame["data"]["fields"]] == [("roomId", "required")]


async def test_unknown_fields_are_ignored_everywhere(phone):
    text = '{"event":"app-state","data":{"state":"background","mood":"blue"},"id":1,"version":9}'

    assert (await say(phone, text))["event"] == "ack"


async def test_ping_is_answered_by_pong(phone):
    frame = await say(phone, '{"event":"ping","data":{"t":123}}')

    assert (frame["event"], frame["data"]["t"], len(frame["data"]["serverTime"])) == ("pong", 123, 24)


MALFORMED = (
    "",
    "{",
    "[]",
    '"ping"',
    "null",
    "NaN",
    "{}",
    '{"event":1}',
    '{"event":null,"id":1.5}',
    '{"event":"ping","id":1.5}',
    '{"event":"ping","id":true}',
    '{"event":"ping","id":["a"]}',
    f'{{"event":"ping","id":"{"x" * 65}"}}',
    "[" * 5000,
    '{"event":"ping","data":{"t":"\\ud800"}}',
)


async def test_malformed_frame_is_told_and_survived(make_person, connect):
    person = await make_person()

    for text in MALFORMED:
        phone = await connect(person)
        frame = await say(phone, text)

        assert (frame["event"], frame["data"]["code"], "id" in frame) == ("error", "BAD_FRAME", False), text
        assert await phone.ask("app-state", state="background") == {}
        await phone.close()


async def test_malformed_frame_with_an_id_is_answered_under_it(phone):
    frames = [
        await say(phone, f'{{"id":"c17",{rest}}}') for rest in ('"event":7', '"event":"ping","data":[]')
    ]

    assert [(frame["id"], frame["data"]["code"]) for frame in frames] == [("c17", "BAD_FRAME")] * 2


async def test_nul_is_refused_before_the_database_meets_it(phone):
    frame = await say(phone, '{"id":"c17","event":"ping","data":{"t":["a\\u0000"]}}')

    assert (frame["id"], frame["data"]["code"]) == ("c17", "BAD_FRAME")


async def test_escaped_backslash_is_no_nul(phone):
    frame = await say(phone, '{"event":"ping","data":{"t":"\\\\u0000"}}')

    assert frame["data"]["t"] == "\\u0000"


async def test_third_malformed_frame_within_a_minute_ends_the_socket(phone):
    for _ in range(3):
        await phone.ws.send_str("{")

    assert await phone.closed() == 4400
    assert [frame["data"]["code"] for frame in phone.heard] == ["BAD_FRAME"] * 3


async def test_binary_frame_ends_the_socket(phone):
    await phone.ws.send_bytes(b'{"event":"ping"}')

    assert await phone.closed() == 1003


async def test_text_that_is_not_utf8_ends_the_socket(phone):
    await phone.ws._writer.send_frame(b'{"event":"\xff"}', 1)

    assert await phone.closed() == 1007


async def test_frame_of_64_kib_is_the_largest(phone):
    envelope = len('{"event":"ping","data":{"t":""}}')

    frame = await say(phone, f'{{"event":"ping","data":{{"t":"{"x" * (65536 - 1 - envelope)}"}}}}')
    await phone.ws.send_str(f'{{"event":"ping","data":{{"t":"{"x" * (65536 + 1 - envelope)}"}}}}')

    assert frame["event"] == "pong"
    assert await phone.closed() == 1009


async def test_same_id_is_answered_again_and_not_served_again(client, phone):
    first = await say(phone, '{"event":"app-state","data":{"state":"background"},"id":"once"}')
    second = await say(phone, '{"event":"app-state","data":{"state":"foreground"},"id":"once"}')

    assert first == second
    assert socket_of(phone, client).in_foreground is False


async def test_same_id_on_another_socket_is_another_frame(phone, connect):
    other = await connect(phone.person)
    await say(phone, '{"event":"nonsense","id":"once"}')

    frame = await say(other, '{"event":"app-state","data":{"state":"foreground"},"id":"once"}')

    assert frame["event"] == "ack"


async def test_only_recoverable_events_are_numbered_and_the_numbers_rise(client, phone):
    hub, me = client.app[HUB], UUID(phone.person.id)

    hub.send(me, Event("balance", {"balance": 1}))
    hub.send(me, Event("typing", {}, Kind.VOLATILE))
    hub.send(me, Event("call-meter", {}, Kind.WITH_CALL))

    frames = [await phone.expect_frame(name) for name in ("balance", "typing", "call-meter")]
    assert phone.ready["seq"] < frames[0]["seq"] < frames[2]["seq"]
    assert "seq" not in frames[1]
    assert all(len(frame["ts"]) == len("2024-01-15T10:30:01.005Z") for frame in frames)


async def test_crash_of_a_handler_is_one_answer_and_nothing_internal(client, phone, monkeypatch):
    async def crash(*_, **__):
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(client.app[DISPATCHER].routes["app-state"], "handler", crash)

    frame = await say(phone, '{"event":"app-state","data":{"state":"foreground"},"id":1}')

    assert (frame["data"]["code"], frame["data"]["retryable"]) == ("INTERNAL", True)
    assert "secret" not in str(frame)
    assert (await say(phone, '{"event":"ping"}'))["event"] == "pong"


async def test_close_code_nobody_may_send_is_a_protocol_error(phone):
    await phone.ws._writer.send_frame((1005).to_bytes(2, "big"), 8)

    assert await refused(phone.ws) == (None, 1002)
