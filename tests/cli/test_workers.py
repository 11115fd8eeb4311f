"""WORKERS=n: one port, one supervisor, and processes that are started again and end in order."""

import signal
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psutil
import pytest
from aiohttp import ClientSession

from romantic.cli.faults import CommandFault
from romantic.cli.workers import address_held, settings_of_worker
from romantic.settings import load_settings
from tests.cli.runs import Server, is_alive, wait_until

TEST = {"ROMANTIC_ENV": "test"}


def lines_of(server: Server, event: str) -> list[dict[str, Any]]:
    return [line for line in server.lines() if line["event"] == event]


def workers_of(server: Server) -> list[int]:
    """The processes that serve, and not multiprocessing's own."""
    children = psutil.Process(server.process.pid).children()
    return [child.pid for child in children if "spawn_main" in " ".join(child.cmdline())]


async def statuses(url: str, count: int) -> set[int]:
    """Of so many requests, each on a connection of its own: the kernel spreads them over the workers."""
    found = set()
    for _ in range(count):
        async with ClientSession() as http, http.get(f"{url}/health/ready") as response:
            found.add(response.status)
    return found


async def test_workers_share_a_port_and_the_killed_one_is_replaced(
    start: Callable[..., Server], postgres: str, valkey: str
) -> None:
    server = start(**TEST, WORKERS="2", DATABASE_URL=postgres, REDIS_URL=valkey, DRAIN_SECONDS="0.1")
    url = server.ready()
    before = {line["node"] for line in lines_of(server, "worker.start")}
    assert await statuses(url, 20) == {200}
    nodes = {line["node"] for line in lines_of(server, "http.request")}

    killed, other = workers_of(server)
    psutil.Process(killed).kill()
    wait_until(lambda: len(lines_of(server, "worker.start")) == 3, "the worker to be replaced")
    after = {line["node"] for line in lines_of(server, "worker.start")} - before
    answers = await statuses(url, 20)
    served = {line["node"] for line in lines_of(server, "http.request")}

    assert len(before) == 2
    assert nodes == before
    assert [(line["exit_code"], line["worker"]) for line in lines_of(server, "worker.died")] == [
        (-signal.SIGKILL, lines_of(server, "worker.start")[2]["worker"])
    ]
    assert answers == {200}
    assert served == before | after

    last = workers_of(server)
    assert server.stop() == 0
    assert len(lines_of(server, "worker.stop")) == 2
    assert lines_of(server, "server.stop")
    assert other in last
    assert [pid for pid in last if is_alive(pid)] == []
    assert "Traceback" not in server.err


@pytest.mark.full
def test_supervisor_that_is_killed_takes_its_workers_along(
    start: Callable[..., Server], postgres: str, valkey: str
) -> None:
    server = start(**TEST, WORKERS="2", DATABASE_URL=postgres, REDIS_URL=valkey, DRAIN_SECONDS="0.1")
    server.ready()
    workers = workers_of(server)

    server.send(signal.SIGKILL)

    wait_until(lambda: not any(map(is_alive, workers)), "the workers to drain and end")
    assert len(lines_of(server, "worker.stop")) == 2


@pytest.mark.full
def test_worker_that_cannot_come_up_ends_the_start_and_says_why(
    start: Callable[..., Server], postgres: str, valkey: str
) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        server = start(
            **TEST, WORKERS="2", DATABASE_URL=postgres, REDIS_URL=valkey, RTC_UDP_PORT=str(port - 1)
        )

        assert server.ended() == 1

    assert f"RTC_UDP_PORT={port}: " in server.err
    assert "Traceback" not in server.err


@pytest.mark.parametrize("shares", [False, True])
def test_address_of_another_server_is_not_shared_with_it(shares: bool) -> None:
    with socket.socket() as taken:
        if shares:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = load_settings(TEST, port=taken.getsockname()[1], workers=2, jwt_secret="x" * 40)

        with pytest.raises(CommandFault, match=f"PORT={settings.port}: .*in use"), address_held(settings):
            pass


def test_held_address_is_for_the_workers_only() -> None:
    with address_held(load_settings(TEST, port=0, workers=2)) as settings:
        assert settings.port
        with pytest.raises(OSError, match="in use"):
            socket.create_server((settings.host, settings.port)).close()
        for _ in range(2):
            with socket.create_server((settings.host, settings.port), reuse_port=True):
                pass


def test_each_worker_has_the_fixed_ports_after_those_of_the_one_before() -> None:
    settings = load_settings(TEST, ops_port=8081, rtc_udp_port=3478, workers=3)

    ports = [(own.ops_port, own.rtc_udp_port) for own in (settings_of_worker(settings, n) for n in range(3))]
    free = settings_of_worker(replace(settings, ops_port=0, rtc_udp_port=0), 2)

    assert ports == [(8081, 3478), (8082, 3479), (8083, 3480)]
    assert (free.ops_port, free.rtc_udp_port) == (0, 0)
