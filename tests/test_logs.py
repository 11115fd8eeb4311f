"""Logs: one JSON object per line, the canonical lines, no secret in any, and no waiting for the reader."""

import io
import json
import logging
import re
import threading
import time
from uuid import uuid4

import psycopg2
import pytest
import structlog

from romantic.logs import _Sink, configure_logs, cut_address, flush_logs, redact
from romantic.settings import load_settings
from tests.conftest import new_number, prove

SDP = (
    "v=0\r\na=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n"
    "a=candidate:1 1 udp 1 192.0.2.7 9 typ host\r\n"
)


@pytest.fixture
def lines():
    """Everything logged during the test, as it would reach stdout."""
    stream = io.StringIO()
    configure_logs(load_settings({"ROMANTIC_ENV": "test", "LOG_LEVEL": "debug"}), stream)

    def read():
        flush_logs()
        return [json.loads(line) for line in stream.getvalue().splitlines()]

    yield read
    structlog.reset_defaults()
    logging.basicConfig(force=True)


async def test_request_is_one_canonical_line(lines, make_person):
    person = await make_person()

    response = await person.get("/api/coins/transactions?limit=5")

    (line,) = [line for line in lines() if line.get("route") == "/api/coins/transactions"]
    assert line["request_id"] == response.headers["X-Request-Id"]
    assert line["duration_ms"] >= 0
    assert line.items() >= {
        "event": "http.request", "level": "info", "service": "romantic", "env": "test", "method": "GET",
        "status": 200, "user_id": person.id, "ip": "127.0.0.0/24", "error_code": None,
    }.items()  # fmt: skip
    assert {"timestamp", "version", "req_bytes"} <= set(line)


@pytest.mark.parametrize(
    ("path", "status", "code", "route"),
    [
        ("/nothing/at/all", 404, "NOT_FOUND", "unmatched"),
        ("/api/auth/profile", 401, "UNAUTHORIZED", "/api/auth/profile"),
    ],
)
async def test_refused_request_has_its_line_with_the_code(lines, client, path, status, code, route):
    await client.get(path)

    (line,) = [line for line in lines() if line["event"] == "http.request"]
    assert (line["status"], line["error_code"], line["route"]) == (status, code, route)


async def test_fault_of_ours_is_an_error_line_without_locals_under_the_same_request_id(
    lines, make_person, sql
):
    person = await make_person()
    sql("ALTER TABLE coin_transactions RENAME TO gone")
    response = await person.get("/api/coins/transactions")
    sql("ALTER TABLE gone RENAME TO coin_transactions")

    (crash,) = [line for line in lines() if line["event"] == "http.crashed"]
    answer = await response.json()
    assert (crash["level"], crash["request_id"]) == ("error", response.headers["X-Request-Id"])
    assert "locals" not in str(crash)
    assert "coin_transactions" not in str(answer)
    assert answer["error"]["code"] == "INTERNAL"


async def test_spent_coins_are_one_ledger_line_and_a_replay_is_none(lines, make_person):
    person, body = await make_person(), {"amount": 20, "action": "boost", "referenceId": str(uuid4())}
    for _ in range(2):
        await person.post("/api/coins/spend", body)

    (line,) = [line for line in lines() if line["event"] == "ledger.entry" and line["kind"] == "spend"]
    assert (line["user_id"], line["amount"], line["balance_after"]) == (person.id, -20, 30)


async def test_flow_leaves_no_secret_in_any_line(lines, client, outside, make_person, connect):
    number = new_number()
    proof = await prove(client, outside, number)
    code = outside.code_for(number)
    await client.post("/api/auth/verify-otp", json={"phoneNumber": number, "otpCode": code})
    await client.post("/api/auth/refresh", json={"refreshToken": proof["refreshToken"]})
    outside.mood = "error"
    await client.post("/api/auth/send-otp", json={"phoneNumber": number})
    outside.mood = "ok"
    caller, receiver = await make_person(coins=500), await make_person("Bea")
    phone = await connect(caller)
    call = await caller.post("/api/calls/initiate", {"receiverId": receiver.id, "callType": "video"})
    room = (await call.json())["data"]["roomId"]
    await phone.ask("join-room", roomId=room)
    await phone.ask(
        "webrtc-offer", roomId=room, targetUserId=receiver.id, offer={"type": "offer", "sdp": SDP}
    )
    await phone.ask("nobody-knows-this", text="I love you", token=caller.access_token)
    await caller.post("/api/messages/send", {"receiverId": receiver.id, "messageText": "I love you"})
    await caller.post("/api/auth/logout")

    written = json.dumps(lines())

    assert "http.request" in written
    secrets = (
        number, number.removeprefix("+"), caller.phone_number, proof["accessToken"], proof["refreshToken"],
        caller.access_token, caller.refresh_token, "eyJ", "EsAw", "P2uYro0UCOQ4zxjKXaWCBui1", "192.0.2.7",
        "I love you", "test-token", "test-only-secret", "127.0.0.1/",
    )  # fmt: skip
    assert [secret for secret in secrets if secret in written] == []
    assert not [line for line in lines() if code in map(str, line.values())]


def test_secrets_go_by_their_name_wherever_they_stand():
    event = {
        "event": "x", "otpCode": "1", "access_token": "2", "refreshToken": "3", "Authorization": "4",
        "phone_number": "5", "messageText": "9",
        "nested": {"client_secret": "6", "deep": [{"sdp": "7"}, {"candidate": "8"}]},
    }  # fmt: skip

    cleaned = redact(None, "info", event)

    assert not set("123456789") & set(json.dumps(cleaned))


def test_names_that_only_resemble_secrets_stay():
    event = {
        "error_code": "A",
        "close_code": 1,
        "candidate_pair": "srflx/host",
        "answered_at": "t",
        "phone_hash": "h",
    }

    assert redact(None, "info", dict(event)) == event


@pytest.mark.parametrize(
    "text",
    [
        "call +15551234567 now",
        "Key (phone_number)=(+15551234567) already exists",
        "Bearer abc.def",
        "eyJhbGciOi.eyJzdWIi.c2ln",
        SDP,
    ],
)
def test_secrets_go_by_their_shape_in_any_text(text):
    cleaned = json.dumps(redact(None, "info", {"reason": text, "exception": [{"exc_value": text}]}))

    hidden = ("5551234", "abc.def", "eyJzdWIi", "EsAw", "P2uYro0U", "192.0.2.7")
    assert not [part for part in hidden if part in cleaned]


def test_row_that_postgresql_refused_is_in_no_line(lines, sql):
    words = "meet me at eight,\nby the old bridge"
    sql("CREATE TEMPORARY TABLE notes (words TEXT, stars INTEGER CHECK (stars > 0))")
    try:
        sql("INSERT INTO notes VALUES (%s, 0)", words)
    except psycopg2.Error as fault:
        structlog.get_logger().exception("note.failed", reason=str(fault))

    (line,) = lines()
    assert "violates check constraint" in line["reason"]
    assert not [part for part in ("meet me", "old bridge") if part in json.dumps(line)]


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("unknown", "unknown"),
        ("", "unknown"),
    ],
)
def test_addresses_are_cut_to_their_network(address, network):
    assert cut_address(address) == network


@pytest.mark.parametrize("value", ["\udcff", 10**30, object(), float("nan"), b"bytes", {1: 2}])
def test_no_value_can_make_a_line_fail(lines, value):
    structlog.get_logger().info("odd", value=value)

    assert [line["event"] for line in lines()] == ["odd"]


def test_library_that_logs_joins_in(lines):
    logging.getLogger("vendor.client").warning("called %s", "+15551234567")

    (line,) = lines()
    assert (line["event"], line["logger"], line["level"]) == ("python.log", "vendor.client", "warning")
    assert "5551234" not in line["reason"]


class Stuck(io.StringIO):
    """A pipe nobody reads, until somebody does."""

    def __init__(self):
        super().__init__()
        self.read = threading.Event()

    def write(self, text):
        self.read.wait()
        return super().write(text)


def test_full_pipe_holds_nobody_up_and_what_was_dropped_is_counted():
    stream = Stuck()
    sink = _Sink(stream)
    sink.most = 100
    started = time.monotonic()
    for _ in range(5000):
        sink.msg("{}")
    took = time.monotonic() - started

    stream.read.set()
    sink.flush()
    sink.msg("{}")
    sink.flush()

    written = [json.loads(line) for line in stream.getvalue().splitlines()]
    dropped = sum(line.get("lines", 0) for line in written)
    assert took < 5
    assert dropped > 0
    assert len([line for line in written if not line]) + dropped == 5001


def test_broken_pipe_is_no_fault_of_whoever_logs():
    stream = io.StringIO()
    sink = _Sink(stream)
    stream.close()

    sink.msg("{}")

    sink.flush()


def test_console_shows_no_locals(capsys):
    settings = load_settings({"ROMANTIC_ENV": "test", "LOG_FORMAT": "console"})
    stream = io.StringIO()
    configure_logs(settings, stream)
    otp_code = "".join(["31", "41", "59"])

    try:
        raise ValueError(len(otp_code))
    except ValueError:
        structlog.get_logger().exception("failed")
    flush_logs()
    structlog.reset_defaults()

    assert "ValueError" in stream.getvalue()
    assert "314159" not in stream.getvalue()


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self):
        return True


@pytest.mark.parametrize(("stream", "is_coloured"), [(Terminal(), True), (io.StringIO(), False)])
def test_console_is_aligned_for_people_and_coloured_only_on_a_terminal(stream, is_coloured):
    configure_logs(load_settings({"ROMANTIC_ENV": "test", "LOG_FORMAT": "console"}), stream)

    structlog.get_logger().info("server.start", port=8080, reason="to +15551234567")
    flush_logs()
    structlog.reset_defaults()

    assert ("\x1b[" in stream.getvalue()) is is_coloured
    plain = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())
    assert re.search(r"\[info +\] server\.start +port=8080", plain)
    assert "5551234" not in plain
