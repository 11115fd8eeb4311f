"""run.py probe against a server in a process of its own: the whole ladder, and how it is left in the middle."""

import asyncio
import json
import re
import shutil
import signal
import subprocess
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families

from romantic.app import EVENTS
from tests.cli.probe.command import OK, UNKNOWN, WARNING, probe, start
from tests.cli.probe.conftest import PATIENT
from tests.cli.runs import RUN

SCHEMA = json.loads((RUN.parent / "config" / "api" / "probe.schema.json").read_text())
FILES = ("--json", "r.json", "--junit", "r.xml", "--prom", "r.prom", "--html", "r.html")

#: A server that does not know the event is warned of, and of nothing else.
RESUMES = "resume" in {event.name for event in EVENTS}
OUTCOME, CODE, VERDICT = ("ok", OK, "ok") if RESUMES else ("warn", WARNING, "warning")

#: What each step must say where it holds; the figures are measured, so only their kind is known.
FACTS = {
    "dns": r"127\.0\.0\.1",
    "tcp": r"127\.0\.0\.1 port \d+",
    "tls": r"plain http",
    "health": r"ready in \d+ ms, version \d",
    "auth": r"east and west signed in",
    "socket": r"2 open and greeted after \d+ ms",
    "socket-rtt": r"20 pings: [\d.]+ to [\d.]+ ms",
    "ice-servers": r"0 STUN and 0 TURN",
    "stun": r"no STUN server is configured",
    "turn": r"no TURN server is configured",
    "ice": r"reached with [1-9]\d* candidates",
    "dtls": r"secured",
    "data": r"NAT none, RTT [\d.]+ ms, jitter [\d.]+ ms, loss [\d.]+ % up and [\d.]+ % down, MOS [\d.]+",
    "resume": r"lost and back, [3-9] events replayed in order" if RESUMES else "",
    "call": r"connected [\d.]+ s after the accept, evidence E2",
    "audio": r"[1-9]\d* and [1-9]\d* packets came in over (host|prflx)/(host|prflx)",
    "video": r"[1-9]\d* and [1-9]\d* packets came in",
    "hang-up": r"[1-9] s billed, 50 coins",
    "meter": r"server [1-9] s, our clock [\d.]+ s, by evidence E2",
    "ledger": r"charged 50, refunded 0, earned 25; all of it returned",
    "cleanup": r"balances as before: 1000 and 1000",
}
NOT_HERE = ("tls", "stun", "turn")
TALKING = ("--talk", 60, "--skip", "ice,resume,socket-rtt")


@pytest.fixture
def promtool(in_ci):
    found = shutil.which("promtool")
    if not found and not in_ci:
        pytest.skip("promtool is not installed")
    assert found, "CI installs promtool"
    return found


async def test_the_whole_ladder_holds_is_told_in_every_format_and_every_coin_is_back(site, folder, promtool):
    told = await probe(
        site.url, "--keys", site.keys("east", "west"), "--talk", 2, "--video", *FILES, *PATIENT, at=folder
    )

    jsonschema.validate(told.document, SCHEMA, format_checker=jsonschema.FormatChecker())
    assert {name: step["outcome"] for name, step in told.steps.items()} == {
        name: "skip" if name in NOT_HERE else OUTCOME if name == "resume" else "ok" for name in FACTS
    }, told.out
    assert [name for name in FACTS if not re.search(FACTS[name], told.steps[name]["facts"])] == []
    assert (told.code, told.document["verdict"], told.err) == (CODE, VERDICT, "")
    assert {"mos", "rttMs", "lossPct", "setupS", "billedS", "audioLossPct"} <= set(
        told.document["runs"][0]["figures"]
    )
    assert {point["side"] for point in told.document["runs"][0]["series"]} == {"caller", "receiver"}
    assert (site.balances()["east"], site.balances()["west"], site.holds()) == (1000, 1000, True)
    assert json.loads((folder / "r.json").read_text())["aggregate"] == told.document["aggregate"]
    assert len(ET.parse(folder / "r.xml").findall(".//testcase")) == len(FACTS)
    assert (folder / "r.html").read_text().count("<svg") >= 4
    check_textfile((folder / "r.prom").read_text(), promtool)


def check_textfile(text, promtool):
    linted = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    families = {family.name: family for family in text_string_to_metric_families(text)}
    steps = {
        sample.labels["step"]: sample.value for sample in families["romantic_probe_step_success"].samples
    }

    assert (linted.returncode, linted.stdout + linted.stderr) == (0, "")
    assert families["romantic_probe_success"].samples[0].value == 1
    assert steps == dict.fromkeys(set(FACTS) - set(NOT_HERE), 1)


async def interrupted(site, folder):
    """Ctrl-C while the two talk, as a person sees it who reads the table."""
    names = ("torn", "apart")
    command = await start(site.url, "--keys", site.keys(*names), *TALKING, *FILES, *PATIENT, at=folder)
    await command.line("call ")
    command.process.send_signal(signal.SIGINT)
    told = await command.end()

    report = json.loads((folder / "r.json").read_text())
    jsonschema.validate(report, SCHEMA)
    steps = {step["name"]: step for step in report["runs"][0]["steps"]}
    assert (told.code, told.err, report["verdict"]) == (UNKNOWN, "", "unknown")
    assert (steps["call"]["outcome"], steps["ledger"]["facts"]) == ("ok", "the run was stopped")
    assert "the call was ended here" in steps["cleanup"]["facts"]
    assert re.search(r"^cleanup +ok +\d+  balances as before: 1000 and 1000", told.out, re.MULTILINE)
    assert told.out.splitlines()[-2].startswith("UNKNOWN: ")
    assert (site.balances()["torn"], site.balances()["apart"], site.is_quiet(*names)) == (1000, 1000, True)


async def killed(site, folder):
    """kill -9 while the two talk, and the next run."""
    names = ("killed", "alive")
    command = await start(site.url, "--keys", site.keys(*names), *TALKING, *PATIENT, at=folder)
    await command.line("call ")
    command.process.kill()
    await command.end()
    during = (site.balances()["killed"], site.is_quiet(*names))

    told = await probe(
        site.url, "--keys", site.keys(*names), "--talk", 1, "--skip", "ice", *PATIENT, at=folder
    )

    assert during == (950, False)
    assert "the call of a run that was killed is ended" in told.steps["auth"]["facts"]
    assert told.outcomes("call", "audio", "hang-up", "ledger", "cleanup") == ["ok"] * 5, told.out
    assert told.steps["resume"]["outcome"] == OUTCOME
    assert (site.balances()["killed"], site.balances()["alive"], site.is_quiet(*names)) == (1000, 1000, True)


async def test_a_run_that_is_stopped_or_killed_leaves_neither_a_call_nor_a_coin_out_of_place(site, folder):
    await asyncio.gather(interrupted(site, folder), killed(site, folder))

    assert site.holds()
