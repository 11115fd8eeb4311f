"""JUnit XML, as build servers read it: a suite for each run, a test case for each step."""

from pathlib import Path
from xml.etree import ElementTree as ET

from romantic.cli.probe.outcome import Outcome, Rung
from romantic.cli.probe.report import VERDICTS, Report, Run


def write(report: Report, path: Path) -> None:
    root = ET.Element("testsuites", name="romantic.probe")
    for number, run in enumerate(report.runs, 1):
        root.append(_suite(run, name=f"{report.target} #{number}"))
    tree = ET.ElementTree(root)
    ET.indent(tree)
    tree.write(path, encoding="utf-8", xml_declaration=True)


def _suite(run: Run, *, name: str) -> ET.Element:
    outcomes = [rung.outcome for rung in run.rungs]
    suite = ET.Element(
        "testsuite",
        name=name,
        tests=str(len(outcomes)),
        failures=str(outcomes.count(Outcome.FAIL)),
        errors="0",
        skipped=str(outcomes.count(Outcome.SKIP)),
        time=f"{run.seconds:.3f}",
        timestamp=run.started_at.strftime("%Y-%m-%dT%H:%M:%S"),
    )
    properties = ET.SubElement(suite, "properties")
    for key, value in (("verdict", VERDICTS[run.status]), *run.figures.items()):
        ET.SubElement(properties, "property", name=key, value=f"{value}")
    suite.extend(_case(rung) for rung in run.rungs)
    return suite


def _case(rung: Rung) -> ET.Element:
    """A warning passes, and says so in its output: JUnit knows none."""
    case = ET.Element(
        "testcase", classname="romantic.probe", name=rung.name, time=f"{(rung.ms or 0) / 1000:.3f}"
    )
    if rung.outcome is Outcome.FAIL:
        ET.SubElement(case, "failure", message=rung.cause).text = rung.advice
    elif rung.outcome is Outcome.SKIP:
        ET.SubElement(case, "skipped", message=rung.facts)
    text = "\n".join(filter(None, (rung.facts, rung.cause and f"{rung.outcome}: {rung.cause}", rung.advice)))
    if text and rung.outcome is not Outcome.SKIP:
        ET.SubElement(case, "system-out").text = text
    return case
