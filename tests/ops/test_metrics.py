"""Metrics: on the operators' port only, bounded, and true."""

import io
import logging
import re
from uuid import uuid4

import pytest
import structlog
from aiohttp.test_utils import TestClient, TestServer, make_mocked_request
from prometheus_client.parser import text_string_to_metric_families

from romantic import metrics
from romantic.coins.auditor import Auditor
from romantic.http.health import LIFECYCLE
from romantic.logs import configure_logs, flush_logs
from romantic.ops.lines import count
from romantic.ops.listener import ops_app
from romantic.realtime import HUB
from romantic.settings import load_settings
from tests.canonical import LINES
from tests.conftest import new_number
from tests.robots import make_robot
from tests.waiting import until

UNITS = ("_seconds", "_bytes", "_ratio", "_coins", "_total", "_info", "_users", "_mos")
#: Counted in things, which is no unit of its own.
COUNTS = {
    "romantic_http_requests_in_flight", "romantic_ws_connections", "romantic_ws_send_queue_events", "romantic_rooms",
    "romantic_calls_active", "romantic_monitor_peers", "romantic_db_pool_connections", "romantic_draining",
}  # fmt: skip
#: A line of the exposition. The library's own parser takes five times as long, and a whole run may have been counted.
LINE = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)")
LABEL = re.compile(r'(\w+)="([^"]*)"')


@pytest.fixture
async def ops(client):
    """The operators' listener of the client's application."""
    async with TestClient(TestServer(ops_app(client.app))) as ops:
        yield ops


@pytest.fixture
def counting():
    """Lines are counted as `run.py serve` has them counted, and only written from `warning` on."""
    stream = io.StringIO()
    settings = load_settings({"ROMANTIC_ENV": "test", "LOG_LEVEL": "warning"})
    configure_logs(settings, stream, observers=(count,))
    yield stream
    structlog.reset_defaults()
    logging.basicConfig(force=True)


async def scrape(ops):
    """{(name, labels): value} of everything exposed."""
    response = await ops.get("/metrics")
    assert response.status == 200
    samples = (LINE.fullmatch(line) for line in (await response.text()).splitlines() if line[0] != "#")
    return {
        (name, frozenset(LABEL.findall(labels or ""))): float(value)
        for name, labels, value in map(re.Match.groups, samples)
    }


def key(name, **labels):
    return (f"romantic_{name}", frozenset(labels.items()))


async def test_metrics_are_not_public(client, ops):
    assert (await client.get("/metrics")).status == 404
    assert (await ops.get("/metrics")).status == 200


async def test_families_are_named_by_the_rules(ops):
    text = await (await ops.get("/metrics")).text()
    families = [
        family for family in text_string_to_metric_families(text) if family.name.startswith("romantic_")
    ]

    assert len(families) > 40
    for family in families:
        assert family.documentation, family.name
        named = family.name + ("_total" if family.type == "counter" else "")
        assert named.endswith(UNITS) or named in COUNTS, family.name
    assert len({family.name for family in families}) == len(families)


async def test_request_is_counted_by_its_template(ops, make_person):
    person = await make_person()
    labels = {"method": "GET", "route": "/api/users/{user_id}"}
    before = await scrape(ops)

    answer = await person.get(f"/api/users/{person.id}")

    after = await scrape(ops)
    counted = key("http_requests_total", **labels, status=str(answer.status))
    assert after[counted] == before.get(counted, 0) + 1
    timed = key("http_request_duration_seconds_count", **labels, status_class=f"{answer.status // 100}xx")
    assert after[timed] == before.get(timed, 0) + 1
    assert not [name for name, labels in after if person.id in str(labels)]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("scanned", [400, pytest.param(20_000, marks=pytest.mark.full)])
async def test_strangers_paths_and_methods_add_no_series(client, ops, counting, scanned):
    await client.get("/first")
    await client.request("BREW", "/first")
    before = await scrape(ops)

    for number in range(scanned):
        # What the server calls for a request it has parsed; a socket for each would only take longer.
        scan = make_mocked_request("GET", f"/scan/{number}/{number * 7}.php?x={number}", app=client.app)
        await client.app._handle(scan)
    for number in range(20):
        await client.get(f"/scan/{number}")
        await client.request(f"BREW{number}", "/pot")

    after = await scrape(ops)
    assert after.keys() == before.keys()
    unmatched = key("http_requests_total", method="GET", route="unmatched", status="404")
    assert after[unmatched] == before[unmatched] + scanned + 20


async def test_sockets_and_their_frames_are_counted(client, ops, make_person, connect, counting):
    person = await make_person()
    before = await scrape(ops)

    phone = await connect(person)
    await phone.ask("ping", t=1)
    assert "error" in await phone.ask("no-such-event")
    while_open = await scrape(ops)
    await phone.close()

    async def is_gone():
        return not client.app[HUB].count

    await until(is_gone)
    closed = key("ws_disconnects_total", close_code="1000", reason="client")

    async def is_counted():
        return (await scrape(ops)).get(closed, 0) == before.get(closed, 0) + 1

    await until(is_counted)
    after = await scrape(ops)
    assert sum(value for (name, _), value in while_open.items() if name == "romantic_ws_connections") == 1
    served = key("ws_events_total", direction="in", event="ping", outcome="served")
    refused = key("ws_events_total", direction="in", event="unknown", outcome="refused")
    assert after[served] == before.get(served, 0) + 1
    assert after[refused] == before.get(refused, 0) + 1


async def test_calls_of_robots_and_their_coins_are_not_counted(client, ops, make_person, counting):
    async def counted():
        samples = await scrape(ops)
        return {
            name: value
            for name, value in samples.items()
            if name[0].startswith(("romantic_calls_total", "romantic_call_", "romantic_ledger_coins_total"))
        }

    async def call(caller, receiver):
        rung = await caller.post("/api/calls/initiate", {"receiverId": str(receiver.id), "callType": "audio"})
        path = f"/api/calls/{(await rung.json())['data']['callId']}"
        await receiver.post(f"{path}/accept")
        assert (await caller.post(f"{path}/end", {})).status == 200

    people = [await make_person(name) for name in ("Ann", "Bea")]
    robots = [await make_robot(client) for _ in range(2)]
    before = await counted()

    await call(*robots)
    between = await counted()
    await call(*people)

    assert between == before
    assert await counted() != before


async def test_ledger_entry_is_counted_though_its_line_is_not_written(ops, make_person, counting):
    entries = key("ledger_entries_total", kind="spend", reference_type="boost")
    coins = key("ledger_coins_total", kind="spend")
    person, before = await make_person(), await scrape(ops)

    await person.post("/api/coins/spend", {"amount": 20, "action": "boost", "referenceId": str(uuid4())})

    after = await scrape(ops)
    flush_logs()
    assert "ledger.entry" not in counting.getvalue()
    assert after[entries] == before.get(entries, 0) + 1
    assert after[coins] == before.get(coins, 0) + 20


async def test_providers_are_timed_by_our_names_and_failures_told_apart(ops, make_person, outside):
    timed = {
        outcome: key(
            "upstream_request_duration_seconds_count",
            provider="whatsapp",
            operation="send_code",
            outcome=outcome,
        )
        for outcome in ("ok", "failed")
    }
    client, before = (await make_person()).client, await scrape(ops)

    await client.post("/api/auth/send-otp", json={"phoneNumber": new_number()})
    outside.mood = "error"
    await client.post("/api/auth/send-otp", json={"phoneNumber": new_number()})

    after = await scrape(ops)
    assert {name: after[one] - before.get(one, 0) for name, one in timed.items()} == {"ok": 1, "failed": 1}


@pytest.mark.parametrize(
    ("end_reason", "pair", "stage"),
    [
        ("ice_failed", "relay/host", "ice"),
        ("not_connected", None, "setup"),
        ("user_hangup", "host/srflx", None),
    ],
)
async def test_paths_of_calls_are_counted_by_kind_and_by_where_they_failed(ops, end_reason, pair, stage):
    line = dict.fromkeys(LINES["call.summary"]) | {
        "event": "call.summary", "call_type": "audio", "outcome": "ended", "end_reason": end_reason,
        "ice_pair_caller": pair,
    }  # fmt: skip
    before = await scrape(ops)

    count(None, "info", line)

    after = await scrape(ops)
    grown = {one for one, value in after.items() if value != before.get(one, 0) and "call_" in one[0]}
    local, _, remote = (pair or "").partition("/")
    paths = {key("call_candidate_pairs_total", local_type=local, remote_type=remote)} if pair else set()
    failures = {key("call_ice_failures_total", stage=stage)} if stage else set()
    assert grown == paths | failures | {key("call_ends_total", end_reason=end_reason)}


async def test_refusals_are_counted_by_code(client, ops):
    code = key("errors_total", code="UNAUTHORIZED")
    before = await scrape(ops)

    await client.get("/api/auth/profile")

    assert (await scrape(ops))[code] == before.get(code, 0) + 1


async def test_statements_are_timed_by_name(ops, make_person):
    person = await make_person()
    timed = key("db_query_duration_seconds_count", query="coins.get_balance")
    before = await scrape(ops)

    await person.get("/api/coins/balance")

    assert (await scrape(ops))[timed] == before.get(timed, 0) + 1


async def test_drifting_balance_is_found_and_forgotten_when_mended(client, make_person, sql):
    person = await make_person()
    sql("SET session_replication_role = replica")
    sql("UPDATE users SET coins_balance = coins_balance + 7 WHERE id = %s", person.id)
    walk = Auditor()

    await walk.step(client.app)
    assert metrics.LEDGER_DRIFT._value.get() == 1
    assert metrics.LEDGER_IMBALANCE._value.get() == 7

    sql("UPDATE users SET coins_balance = coins_balance - 7 WHERE id = %s", person.id)
    await walk.step(client.app)
    assert metrics.LEDGER_DRIFT._value.get() == 0
    assert metrics.LEDGER_IMBALANCE._value.get() == 0


async def test_health_is_told_to_operators_as_well(client, ops):
    assert (await ops.get("/health/ready")).status == 200

    client.app[LIFECYCLE].draining = True
    refused = await ops.get("/health/ready")

    assert refused.status == 503
    assert (await refused.json())["error"]["code"] == "NOT_READY"
    assert (await ops.get("/health/live")).status == 200
    assert (await scrape(ops))[key("draining")] == 1
