"""Every canonical line has exactly the fields of lines.json; every other test looks at its own lines the same way"""

import json
from pathlib import Path
from uuid import uuid4

import pytest
import structlog

from romantic.coins.service import log_entry
from romantic.docs.guides import OPERATING
from romantic.realtime import HUB
from tests.admin.conftest import make_staff  # noqa: F401 - a fixture
from tests.canonical import COMMON, LINES, faults_of
from tests.conftest import new_number
from tests.realtime.comeback import back, gone
from tests.realtime.conftest import socket_of
from tests.secrecy import DETECTOR
from tests.waiting import until

GUIDE = Path(__file__).parents[2] / "romantic" / "docs" / "logs.md"
#: What other tests bring about: a probe's run, a start and an end of a server.
ELSEWHERE = {"probe.result", "server.start", "server.stop"}


def logged():
    lines = [json.loads(line) for line in DETECTOR.lines]
    return {line["event"]: line for line in lines if line["event"] in LINES}


async def test_a_day_of_the_service_writes_every_canonical_line(
    client,
    make_person,
    make_staff,  # noqa: F811
    connect,
    outside,
):
    desk = await make_staff("admin")
    ann, ben = await make_person("Ann", super_lover=True), await make_person("Ben")
    phone = await connect(ann)
    await client.post("/api/auth/send-otp", json={"phoneNumber": new_number()})
    device = {"token": "a-registration-token-of-this-phone", "platform": "android"}
    await ann.post("/api/devices", device)
    body = {"receiverId": ann.id, "callType": "audio"}
    call = (await (await ben.post("/api/calls/initiate", body)).json())["data"]
    await phone.ask("call-accept", callId=call["callId"])
    await ben.post(f"/api/calls/{call['callId']}/end", {"duration": 0})
    await desk.send("POST", f"/api/admin/users/{ben.id}/verify", {"reason": "passport"})
    await client.post("/api/webhooks/stripe", data=b"{}", headers={"Stripe-Signature": "t=1,v1=x"})
    await phone.close()

    async def is_gone():
        return not client.app[HUB].count

    await until(is_gone)

    async def is_told():
        return set(logged()) >= set(LINES) - ELSEWHERE

    await until(is_told)
    faults = [fault for line in DETECTOR.lines for fault in faults_of(line)]
    assert faults == []


async def test_a_request_names_its_trace_its_policy_and_what_it_waited_for(client, make_person):
    person = await make_person()
    trace = "0af7651916cd43dd8448eb211c80319c"

    await person.get("/api/coins/balance", headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    await person.get("/api/users/discover", headers={"traceparent": f"00-{trace}-b7ad6b7169203331"})

    lines = [json.loads(line) for line in DETECTOR.lines]
    told = {
        line["route"]: (line["trace_id"], line["rate_policy"])
        for line in lines
        if line["event"] == "http.request"
    }
    assert told["/api/coins/balance"] == (trace, "read")
    assert told["/api/users/discover"] == (None, "read")


async def test_a_connection_tells_whether_it_resumed_and_its_round_trip_where_it_was_measured(
    client, make_person, connect
):
    ann, ben = await make_person("Ann", super_lover=True), await make_person("Ben")
    idle, caller = await connect(ann), await connect(ben)
    call = (
        await (await ben.post("/api/calls/initiate", {"receiverId": ann.id, "callType": "audio"})).json()
    )["data"]

    async def is_measured():
        await caller.ask("ping", t=1)  # whoever reads answers pings on the way
        return socket_of(caller, client).round_trip is not None

    await gone(idle, client)
    again, answer = await back(idle, seq=idle.ready["seq"])
    await again.ask("call-accept", callId=call["callId"])
    await until(is_measured)
    await ben.post(f"/api/calls/{call['callId']}/end", {"duration": 0})
    await again.close()
    await caller.close()

    async def is_told():
        return len(connections()) == 3

    await until(is_told)
    lost, *told = connections()
    assert answer["recovered"] is True
    assert (lost["resumed"], lost["rtt_ms_p50"]) == (False, None)
    resumed = {line["user_id"]: line["resumed"] for line in told}
    assert resumed == {str(ann.id): True, str(ben.id): False}
    assert next(line for line in told if line["user_id"] == str(ben.id))["rtt_ms_p50"] > 0


def connections():
    return [line for text in DETECTOR.lines if (line := json.loads(text))["event"] == "ws.connection"]


async def test_a_remembered_session_is_a_hit_and_an_entry_names_its_door(client, make_person):
    person = await make_person(coins=100)
    for _ in range(2):
        await person.get("/api/coins/balance")

    spent = await person.post(
        "/api/coins/spend", {"amount": 10, "action": "gift", "referenceId": str(uuid4())}
    )

    lines = [json.loads(line) for line in DETECTOR.lines]
    asked = [line for line in lines if line.get("route") == "/api/coins/balance"]
    entries = [line for line in lines if line["event"] == "ledger.entry" and line["kind"] == "spend"]
    assert spent.status == 200
    assert [line["cache_hits"] for line in asked] == [0, 1]
    assert [line["db_queries"] for line in asked] == [2, 1]
    assert [line["actor"] for line in entries] == ["api"]


@pytest.mark.parametrize(
    ("bound", "actor"),
    [
        ({}, "server"),
        ({"request_id": "req_1"}, "api"),
        ({"request_id": "req_1", "conn_id": "ws_1"}, "socket"),
        ({"job_id": 1}, "job"),
    ],
)
def test_an_entry_names_the_door_its_work_came_through(bound, actor):
    entry = dict.fromkeys(("id", "user_id", "transaction_type", "idempotency_key"), "x")
    entry |= {
        "is_new": True,
        "signed_amount": 1,
        "balance_after": 1,
        "reference_type": None,
        "reference_id": None,
    }

    with structlog.contextvars.bound_contextvars(**bound):
        log_entry(entry)

    assert json.loads(DETECTOR.lines[-1])["actor"] == actor


def test_a_field_too_many_or_too_few_is_a_fault():
    line = dict.fromkeys(COMMON | LINES["server.stop"], 1) | {"event": "server.stop"}

    def faults(**change):
        return faults_of(json.dumps({**line, **change}, separators=(",", ":")))

    assert faults() == []
    assert faults(surprise=1) == ["server.stop has surprise"]
    del line["uptime_s"]
    assert faults() == ["server.stop lacks uptime_s"]


@pytest.mark.parametrize("name", sorted(LINES))
def test_the_guide_explains_every_field(name):
    section = GUIDE.read_text("utf-8").partition(f"\n## {name}\n")[2].partition("\n## ")[0]

    assert {field for field in LINES[name] if f"`{field}`" not in section} == set()
    assert "logs" in OPERATING
