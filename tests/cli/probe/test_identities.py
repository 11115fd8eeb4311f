"""Who may climb how far: nobody, a person, one robot, two, and those who are refused."""

import pytest

from tests.cli.probe.command import CRITICAL, OK, WARNING
from tests.cli.probe.conftest import PATIENT, climb
from tests.conftest import new_number
from tests.robots import make_robot, rotate

#: Steps that need somebody.
LATER = (
    "socket", "socket-rtt", "ice-servers", "stun", "turn", "ice", "dtls", "data", "resume", "call", "audio",
    "video", "hang-up", "meter", "ledger",
)  # fmt: skip
BRIEF = ("--skip", "ice,resume")


@pytest.fixture
async def server(make_client):
    return await make_client(session_cache_seconds=0, probe_min_gap=0, webrtc_stun_servers="")


@pytest.fixture
def url(server):
    return str(server.make_url("")).rstrip("/")


async def test_nobody_reaches_the_door_and_is_told_what_that_leaves_out(url):
    climbed = await climb(url, *PATIENT)

    assert climbed.code == OK
    assert climbed.outcomes("dns", "tcp", "tls", "health", "auth", "cleanup") == [
        "ok",
        "ok",
        "skip",
        "ok",
        "skip",
        "ok",
    ]
    assert "no --keys, --token or --phone" in climbed.rungs["auth"].facts
    assert "admin probe-account create" in climbed.rungs["auth"].advice
    assert climbed.outcomes(*LATER) == ["skip"] * len(LATER)
    assert climbed.rungs["socket"].facts == "needs auth, which is missing"


async def test_a_person_with_a_token_tries_all_but_the_call_and_spends_nothing(url, server, make_person):
    ann = await make_person("Ann", at=server)

    climbed = await climb(url, "--token", ann.access_token, "--skip", "resume", *PATIENT)

    assert climbed.code == OK
    assert climbed.outcomes("auth", "socket", "socket-rtt", "ice", "dtls", "data") == ["ok"] * 6
    assert climbed.rungs["call"].facts == "a call takes two probe accounts"
    assert "direct" in climbed.rungs["data"].facts or "inconclusive" in climbed.rungs["data"].facts
    assert await ann.balance() == 50


async def test_a_person_with_a_code_signs_in_and_leaves_no_session(make_client, make_person, sql):
    number = new_number()
    server = await make_client(otp_test_numbers=f"{number}=123456@2099-01-01", webrtc_stun_servers="")
    url = str(server.make_url("")).rstrip("/")

    stranger = await climb(url, "--phone", number, "--otp", "123456", *BRIEF, *PATIENT)
    sql("UPDATE users SET phone_number = %s WHERE id = %s", number, (await make_person("Ann", at=server)).id)
    sql("DELETE FROM user_sessions")
    person = await climb(url, "--phone", number, "--otp", "123456", *BRIEF, *PATIENT)

    assert (stranger.code, stranger.rungs["auth"].cause[:48]) == (
        CRITICAL,
        "the server refused: REGISTRATION_REQUIRED: nobod",
    )
    assert (person.code, *person.outcomes("auth", "socket-rtt")) == (OK, "ok", "ok")
    assert sql("SELECT count(*) FILTER (WHERE revoked_at IS NULL), count(*) FROM user_sessions") == [(0, 1)]


async def test_a_key_that_was_replaced_is_refused_with_what_to_do(url, server, key_file):
    robot = await make_robot(server)
    old = key_file(robot)
    new = key_file(await rotate(server, robot))

    refused, welcome = (
        await climb(url, "--keys", old, *PATIENT),
        await climb(url, "--keys", new, *BRIEF, *PATIENT),
    )

    assert refused.code == CRITICAL
    assert refused.rungs["auth"].cause.startswith("the server refused: UNAUTHORIZED")
    assert "probe-account rotate" in refused.rungs["auth"].advice
    assert refused.outcomes(*LATER) == ["skip"] * len(LATER)
    assert (welcome.code, *welcome.outcomes("auth", "call")) == (OK, "ok", "skip")


async def test_two_keys_of_one_account_make_no_call(url, server, key_file):
    robot = await make_robot(server)

    climbed = await climb(url, "--keys", key_file(robot, robot), *PATIENT)

    assert (climbed.code, climbed.rungs["auth"].cause) == (CRITICAL, "both keys are of the same account")


async def test_robots_that_cannot_pay_are_told_how_to_get_coins(url, server, key_file):
    pair = [await make_robot(server, coins=0) for _ in range(2)]

    climbed = await climb(url, "--keys", key_file(*pair), *BRIEF, *PATIENT)

    assert climbed.code == CRITICAL
    assert climbed.rungs["call"].cause.startswith("the server refused: INSUFFICIENT_COINS")
    assert "--coins" in climbed.rungs["call"].advice
    assert climbed.outcomes("audio", "hang-up", "ledger", "cleanup") == ["skip", "skip", "skip", "ok"]


async def test_who_probes_too_often_is_warned_that_nothing_was_measured(make_client, key_file):
    server = await make_client(webrtc_stun_servers="")
    keys = key_file(await make_robot(server))
    twice = ("--repeat", 2, "--interval", 0, "--skip", "dtls,resume")

    climbed = await climb(server.make_url(""), "--keys", keys, *twice, *PATIENT)

    first, second = [{rung.name: rung for rung in run.rungs} for run in climbed.report.runs]
    assert climbed.code == WARNING
    assert (first["ice"].outcome, second["ice"].outcome, second["data"].outcome) == ("ok", "warn", "skip")
    assert second["ice"].cause.startswith("not measured: RATE_LIMITED")
    assert "--interval" in second["ice"].advice


async def test_figures_beyond_their_thresholds_decide_over_all_runs(url, server, key_file):
    keys = key_file(await make_robot(server))
    limits = ("--socket-rtt-warn", "0", "--socket-rtt-critical", "0.00001", "--repeat", 3, "--interval", 0)

    climbed = await climb(url, "--keys", keys, *BRIEF, *PATIENT, *limits)

    document = climbed.report.document()
    [row] = [row for row in document["aggregate"]["steps"] if row["name"] == "socket-rtt"]
    assert (climbed.code, document["verdict"], len(document["runs"])) == (CRITICAL, "critical", 3)
    assert climbed.rungs["socket-rtt"].cause.startswith("RTT of the socket ")
    assert (row["fail"], row["ok"]) == (3, 0)
    assert 0 < row["p50Ms"] <= row["p95Ms"] == row["maxMs"]
    assert climbed.outcomes("call") == ["skip"]
