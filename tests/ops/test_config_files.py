"""The files an operator imports: what they name exists, and their own tools find no fault in them."""

import asyncio
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.ops.test_metrics import ops  # noqa: F401 - the fixture

CONFIG = Path(__file__).parents[2] / "config"
ALERTS = (CONFIG / "prometheus" / "alerts.yml").read_text()
RUNBOOK = (CONFIG.parent / "romantic" / "docs" / "runbook.md").read_text()
DASHBOARD = json.loads((CONFIG / "grafana" / "romantic.json").read_text())
#: Written by the probe as a textfile, not by the server.
OF_PROBES = {"romantic_probe_success", "romantic_probe_last_run_timestamp_seconds"}


def expressions():
    yield from re.findall(r"expr: >-\n\s+(.*)", ALERTS)
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    yield from (note["expr"] for note in DASHBOARD["annotations"]["list"])


def program(name, in_ci):
    found = shutil.which(name)
    if not found and not in_ci:
        pytest.skip(f"{name} is not installed")
    assert found, f"CI installs {name}"
    return found


async def test_every_metric_the_files_name_exists(ops):  # noqa: F811
    text = await (await ops.get("/metrics")).text()
    families = {
        family.name + ("_total" if family.type == "counter" else ""): family.type
        for family in text_string_to_metric_families(text)
    }
    histograms = [name for name, kind in families.items() if kind == "histogram"]
    known = set(families) | {f"{name}_{part}" for name in histograms for part in ("bucket", "count")}
    named = {
        name for expression in expressions() for name in re.findall(r"\b(?:romantic|process)_\w+", expression)
    }

    assert len(named) > 40
    assert named - known == OF_PROBES


def test_every_alert_has_its_paragraph_in_the_runbook():
    anchors = {heading.strip() for heading in re.findall(r"^## (.*)$", RUNBOOK, re.MULTILINE)}
    linked = re.findall(r"runbook: romantic/docs/runbook\.md#([\w-]+)", ALERTS)

    assert len(linked) == ALERTS.count("- alert:")
    assert set(linked) == anchors


def test_alerts_fire_on_their_faults_and_on_nothing_else(in_ci):
    promtool = program("promtool", in_ci)
    for command in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]):
        done = subprocess.run(
            [promtool, *command],
            cwd=CONFIG / "prometheus",
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_expressions_of_the_dashboard_are_promql(in_ci, tmp_path):
    rules = [
        f"  - record: a:b{number}\n    expr: {json.dumps(expression.replace('$__rate_interval', '5m'))}"
        for number, expression in enumerate(expressions())
    ]
    file = tmp_path / "rules.yml"
    file.write_text("groups:\n- name: all\n  rules:\n" + "\n".join(rules) + "\n")

    done = subprocess.run(
        [program("promtool", in_ci), "check", "rules", file],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


async def test_exposition_is_clean_for_promtool(ops, make_person, in_ci):  # noqa: F811
    await (await make_person()).get("/api/coins/balance")
    text = await (await ops.get("/metrics")).read()

    done = await asyncio.to_thread(
        subprocess.run,
        [program("promtool", in_ci), "check", "metrics"],
        input=text,
        capture_output=True,
        timeout=30,
        check=False,
    )

    assert b"romantic_build_info{" in text
    assert done.returncode == 0, done.stdout + done.stderr


def test_settings_the_files_name_exist():
    from romantic.settings import Settings

    known = {name.upper() for name in Settings.__dataclass_fields__}
    compose = (CONFIG / "compose.yaml").read_text().partition("\n  postgres:\n")[0]
    unit = (CONFIG / "systemd" / "romantic.service").read_text()
    named = set(re.findall(r"^      ([A-Z_]+): ", compose, re.MULTILINE))
    for line in re.findall(r"^Environment=(.*)$", unit, re.MULTILINE):
        named |= {pair.partition("=")[0] for pair in line.split()}

    assert {"DATABASE_URL_FILE", "JWT_SECRET_FILE"} <= named
    assert {name.removesuffix("_FILE") for name in named} <= known
