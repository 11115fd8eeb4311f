"""The formats of a report: what their readers need, whatever a server has said."""

import json
import re
import shutil
import subprocess
from datetime import UTC, datetime
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families

from romantic.cli.probe.figures import FIGURES, THRESHOLDS
from romantic.cli.probe.formats import junit, nagios, page, table, textfile
from romantic.cli.probe.options import STEPS
from romantic.cli.probe.outcome import Outcome, Rung
from romantic.cli.probe.report import Report, Run
from tests.cli.runs import RUN

SCHEMA = json.loads((RUN.parent / "config" / "api" / "probe.schema.json").read_text())
LIMITS = {one.name: one for one in THRESHOLDS}
HOSTILE = "<script>alert(1)</script> | rtt=0 \x1b[31m\x00\n<img src=http://evil.example/x> & \"'"
SERIES = [
    {"t": 1.0, "side": "caller", "rttMs": None, "jitterMs": 2.0, "lossPct": 0.0, "mos": None},
    {"t": 1.0, "side": "receiver", "rttMs": 20.0, "jitterMs": 3.0, "lossPct": 0.0, "mos": 4.4},
    {"t": 2.0, "side": "caller", "rttMs": 21.0, "jitterMs": 2.5, "lossPct": 1.5, "mos": 4.2},
    {"t": 2.0, "side": "receiver", "rttMs": 25.0, "jitterMs": 3.5, "lossPct": 0.0, "mos": 4.4},
]


def rung(name, outcome=Outcome.OK, **more):
    return Rung(name, outcome, **({"ms": 12.5, "facts": f"{name} facts"} | more))


def run(*rungs, stopped=False):
    return Run(datetime(2026, 3, 1, 12, 0, tzinfo=UTC), 7.5, rungs, SERIES, stopped)


GOOD = run(
    rung("dns"),
    rung("tls", Outcome.SKIP, ms=None, facts="plain http"),
    rung("data", figures={"rtt": 51.234, "jitter": 2.1, "loss": 0.0, "mos": 4.31}),
    rung("meter", figures={"billed": 12, "meter-gap": 0.0}),
)
BAD = run(
    rung("dns", facts=HOSTILE),
    rung("tls", Outcome.WARN, cause=HOSTILE, advice="Renew.", figures={"certificate": 15.0}),
    rung(
        "data",
        Outcome.FAIL,
        facts="",
        cause="loss 12 % is above 10 %",
        advice=HOSTILE,
        figures={"loss": 12.0},
    ),
    rung("meter", Outcome.SKIP, ms=None, facts="needs data, which failed"),
)


def report(*runs):
    return Report("https://api.example.com", runs, LIMITS)


def test_the_schema_knows_every_step_figure_and_threshold():
    assert SCHEMA["$defs"]["stepName"]["enum"] == list(STEPS)
    assert list(SCHEMA["$defs"]["run"]["properties"]["figures"]["properties"]) == [one.key for one in FIGURES]
    assert list(SCHEMA["properties"]["thresholds"]["properties"]) == [one.name for one in THRESHOLDS]
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    ("runs", "verdict", "code"),
    [
        ((GOOD,), "ok", 0),
        ((BAD,), "critical", 2),
        ((GOOD, BAD, GOOD), "critical", 2),
        ((GOOD, run(rung("dns"), stopped=True)), "unknown", 3),
        ((run(rung("dns", Outcome.WARN)),), "warning", 1),
    ],
    ids=["good", "bad", "mixed", "stopped", "warned"],
)
def test_json_is_what_its_schema_says(runs, verdict, code):
    document = json.loads(json.dumps(report(*runs).document()))

    jsonschema.validate(document, SCHEMA, format_checker=jsonschema.FormatChecker())
    assert (document["verdict"], document["exitCode"]) == (verdict, code)


def test_percentiles_are_values_that_were_measured():
    runs = [run(rung("data", ms=float(ms), figures={"rtt": float(ms)})) for ms in range(1, 21)]

    document = report(*runs).document()

    assert document["aggregate"]["steps"] == [
        {
            "name": "data",
            "ok": 20,
            "warn": 0,
            "fail": 0,
            "skip": 0,
            "p50Ms": 10.0,
            "p95Ms": 19.0,
            "maxMs": 20.0,
        }
    ]
    assert document["aggregate"]["figures"]["rttMs"] == {"min": 1.0, "p50": 10.0, "p95": 19.0, "max": 20.0}


def test_nagios_is_one_line_whose_figures_a_plugin_reader_understands():
    assert nagios.line(report(GOOD)) == (
        "ROMANTIC OK - 3 steps ok, 1 skipped | mos=4.31;3.6:;3:;1;5 rtt=51.234ms;300;600;0; loss=0%;5;10;0;100"
        " jitter=2.1ms;30;60;0; billed=12s;;;0; meter-gap=0s;2;5;0;"
    )


def test_nagios_cannot_be_led_to_figures_that_were_not_measured():
    line = nagios.line(report(BAD))

    text, figures = line.split("|")
    assert text.startswith("ROMANTIC CRITICAL - data: loss 12 % is above 10 %; tls: <script>")
    assert figures == " loss=12%;5;10;0;100 certificate=15;21:;7:;;"
    assert line.isprintable()


def test_junit_has_a_case_for_each_step_with_its_reason(tmp_path):
    junit.write(report(GOOD, BAD), tmp_path / "r.xml")

    good, bad = ET.parse(tmp_path / "r.xml").getroot()
    assert (good.get("tests"), good.get("failures"), good.get("skipped")) == ("4", "0", "1")
    assert (bad.get("tests"), bad.get("failures"), bad.get("skipped")) == ("4", "1", "1")
    cases = {case.get("name"): case for case in bad.iter("testcase")}
    assert cases["data"].find("failure").get("message") == "loss 12 % is above 10 %"
    assert cases["meter"].find("skipped").get("message") == "needs data, which failed"
    assert "warn: <script>" in cases["tls"].find("system-out").text
    assert float(cases["dns"].get("time")) == 0.013


def test_the_textfile_is_what_prometheus_takes(tmp_path, in_ci):
    promtool = shutil.which("promtool")
    if not promtool and not in_ci:
        pytest.skip("promtool is not installed")
    textfile.write(report(GOOD), tmp_path / "good.prom")
    textfile.write(report(BAD), tmp_path / "bad.prom")

    for name, success in (("good", 1), ("bad", 0)):
        text = (tmp_path / f"{name}.prom").read_text()
        linted = subprocess.run(
            [promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False
        )
        samples = {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
        assert (linted.returncode, linted.stdout + linted.stderr) == (0, "")
        assert samples["romantic_probe_success",] == success
        assert samples["romantic_probe_last_run_timestamp_seconds",] == 1772366400
        assert samples["romantic_probe_step_success", "dns"] == 1
        assert ("romantic_probe_step_success", "meter") not in samples or success
    assert samples["romantic_probe_step_success", "data"] == 0
    assert samples["romantic_probe_loss_ratio", "server"] == 0.12
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.prom", "good.prom"]


class Page(HTMLParser):
    """What of a page could run, or be fetched."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.addresses, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [
            name for name, _ in attrs if name in ("src", "href", "srcset", "data") or name[:2] == "on"
        ]

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("runs", [(GOOD,), (BAD,), (GOOD, BAD, GOOD)], ids=["good", "bad", "many"])
def test_the_page_runs_nothing_loads_nothing_and_shows_everything(tmp_path, runs):
    page.write(report(*runs), tmp_path / "r.html")

    text = (tmp_path / "r.html").read_text()
    seen = Page(text)
    assert {"script", "link", "img", "iframe", "object", "image", "use"} & set(seen.tags) == set()
    assert seen.addresses == []
    assert not re.search(r"url\(|@import", text)
    assert seen.tags.count("svg") >= 5
    assert seen.tags.count("svg") == seen.tags.count("desc")
    assert all(one.facts in seen.text and one.cause in seen.text for one in report(*runs).gravest.rungs)
    if BAD in runs:
        assert "<script>alert(1)</script>" in seen.text  # as a text
        assert "loss 12 % is above 10 %" in seen.text


def test_a_line_of_a_plot_is_broken_where_nothing_was_measured():
    gap = [{"t": float(t), "side": "caller", "rttMs": value, "jitterMs": 1.0, "lossPct": 0.0, "mos": 4.0}
           for t, value in enumerate((1.0, 2.0, None, 4.0))]  # fmt: skip
    drawn = page.lines("RTT", "ms", "s", [page.Line("caller", [(one["t"], one["rttMs"]) for one in gap])])

    assert drawn.count("<polyline") == 2
    assert page.lines("RTT", "ms", "s", [page.Line("caller", [(0.0, None)])]) == ""


def test_the_table_concludes_with_the_verdict_and_what_was_measured():
    assert table.conclude(report(GOOD)).splitlines() == [
        "OK: 3 ok, 1 skip in 7.5 s.",
        "MOS to the server 4.31, RTT to the server 51.2 ms, loss to the server 0 %, jitter to the server 2.1 ms,"
        " billed 12 s",
    ]
    assert table.one_line(3, BAD).startswith(
        "   3  12:00:00  CRITICAL    7.5 s  data: loss 12 % is above 10 %; tls: "
    )
