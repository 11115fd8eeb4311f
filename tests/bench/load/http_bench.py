"""One round of one HTTP scenario against one running server: wrk, and the CPU it cost there."""

import subprocess
import time
from pathlib import Path
from typing import Any

import procs

SCRIPT = Path(__file__).with_name("http.lua")
CONNECTIONS = 64


def measure(
    url: str, scenario: str, *, tokens: Path, seed: int, seconds: int, pid: int, database: int, core: int
) -> dict[str, Any]:
    """Rates, latencies in ms and CPU in microseconds per request: the server's own, and PostgreSQL's.

    `noise` is the share of the server's core that strangers used meanwhile.
    """
    procs.wait_quiet(core)
    server, strangers = procs.cpu_by_pid(procs.tree(pid)), procs.core_busy_us(core)
    backends = procs.cpu_by_pid(procs.tree(database))
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", str(SCRIPT), url]
    command += ["--", scenario, str(tokens), str(seed)]
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    elapsed = time.monotonic() - began
    cpu, busy = procs.cpu_since(server, pid), procs.core_busy_us(core) - strangers
    line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT ")), None)
    if line is None:
        raise SystemExit(done.stdout + done.stderr)
    rate, p50, p99, served, bad, size = map(float, line.split()[1:])
    served = max(served, 1)
    return {
        "rate": rate,
        "p50": p50 / 1e3,
        "p99": p99 / 1e3,
        "cpu": cpu / served,
        "db": procs.cpu_since(backends, database) / served,
        "bytes": size / served,
        "bad": bad,
        "noise": max(0.0, busy - cpu) / (elapsed * 1e6),
    }
