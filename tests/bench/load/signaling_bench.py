"""One round of call signaling against one running server, by a driver in its own process."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import procs

DRIVER = Path(__file__).with_name("signaling_load.py")


def measure(
    base: str, proto: str, *, tokens: Path, seconds: int, pid: int, core: int, paced: bool
) -> dict[str, Any]:
    """What signaling_load.py prints, of calls at once, or `paced` with candidates that trickle."""
    procs.wait_quiet(core)
    began, busy = time.monotonic(), procs.core_busy_us(core)
    used = procs.cpu_by_pid(procs.tree(pid))
    pace = ["--rate", "100", "--gap", "5"] if paced else []
    command = [sys.executable, str(DRIVER), "--proto", proto, "--base", base, "--tokens", str(tokens)]
    command += ["--pid", str(pid), "--seconds", str(seconds), *pace]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60 + 30 * seconds, check=False)
    try:
        row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        raise SystemExit(done.stdout[-500:] + done.stderr[-1500:]) from None
    strangers = procs.core_busy_us(core) - busy - procs.cpu_since(used, pid)
    return row | {"db": 0.0, "noise": max(0.0, strangers) / 1e6 / (time.monotonic() - began)}
