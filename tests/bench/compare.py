"""run.py bench: this server against Express 5 and Socket.IO 4, on this machine, side by side."""

import json
import os
import resource
import signal
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "load")]

import check  # noqa: E402
import http_bench  # noqa: E402
import signaling_bench  # noqa: E402
from stand import ROOT, SERVER_CORE, Server, Stores, stand  # noqa: E402

from romantic.cli.progress import progress  # noqa: E402

HTTP = ("profile", "balance", "spend", "call")
SIGNALING = ("signaling", "trickle")
WARM_SECONDS = 4  # as long as V8 takes to compile
CALLS_PER_SECOND = 2500  # more than any server here sets up: everybody calls once in a round

Row = dict[str, Any]
Rounds = dict[str, list[Row]]  # by server
RIGHT = ("per s", "p50 ms", "p99 ms", "CPU µs", "best", "DB µs", "× rate", "× CPU", "noise")


def compare(*, seconds: int, runs: int) -> int:
    """Run all scenarios and print the table; 1 if an answer was wrong or the ledger does not hold."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(143))
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    results: dict[str, Rounds] = {}
    with stand(people=max(10_000, 2 * CALLS_PER_SECOND * seconds)) as (stores, servers):
        _check(servers)
        with progress("Scenarios", len(HTTP + SIGNALING)) as step:
            for scenario in HTTP + SIGNALING:
                results[scenario] = _rounds(stores, servers, scenario, seconds=seconds, runs=runs)
                step(scenario)
        holds = _ledger_holds(stores)
    _print(results)
    faults = [
        f"{scenario}, {name}: {bad:.0f} answers were wrong or late, its figures do not count"
        for scenario, rounds in results.items()
        for name, rows in rounds.items()
        if (bad := sum(row["bad"] for row in rows))
    ]
    for fault in faults:
        print(fault)
    return 1 if faults or not holds else 0


def _check(servers: list[Server]) -> None:
    answers = []
    for server in servers:
        with server.tokens.open() as table:
            answers.append(check.check(server.base, [tuple(line.split()) for line in table]))
    assert answers[0] == answers[1], f"the servers read differently: {answers}"
    print("  both servers answer right", flush=True)


def _rounds(stores: Stores, servers: list[Server], scenario: str, *, seconds: int, runs: int) -> Rounds:
    """Every round measures each server once, in an order that turns."""
    rounds: Rounds = {server.name: [] for server in servers}
    warm = seconds if scenario == "call" else WARM_SECONDS
    for server in servers:
        server.free_everybody()
        _measure(stores, server, scenario, seed=1, seconds=warm)
    for run in range(runs):
        for server in servers[run % 2 :] + servers[: run % 2]:
            rounds[server.name].append(_measure(stores, server, scenario, seed=1000 + run, seconds=seconds))
    return rounds


def _measure(stores: Stores, server: Server, scenario: str, *, seed: int, seconds: int) -> Row:
    common: Row = {"tokens": server.tokens, "seconds": seconds, "pid": server.pid, "core": SERVER_CORE}
    if scenario in SIGNALING:
        paced = scenario == "trickle"
        return signaling_bench.measure(server.base, server.proto, paced=paced, **common)
    common |= {"seed": seed, "database": stores.database_pid}
    if scenario == "call":
        server.free_everybody()
        common["pid"] = server.pid
        http_bench.measure(server.base, "touch", **common)  # callers have just used the app
    return http_bench.measure(server.base, scenario, **common)


def _ledger_holds(stores: Stores) -> bool:
    """Whether every coin our server moved while it was measured is accounted for."""
    done = subprocess.run(
        [sys.executable, "run.py", "admin", "ledger", "check", "--json"],
        cwd=ROOT,
        env=os.environ | {"ROMANTIC_ENV": "test", "DATABASE_URL": stores.dsn("ours")},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        print(done.stdout + done.stderr)
        return False
    audit = json.loads(done.stdout)
    print(
        f"  the ledger holds: {audit['entries']} entries, {audit['coins']} coins, {audit['users']} people",
        flush=True,
    )
    return True


def _print(results: dict[str, Rounds]) -> None:
    table = Table(
        "scenario", "server", title="Medians of the rounds; × is to Express + Socket.IO, above 1 is better"
    )
    for heading in RIGHT:
        table.add_column(heading, justify="right")
    for scenario, rounds in results.items():
        base = next(iter(rounds.values()))
        for name, rows in rounds.items():
            table.add_row(scenario, name, *_cells(rows, base))
        table.add_section()
    Console(width=110).print(table)
    for name, rows in results["signaling"].items():
        end = statistics.median(row["cpu_end"] for row in rows)
        relayed = statistics.median(row["relayed"] for row in rows)
        print(f"signaling, {name}: {relayed:.0f} messages relayed per s; ending a call: {end:.0f} µs of CPU")


def _cells(rows: list[Row], base: list[Row]) -> list[str]:
    def middle(key: str) -> float:
        return statistics.median(row[key] for row in rows)

    pairs = list(zip(rows, base, strict=True))
    faster = statistics.median(mine["rate"] / theirs["rate"] for mine, theirs in pairs)
    cheaper = statistics.median(theirs["cpu"] / mine["cpu"] for mine, theirs in pairs)
    best = min(row["cpu"] for row in rows)
    cells = [f"{middle('rate'):.0f}", f"{middle('p50'):.2f}", f"{middle('p99'):.2f}", f"{middle('cpu'):.1f}"]
    return [
        *cells,
        f"{best:.1f}",
        f"{middle('db'):.0f}",
        f"{faster:.2f}",
        f"{cheaper:.2f}",
        f"{middle('noise'):.0%}",
    ]
