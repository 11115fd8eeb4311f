"""run.py serve on a laptop: what it says, who may join it in its folder, and whose data stays."""

import os
import secrets
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from urllib.parse import unquote

import psycopg2
import pytest
from aiohttp import ClientSession

from romantic.cli.phone import Phone, Refused
from romantic.dev.embedded import running_postgres
from tests.cli.runs import Place, Server, is_alive, wait_until


@pytest.fixture(scope="module")
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


@pytest.fixture(scope="module")
def server(start_for_all: Callable[..., Server], taken_port: int) -> Server:
    """One that runs for all tests here."""
    server = start_for_all(PORT=str(taken_port), OTP_RESEND_SECONDS="0")
    server.ready()
    return server


@pytest.fixture
async def http() -> AsyncIterator[ClientSession]:
    async with ClientSession() as session:
        yield session


def new_number() -> str:
    return f"+1555{secrets.randbelow(10**7):07d}"


async def come(http: ClientSession, server: Server, number: str) -> bool:
    """Sign in with the code of the outbox; whether the server had never seen them."""
    phone = Phone(http, server.ready(), "Ann")

    async def code_of(number: str) -> str:
        messages = (await phone.get("/dev/outbox.json"))["messages"]
        return next(str(message["code"]) for message in messages if message["to"] == number)

    return await phone.sign_in(number, code_of, age=30, gender="female")


def test_taken_port_is_named_and_the_next_free_one_used(server: Server, taken_port: int) -> None:
    port = int(server.ready().rpartition(":")[2])

    assert taken_port < port < taken_port + 50
    assert f"Port {taken_port} is taken; using {port}.\n" in server.out


def test_start_says_where_everything_is(server: Server) -> None:
    url = server.ready()

    addresses = (f"{url}/api", f"ws{url[4:]}/ws", f"{url}/demo?as=ada", f"{url}/dev/outbox", f"{url}/health")
    assert [address for address in addresses if address not in server.out] == []
    assert f"keep their data in {server.place.home}\n" in server.out


def test_second_start_in_the_folder_is_told_which_process_is_there(server: Server) -> None:
    second = server.place.run("serve")

    assert second.returncode == 1
    assert len(second.stderr.splitlines()) == 1
    assert f"Process {server.process.pid} " in second.stderr
    assert server.ready() in second.stderr
    assert server.place.programs


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("admin", "ledger", "check"), "The ledger holds."),
        (("migrate",), "The database is up to date."),
    ],
    ids=["ledger check", "migrate"],
)
async def test_command_beside_the_server_borrows_its_database(
    server: Server, http: ClientSession, command: tuple[str, ...], says: str
) -> None:
    before = server.place.postgres_pid

    done = server.place.run(*command)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == says
    assert server.place.postgres_pid == before
    assert (await http.get(f"{server.ready()}/health/ready")).status == 200


async def test_locked_out_number_gets_in_again_once_an_operator_unlocks_it(
    server: Server, http: ClientSession
) -> None:
    number = new_number()
    with psycopg2.connect(running_postgres(server.place.home).dsn) as conn, conn.cursor() as cursor:
        cursor.execute("INSERT INTO otp_failures (phone_number, failures) VALUES (%s, 50)", (number,))
    conn.close()
    with pytest.raises(Refused, match="RATE_LIMITED"):
        await come(http, server, number)

    done = server.place.run("admin", "otp", "unlock", number, "--reason", "a call to support")

    assert done.returncode == 0
    assert number not in done.stdout + done.stderr
    assert await come(http, server, number)


def kill_server(server: Server) -> None:
    server.send(signal.SIGKILL)
    server.ended()


def kill_postmaster(server: Server) -> None:
    """And stop the server that is left without its database: in order all the same."""
    pid = server.place.postgres_pid
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid), "the postmaster to die")
    assert server.stop() == 0


def interrupt(server: Server) -> None:
    server.send(signal.SIGINT)
    assert server.ended() == 0


@pytest.fixture(scope="module")
def lasting(make_place: Callable[[], Place]) -> Place:
    """One folder for all the ways to end: PostgreSQL makes its data once."""
    return make_place()


@pytest.mark.parametrize("end", [interrupt, kill_server, kill_postmaster])
async def test_data_outlives(
    start_for_all: Callable[..., Server],
    lasting: Place,
    http: ClientSession,
    end: Callable[[Server], None],
) -> None:
    number = new_number()
    server = start_for_all(at=lasting, OTP_RESEND_SECONDS="0")
    assert await come(http, server, number)
    end(server)

    again = start_for_all(at=lasting, OTP_RESEND_SECONDS="0")

    assert not await come(http, again, number)
    assert again.stop() == 0
    assert lasting.programs == []


def test_start_cut_short_leaves_nothing_running(start: Callable[..., Server], place: Place) -> None:
    server = start()
    wait_until(lambda: place.postgres_pid, "PostgreSQL to come up")

    server.send(signal.SIGTERM)

    assert server.ended() == 128 + signal.SIGTERM
    assert "Traceback" not in server.err
    assert place.programs == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands its servers to another user")
def test_closed_folder_does_not_keep_roots_servers_from_starting(
    start: Callable[..., Server], place: Place
) -> None:
    """As in /root: the servers run as nobody, who cannot get in there, so their data lies elsewhere."""
    place.path.chmod(0o700)
    server = start()

    server.ready()

    elsewhere = unquote(running_postgres(place.home).dsn.partition("host=")[2].partition("&")[0])
    assert server.stop() == 0
    assert elsewhere.startswith("/var/tmp/")
    shutil.rmtree(Path(elsewhere).parent)
