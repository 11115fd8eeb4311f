"""Probes over REST and the socket: what is measured, who may know it, and how often one may ask."""

import asyncio
import re
from uuid import uuid4

import pytest

from romantic.jobs.janitor import clean
from romantic.probe.service import network_id
from romantic.rtc import PEERS
from tests.waiting import until

MEASURED = ("rttMs", "rttP95Ms", "jitterMs", "lossPct", "lossUpPct", "lossDownPct", "mos")


async def refusal(person, sdp, **extra):
    response = await person.post("/api/probe", {"sdp": sdp, **extra})
    answer = await response.json()
    return response.status, answer["error"]["code"] if not answer["success"] else None


async def test_a_probe_times_every_step_and_measures_the_path(make_person, probing, sql, client):
    ann = await make_person()
    prober = await probing(ann).start(wsRttMs=12.5, gatherMs=80, network="wifi")

    assert (await ann.data(f"/api/probe/{prober.id}")) == {
        "probeId": prober.id,
        "status": "running",
        "result": None,
    }
    result = await prober.result()

    # A loaded machine may lag, and then says so instead of guessing.
    assert result["verdict"] == ("direct" if result["loopLagMs"] <= 50 else "inconclusive")
    assert (result["natMapping"], result["udp"], result["candidateType"]) == ("none", True, "host")
    assert prober.client.packets == 100
    assert (result["lossUpPct"], result["lossDownPct"], result["lossPct"]) == (0, 0, 0)
    assert all(isinstance(result[name], int | float) for name in MEASURED)
    phases = result["phases"]
    assert (phases["wsRttMs"], phases["gatherMs"]) == (12.5, 80)
    assert 0 < phases["udpMs"] <= phases["iceMs"]
    assert all(phases[step] >= 0 for step in ("dtlsMs", "channelMs"))
    assert re.fullmatch("[0-9a-f]{16}", result["networkId"])
    assert result["advice"]
    latest = (await ann.data("/api/probe/latest"))["probe"]
    assert (latest["probeId"], latest["result"]) == (prober.id, result)
    await until(_is_empty(client))
    stored = sql("SELECT row_to_json(probe_results)::text FROM probe_results")[0][0]
    assert "127.0.0" not in stored


def _is_empty(client):
    async def is_empty():
        return client.app[PEERS].open_count == 0

    return is_empty


@pytest.fixture
def short_train(monkeypatch):
    monkeypatch.setattr("romantic.rtc.probe.PACKETS", 5)
    monkeypatch.setattr("romantic.rtc.probe.ECHO_SECONDS", 0.2)


@pytest.mark.usefixtures("short_train")
async def test_the_socket_answers_in_the_ack_and_tells_the_result(make_person, connect, probing):
    ann = await make_person()
    phone = await connect(ann)
    probe = probing(ann).client

    ack = await phone.ask("probe-offer", sdp=await probe.offer(), wsRttMs=3, future="ignored")
    await probe.accept(ack["sdp"])
    told = await phone.expect("probe-result", within=20)

    assert told["probeId"] == ack["probeId"]
    assert told["verdict"] in ("direct", "inconclusive")
    assert told["phases"]["wsRttMs"] == 3
    stored = (await ann.data(f"/api/probe/{ack['probeId']}"))["result"]
    assert {name: told[name] for name in MEASURED} == {name: stored[name] for name in MEASURED}


async def test_no_check_within_the_time_is_blocked_udp(make_person, offer, monkeypatch):
    monkeypatch.setattr("romantic.probe.runs.UDP_SECONDS", 0.3)
    ann = await make_person()
    answer = await (await ann.post("/api/probe", {"sdp": await offer()})).json()

    async def is_done():
        return (await ann.data(f"/api/probe/{answer['data']['probeId']}"))["status"] == "done"

    await until(is_done)
    result = (await ann.data("/api/probe/latest"))["probe"]["result"]

    assert (result["verdict"], result["udp"], result["natMapping"]) == ("udp-blocked", False, "unknown")
    assert all(result[name] is None for name in MEASURED)


@pytest.mark.usefixtures("short_train")
async def test_a_client_that_does_not_echo_is_unusable_and_hangs_nobody(make_person, probing):
    ann = await make_person()
    prober = probing(ann)
    prober.client.received = lambda body: None
    await prober.start()

    result = await prober.result()

    assert result["verdict"] in ("unusable", "inconclusive")
    assert (result["lossDownPct"], result["lossUpPct"], result["rttMs"], result["mos"]) == (
        100,
        None,
        None,
        None,
    )


async def test_offers_that_cannot_be_probed_are_refused_and_do_not_count(make_person, offer):
    ann = await make_person()
    sdp = await offer()
    bare = re.sub(r"a=candidate:.*\r\n", "", sdp)

    assert await refusal(ann, bare) == (400, "PROBE_NO_CANDIDATES")
    assert await refusal(ann, "v=0") == (400, "BAD_SDP")
    assert await refusal(ann, sdp.replace("m=application", "m=audio")) == (400, "BAD_SDP")
    assert await refusal(ann, sdp + "x" * 20_000) == (400, "BAD_SDP")
    assert await refusal(ann, "x" * 70_000) == (400, "VALIDATION_ERROR")
    assert await refusal(ann, sdp, mapped=[[1, "nowhere", 2]]) == (400, "VALIDATION_ERROR")
    assert await refusal(ann, sdp, mapped=[[1, "192.0.2.1", 2]] * 17) == (400, "VALIDATION_ERROR")
    assert await refusal(ann, sdp, wsRttMs=-1) == (400, "VALIDATION_ERROR")
    assert await refusal(ann, sdp, network="Ann's phone") == (400, "VALIDATION_ERROR")
    assert await refusal(ann, sdp, surprise=1) == (400, "VALIDATION_ERROR")
    assert await refusal(ann, sdp) == (200, None)


async def test_one_probe_in_a_while_also_when_asked_for_at_once(make_person, offer):
    ann = await make_person()
    offers = [await offer() for _ in range(4)]

    outcomes = await asyncio.gather(*(refusal(ann, sdp) for sdp in offers))

    assert sorted(outcomes) == [(200, None)] + [(429, "RATE_LIMITED")] * 3


async def test_a_few_probes_at_once_and_not_one_more(make_client, make_person, offer):
    people = [await make_person() for _ in range(5)]

    outcomes = [await refusal(person, await offer()) for person in people]

    assert outcomes[:4] == [(200, None)] * 4
    assert outcomes[4] == (503, "PROBE_BUSY")


async def test_without_a_free_peer_the_probe_is_busy_and_does_not_count(make_client, make_person, offer):
    full = await make_client(rtc_max_peers=0)
    ann = await make_person(at=full)

    assert await refusal(ann, await offer()) == (503, "PROBE_BUSY")
    assert await refusal(ann, await offer()) == (503, "PROBE_BUSY")


async def test_a_probe_is_nobody_elses_to_know_of(make_person, probing):
    ann, eve = await make_person("Ann"), await make_person("Eve")
    prober = await probing(ann).start()

    stranger = await eve.get(f"/api/probe/{prober.id}")

    assert (stranger.status, (await stranger.json())["error"]["code"]) == (404, "PROBE_NOT_FOUND")
    assert (await eve.data("/api/probe/latest")) == {"probe": None}
    assert (await ann.get(f"/api/probe/{uuid4()}")).status == 404


@pytest.mark.usefixtures("short_train")
async def test_any_node_knows_the_result(make_client, make_person, probing):
    here, there = await make_client(), await make_client()
    ann = await make_person(at=here)
    prober = await probing(ann).start()
    result = await prober.result()

    elsewhere = await there.get(f"/api/probe/{prober.id}", headers=ann.auth)

    assert (await elsewhere.json())["data"]["result"] == result


async def test_a_probe_whose_process_died_has_told_nothing(make_person, sql):
    ann, probe_id = await make_person(), str(uuid4())
    sql(
        "INSERT INTO probe_results (id, user_id, network_id, created_at)"
        " VALUES (%s, %s, 'x', now() - interval '21 s')",
        probe_id,
        ann.id,
    )

    probe = await ann.data(f"/api/probe/{probe_id}")

    assert (probe["status"], probe["result"]["verdict"]) == ("done", "inconclusive")


async def test_results_are_forgotten_after_a_day(client, make_person, sql):
    ann, probe_id = await make_person(), str(uuid4())
    sql(
        "INSERT INTO probe_results (id, user_id, network_id, created_at)"
        " VALUES (%s, %s, 'x', now() - interval '25 h')",
        probe_id,
        ann.id,
    )

    assert (await ann.get(f"/api/probe/{probe_id}")).status == 404
    await clean(client.app)
    assert sql("SELECT count(*) FROM probe_results") == [(0,)]


def test_a_network_is_a_keyed_hash():
    def known(address):
        return network_id(address, pepper="p")

    assert known("203.0.113.9") == known("203.0.113.77") != known("203.0.114.9")
    assert known("2001:db8:1:2::3") == known("2001:db8:1:ffff::3") != known("2001:db8:2::3")
    assert known("203.0.113.9") != network_id("203.0.113.9", pepper="q")
