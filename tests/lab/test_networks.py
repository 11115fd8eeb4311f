"""The probe on real networks: address translation by iptables, lines that lose and delay."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from romantic.rtc.client import ProbeClient
from tests.lab.netns import Namespaces
from tests.lab.networks import STUN

#: LAB_REPEATS=10 for the long run.
REPEATS = int(os.environ.get("LAB_REPEATS", "1"))
TRYING_SECONDS = 40  # while our own loop lags, and the probe says so instead of guessing

#: (network, verdict, mapping). The first seven are what people have at home, at work and on the road.
EVERYDAY = [
    ("udp-blocked", "udp-blocked", "unknown"),
    ("open", "direct", "none"),
    ("cone", "direct", "cone"),
    ("full-cone", "direct", "cone"),
    ("symmetric", "relay-needed", "symmetric"),
    ("loss", "degraded", "none"),
    ("delay", "direct", "none"),
]
SELDOM = [
    ("udp-rejected", "udp-blocked", "unknown"),
    ("web-only", "udp-blocked", "unknown"),
    ("far", "degraded", "none"),
    ("loss-and-delay", "degraded", "none"),
    ("hopeless", "unusable", "none"),
]


async def probe(url: str, token: str, address: str) -> dict[str, Any]:
    """A phone on a network: gather with STUN, offer, echo, and ask for the result."""
    headers = {"Authorization": f"Bearer {token}"}
    client = ProbeClient(hosts=[address], ice_servers=[{"urls": [f"stun:{STUN}:3478"]}])
    async with aiohttp.ClientSession(headers=headers) as session:
        try:
            sdp = await client.offer()
            async with session.post(f"{url}/api/probe", json={"sdp": sdp}) as response:
                started = (await response.json())["data"]
            await client.accept(started["sdp"])
            async with asyncio.timeout(20):
                while True:
                    async with session.get(f"{url}/api/probe/{started['probeId']}") as response:
                        found = (await response.json())["data"]
                    if found["status"] == "done":
                        return dict(found["result"])
                    await asyncio.sleep(0.1)
        finally:
            await client.close()


@pytest.fixture
def judge(lab, world_site, make_person):
    async def on(network):
        host = lab.host(network)
        person = await make_person(at=world_site.client)
        until = time.monotonic() + TRYING_SECONDS
        while True:
            result = await host.run(lambda: probe(world_site.url, person.access_token, host.address))
            if (result["loopLagMs"] or 0) <= 50 or time.monotonic() > until:
                return result

    return on


async def judged(judge, networks):
    """As many at once as a process probes; what came out, by network."""
    at_once, found = asyncio.Semaphore(3), {}

    async def one(network):
        async with at_once:
            found[network] = await judge(network)

    async with asyncio.TaskGroup() as group:
        for network, _, _ in networks:
            group.create_task(one(network))
    return found


@pytest.mark.timeout(120 + 120 * REPEATS)
async def test_everyday_networks_get_their_verdicts(judge):
    for _ in range(REPEATS):
        found = await judged(judge, EVERYDAY)

        verdicts = [(name, found[name]["verdict"], found[name]["natMapping"]) for name, _, _ in EVERYDAY]
        assert verdicts == EVERYDAY, found
        assert found["udp-blocked"]["udp"] is False
        assert found["delay"]["rttMs"] >= 195
        assert found["loss"]["lossPct"] >= 3
        assert found["cone"]["candidateType"] == "srflx"
        assert found["symmetric"]["candidateType"] == "prflx"


@pytest.mark.skipif(REPEATS < 2, reason="a longer run: set LAB_REPEATS")
@pytest.mark.timeout(120 + 120 * REPEATS)
async def test_rarer_networks_get_their_verdicts(judge):
    for _ in range(REPEATS):
        found = await judged(judge, SELDOM)

        verdicts = [(name, found[name]["verdict"], found[name]["natMapping"]) for name, _, _ in SELDOM]
        assert verdicts == SELDOM, found


async def test_the_server_sends_nothing_to_whom_it_has_not_heard_of(judge, lab, monkeypatch):
    """Behind the firewall a client lists addresses; not one packet comes from us."""
    monkeypatch.setattr("romantic.probe.runs.UDP_SECONDS", 1.0)
    before = packets_out(lab)

    result = await judge("udp-blocked")

    assert result["verdict"] == "udp-blocked"
    assert packets_out(lab) == before


def packets_out(lab):
    """UDP datagrams the world has sent: the application's and the STUN server's."""
    with lab.inside_world(), open("/proc/thread-self/net/snmp") as counters:
        lines = [line.split() for line in counters if line.startswith("Udp:")]
    return dict(zip(*lines, strict=True))["OutDatagrams"]


KILLED = """
import subprocess, sys
from tests.lab.netns import Namespaces
name = Namespaces().make("killed")
sleeper = subprocess.Popen(["ip", "netns", "exec", name, "sleep", "600"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
while subprocess.run(["ip", "netns", "pids", name], capture_output=True).stdout == b"":
    pass
print(name, sleeper.pid, flush=True)
sys.stdin.read()
"""


def test_what_a_killed_run_left_is_swept_and_what_a_living_one_has_is_not(lab, repository):
    killed = subprocess.Popen(
        [sys.executable, "-c", KILLED],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=repository,
        env=os.environ | {"PYTHONPATH": str(repository)},
        text=True,
    )
    name, sleeper = killed.stdout.readline().split()
    assert {name, lab.world} <= set(os.listdir("/run/netns"))
    killed.kill()
    killed.wait()

    Namespaces().close()

    assert name not in os.listdir("/run/netns")
    assert lab.world in os.listdir("/run/netns")
    deadline = time.monotonic() + 10
    while is_running(sleeper) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_running(sleeper)


def is_running(pid):
    """There, and not a body that nobody has buried yet."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
