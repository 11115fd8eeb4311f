"""run.py serve in production: the stores it was given, nothing of development, one sentence for a refusal."""

import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.cli.runs import RUN, Place, Server
from tests.test_settings import PRODUCTION

#: run.py, and at its end on stderr what it has imported of romantic.dev.
WITNESS = """
import atexit, runpy, sys

def testify():
    print("IMPORTED", [name for name in sys.modules if f"{{name}}.".startswith("romantic.dev.")], file=sys.stderr)

atexit.register(testify)
sys.path.insert(0, {root!r})
sys.argv = [{run!r}, "serve"]
runpy.run_path({run!r}, run_name="__main__")
"""


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def new_ports() -> dict[str, str]:
    stream, datagram = socket.SOCK_STREAM, socket.SOCK_DGRAM
    kinds = {"PORT": stream, "OPS_PORT": stream, "RTC_UDP_PORT": datagram}
    return {name: str(free_port(kind)) for name, kind in kinds.items()}


@pytest.fixture(scope="module")
def variables(postgres: str, valkey: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a production server is given, on the stores of the tests."""
    return PRODUCTION | {
        "DATABASE_URL": postgres,
        "REDIS_URL": valkey,
        **new_ports(),
        "HOST": "127.0.0.1",
        "DRAIN_SECONDS": "0",
        "RTC_UDP_HOST": "127.0.0.1",
        "STORAGE": "disk",
        "SMS_PROVIDER": "off",  # without credentials its client would ask the machine's cloud for some
        "MEDIA_DIR": str(tmp_path_factory.mktemp("media")),
    }


@pytest.fixture(scope="module")
def server(start_for_all: Callable[..., Server], variables: dict[str, str]) -> Server:
    """One that runs for all tests here."""
    server = start_for_all(**variables)
    server.ready()
    return server


async def test_serves_on_the_stores_it_was_given(server: Server) -> None:
    async with ClientSession() as http, http.get(f"{server.ready()}/health/ready") as response:
        answer = await response.json()

    assert response.status == 200, answer
    assert set(answer["data"]["checks"].values()) == {"ok"}
    assert not server.place.home.exists()


@pytest.mark.parametrize("path", ["/dev/outbox", "/dev/outbox.json", "/demo", "/demo/check", "/web/demo.js"])
async def test_development_routes_do_not_exist(server: Server, path: str) -> None:
    async with ClientSession() as http, http.get(server.ready() + path) as response:
        answer = await response.json()

    assert (response.status, answer["error"]["code"]) == (404, "NOT_FOUND")


async def test_development_webhook_stand_in_does_not_exist(server: Server) -> None:
    async with ClientSession() as http, http.post(f"{server.ready()}/dev/whatsapp/v1/1/messages") as response:
        assert response.status == 404


def test_demo_refuses_a_server_that_is_not_for_development(server: Server, place: Place) -> None:
    done = place.run("demo", "--url", server.ready())

    assert done.returncode == 1
    assert "FAILED" in done.stdout
    assert "is not a development server" in done.stdout


@pytest.mark.parametrize("taken", ["PORT", "OPS_PORT", "RTC_UDP_PORT"])
def test_taken_port_is_named_and_nothing_else_tried(
    server: Server, variables: dict[str, str], place: Place, taken: str
) -> None:
    server.ready()
    ours = new_ports() | {taken: variables[taken]}

    done = place.run("serve", **(variables | ours))

    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert f"{taken}={variables[taken]}" in done.stderr


def test_ends_in_order_with_log_lines_only_and_nothing_of_development_imported(
    start: Callable[..., Server], variables: dict[str, str], tmp_path: Path
) -> None:
    witness = tmp_path / "run.py"
    witness.write_text(WITNESS.format(run=str(RUN), root=str(RUN.parent)))
    server = start(witness, **(variables | new_ports()))
    server.ready()

    status = server.stop()

    assert status == 0
    assert [json.loads(line)["event"] for line in server.out.splitlines()][-1] == "server.stop"
    assert server.err == "IMPORTED []\n"
