"""The ICE server list, and its credentials at a real TURN server."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aioice import Connection, TransportPolicy

from romantic.dev.embedded import free_port
from romantic.rtc import ice_servers
from tests.waiting import until

USER = "0b7c9f0e-9a52-4f0e-8d5c-2f6f3f5a9c11"
STUN = ("stun:stun.example.org:3478",)
TURN = ("turn:turn.example.org:3478?transport=udp", "turns:turn.example.org:5349")
NOTHING = {"stun": (), "turn": (), "turn_secret": "", "turn_username": "", "turn_credential": ""}
SECRET = "north"

TURNSERVER = shutil.which("turnserver")
with_turnserver = pytest.mark.skipif(TURNSERVER is None, reason="coturn's turnserver is not installed")


def servers(**options):
    return ice_servers(**{**NOTHING, "ttl": 14400, "user_id": USER, "now": 1_700_000_000.9, **options})


def test_credentials_expire_and_are_what_coturn_derives():
    # printf '%s' "$username" | openssl dgst -sha1 -hmac north -binary | base64
    assert servers(stun=STUN, turn=TURN, turn_secret=SECRET) == [
        {"urls": list(STUN)},
        {
            "urls": list(TURN),
            "username": f"1700014400:{USER}",
            "credential": "8u4WgcdcrDPgkvpCMsSI69eX9xU=",
        },
    ]


def test_static_pair_is_handed_out_only_without_a_secret():
    static = {"turn": TURN, "turn_username": "house", "turn_credential": "pw"}

    [without] = servers(**static)
    [with_secret] = servers(**static, turn_secret=SECRET)

    assert (without["username"], without["credential"]) == ("house", "pw")
    assert "pw" not in with_secret.values()


def test_turn_is_left_out_where_nobody_could_use_it():
    assert servers(stun=STUN, turn=TURN) == [{"urls": list(STUN)}]


def test_secret_alone_makes_no_entry():
    assert servers(turn_secret=SECRET) == []


@pytest.fixture
async def turn_port(tmp_path: Path) -> AsyncIterator[int]:
    """The port of a coturn that takes time-limited credentials."""
    # below the system's own range: coturn tries for ever to bind what an outgoing connection holds
    port = free_port("127.0.0.1", 23500)
    options = (
        f"-n --no-cli --no-tcp --no-tls --no-dtls --listening-ip 127.0.0.1 --relay-ip 127.0.0.1 "
        f"--listening-port {port} "
        f"--use-auth-secret --static-auth-secret {SECRET} --realm example.org --allow-loopback-peers "
        f"--log-file stdout --pidfile {tmp_path}/pid --userdb {tmp_path}/db"
    )
    quiet = asyncio.subprocess.DEVNULL
    server = await asyncio.create_subprocess_exec(
        str(TURNSERVER), *options.split(), stdout=quiet, stderr=quiet
    )
    try:
        [fresh] = servers(turn=TURN, turn_secret=SECRET, now=time.time())
        await until(lambda: allocates(port, fresh), within=30)
        yield port
    finally:
        server.terminate()
        await server.wait()


async def allocates(port: int, server: dict[str, str]) -> bool:
    """Whether the TURN server relays for these credentials."""
    connection = Connection(
        ice_controlling=True,
        turn_server=("127.0.0.1", port),
        turn_username=server["username"],
        turn_password=server["credential"],
        transport_policy=TransportPolicy.RELAY,
    )
    try:
        await connection.gather_candidates()
        return any(candidate.type == "relay" for candidate in connection.local_candidates)
    finally:
        await connection.close()


@with_turnserver
async def test_coturn_relays_for_fresh_credentials_only(turn_port):
    [fresh] = servers(turn=TURN, turn_secret=SECRET, now=time.time())
    [expired] = servers(turn=TURN, turn_secret=SECRET, now=time.time() - 14401)
    [forged] = servers(turn=TURN, turn_secret="south", now=time.time())
    extended = fresh | {"username": f"{int(time.time()) + 99999}:{USER}"}

    answers = [await allocates(turn_port, server) for server in (fresh, expired, forged, extended)]

    assert answers == [True, False, False, False]
