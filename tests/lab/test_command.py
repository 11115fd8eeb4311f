"""run.py probe on real networks: its exit code, what it names, and relay allocations from behind a firewall."""

import asyncio

from tests.cli.probe.command import CRITICAL, OK
from tests.cli.probe.conftest import climb
from tests.lab.networks import SERVER
from tests.lab.relay import PORT, SECRET
from tests.robots import make_robot

#: Exit code, and the outcomes of stun, turn, ice and data.
LINES = {
    "cone": (OK, ["ok", "ok", "ok", "ok"]),
    "udp-rejected": (CRITICAL, ["warn", "warn", "fail", "skip"]),
    "loss": (CRITICAL, ["ok", "ok", "ok", "fail"]),
}
#: One packet in twenty is lost; everything else is for a machine that is busy with other tests.
TRIES = 3  # an answer that came too late for a busy machine is not the line's
LIMITS = (
    *(f"--{name}-{word}=1000000" for name in ("http", "rtt", "jitter") for word in ("warn", "critical")),
    *("--loss-warn=2", "--loss-critical=2.5", "--mos-warn=1", "--mos-critical=1"),
    *("--skip", "resume,socket-rtt"),
)


def summary(climbed):
    return climbed.code, climbed.outcomes("stun", "turn", "ice", "data")


async def test_each_network_gets_its_exit_code_and_the_step_that_explains_it(
    coturn, lab, make_world_site, tmp_path, monkeypatch
):
    monkeypatch.setattr("romantic.probe.runs.UDP_SECONDS", 1.0)
    turn = f"turn:{SERVER}:{PORT}"
    site = await make_world_site(
        webrtc_turn_servers=f"{turn},{turn}?transport=tcp", webrtc_turn_secret=SECRET
    )

    async def on(line):
        keys = tmp_path / line
        keys.write_text((await make_robot(site.client)).access_token)
        for _ in range(TRIES):
            climbed = await lab.host(line).run(lambda: climb(site.url, "--keys", keys, *LIMITS))
            if summary(climbed) == LINES[line]:
                break
        return climbed

    found = dict(zip(LINES, await asyncio.gather(*map(on, LINES)), strict=True))

    assert {line: summary(climbed) for line, climbed in found.items()} == LINES
    blocked = found["udp-rejected"].rungs
    assert blocked["ice"].cause == "no UDP from here reaches the server's peer"
    assert "TCP or TLS" in blocked["ice"].advice
    assert blocked["turn"].facts.startswith("1 of 2 allocate")  # over TCP
    assert blocked["turn"].cause.startswith(f"{turn}: ")
    assert found["cone"].rungs["turn"].facts.startswith("2 of 2 allocate")
    assert "loss to the server" in found["loss"].rungs["data"].cause
