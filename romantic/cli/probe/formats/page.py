"""The report as one HTML file: no script, nothing loaded, so that it opens wherever artifacts are kept."""

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from romantic.cli.probe.figures import FIGURE, shown
from romantic.cli.probe.formats.plots import Line, bars, lines
from romantic.cli.probe.outcome import Outcome, Rung
from romantic.cli.probe.report import Report, Run, aggregate

COLOURS = {Outcome.OK: "#009E73", Outcome.WARN: "#E69F00", Outcome.FAIL: "#D55E00", Outcome.SKIP: "#888888"}
BIG = 5
#: What is plotted over the seconds of the call: key of the series, title, unit, least axis.
ORDINARY, SCORE = (0.0, 1.0), (1.0, 5.0)
OVER_THE_CALL = (
    ("rttMs", "Round trip", "ms", ORDINARY),
    ("jitterMs", "Jitter", "ms", ORDINARY),
    ("lossPct", "Loss", "%", ORDINARY),
    ("mos", "Estimated MOS", "", SCORE),
)
OVER_THE_RUNS = ("mos", "rtt", "loss", "jitter", "setup", "socket-rtt", "meter-gap")

STYLE = """
:root { color-scheme: light dark; --line: #8884; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
.verdict { display: inline-block; padding: .1rem .6rem; border-radius: .4rem; color: #fff; font-weight: 600; }
.big { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1.2rem 0; padding: 0; list-style: none; }
.big li { border: 1px solid var(--line); border-radius: .5rem; padding: .5rem .9rem; min-width: 8rem; }
.big b { display: block; font-size: 1.5rem; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .6rem .3rem 0; vertical-align: top; }
tr { border-bottom: 1px solid var(--line); }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
td:first-child { white-space: nowrap; }
td i { display: block; opacity: .8; }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(22rem, 100%), 1fr)); gap: 1rem; }
svg { width: 100%; height: auto; } svg text { font: 12px system-ui, sans-serif; fill: currentColor; }
svg .name { font-weight: 600; font-size: 13px; } .grid { stroke: #8885; }
pre { overflow: auto; max-height: 24rem; border: 1px solid var(--line); padding: .6rem; font-size: 12px; }
"""

VERDICT_COLOURS = {"ok": "#00745b", "warning": "#8a5a00", "critical": "#b03a00", "unknown": "#555555"}


def write(report: Report, path: Path) -> None:
    path.write_text(_page(report), encoding="utf-8")


def _page(report: Report) -> str:
    run = report.gravest
    count = len(report.runs)
    many = f"{count} runs, this is the newest of the worst" if count > 1 else "one run"
    colour = VERDICT_COLOURS[report.verdict]
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Probe of {escape(report.target)}: {report.verdict}</title>",
        f"<style>{STYLE}</style></head><body>",
        f"<h1>Probe of {escape(report.target)}</h1>",
        f'<p><span class="verdict" style="background:{colour}">{report.verdict.upper()}</span> ',
        f"{run.started_at:%Y-%m-%d %H:%M:%S} UTC, {run.seconds:.1f} s, {many}.</p>",
        _big(report),
        "<h2>Steps</h2>",
        _steps(run.rungs),
        _plots(run),
        _runs(report) if count > 1 else "",
        "<h2>Everything</h2><details><summary>The report as JSON</summary><pre>",
        escape(json.dumps(report.document(), indent=1)),
        "</pre></details></body></html>\n",
    ]
    return "".join(parts)


def _big(report: Report) -> str:
    items = [
        f"<li><b>{escape(shown(value, FIGURE[name].unit))}</b>{escape(FIGURE[name].text)}</li>"
        for name, value in list(report.figures.items())[:BIG]
    ]
    return f'<ul class="big">{"".join(items)}</ul>' if items else ""


def _steps(rungs: Sequence[Rung]) -> str:
    rows = []
    for rung in rungs:
        took = "" if rung.ms is None else f"{rung.ms:.0f}"
        text = " · ".join(escape(part) for part in (rung.facts, rung.cause) if part)
        advice = f"<i>→ {escape(rung.advice)}</i>" if rung.advice else ""
        word = f'<b style="color:{COLOURS[rung.outcome]}">{rung.outcome}</b>'
        rows.append([escape(rung.name), word, took, text + advice])
    return _table(["step", "outcome", "ms", "what was found"], rows, numeric={2})


def _plots(run: Run) -> str:
    tried = [(rung.name, rung.ms, COLOURS[rung.outcome]) for rung in run.rungs if rung.ms is not None]
    drawn = [bars("How long each step took", "ms", tried)]
    for key, title, unit, between in OVER_THE_CALL:
        sides = [
            Line(side, [(point["t"], point[key]) for point in run.series if point["side"] == side])
            for side in ("caller", "receiver")
        ]
        drawn.append(
            lines(title, unit, "s of the call", [one for one in sides if one.points], between=between)
        )
    return f'<h2>Plots</h2><div class="plots">{"".join(drawn)}</div>{_numbers(run)}'


def _numbers(run: Run) -> str:
    """The numbers of the plots, for whoever does not see them."""
    if not run.series:
        return ""
    keys = [key for key, *_ in OVER_THE_CALL]
    rows = [
        [f"{point['t']:g}", escape(str(point["side"])), *(_number(point[key]) for key in keys)]
        for point in run.series
    ]
    table = _table(["s", "side", "RTT ms", "jitter ms", "loss %", "MOS"], rows, numeric={0, 2, 3, 4, 5})
    return f"<details><summary>The numbers of the call</summary>{table}</details>"


def _runs(report: Report) -> str:
    drawn = []
    for name in OVER_THE_RUNS:
        figure = FIGURE[name]
        points = [(float(number), run.figures.get(name)) for number, run in enumerate(report.runs, 1)]
        between = SCORE if name == "mos" else ORDINARY
        drawn.append(
            lines(
                figure.text[0].upper() + figure.text[1:],
                figure.unit,
                "runs",
                [Line("each run", points)],
                between=between,
            )
        )
    rows = [
        [row["name"], *(str(row[outcome.value]) for outcome in Outcome), *map(_number, _times(row))]
        for row in aggregate(report.runs)
    ]
    heads = ["step", *(outcome.value for outcome in Outcome), "p50 ms", "p95 ms", "max ms"]
    table = _table(heads, rows, numeric=set(range(1, 8)))
    return f'<h2>All runs</h2>{table}<div class="plots">{"".join(drawn)}</div>'


def _times(row: dict[str, Any]) -> list[float | None]:
    return [row["p50Ms"], row["p95Ms"], row["maxMs"]]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:g}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, numeric: set[int]) -> str:
    """Cells are HTML already."""

    def cells(tag: str, row: Sequence[str]) -> str:
        kinds = [' class="n"' if number in numeric else "" for number in range(len(row))]
        return "".join(f"<{tag}{kind}>{cell}</{tag}>" for kind, cell in zip(kinds, row, strict=True))

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    head = f"<thead><tr>{cells('th', heads)}</tr></thead>"
    return f'<div class="scroll"><table>{head}<tbody>{body}</tbody></table></div>'
