"""A coturn in the laboratory, and what phones are handed for it."""

import asyncio
import shutil
import time

import pytest
from aioice import Connection, TransportPolicy

from romantic.rtc import ice_servers
from tests.lab.networks import SERVER

PORT = 3480
SECRET = "north"
TURNSERVER = shutil.which("turnserver")


@pytest.fixture
async def coturn(lab, in_ci, tmp_path):
    """A coturn in the world that takes time-limited credentials and nothing else."""
    if TURNSERVER is None and not in_ci:
        pytest.skip("coturn's turnserver is not installed")
    assert TURNSERVER is not None, "CI must have coturn"
    options = (
        f"-n --no-cli --no-tls --no-dtls --listening-ip {SERVER} --relay-ip {SERVER} --listening-port {PORT} "
        f"--use-auth-secret --static-auth-secret {SECRET} --realm example.org --no-multicast-peers "
        f"--log-file stdout --pidfile {tmp_path}/pid --userdb {tmp_path}/db"
    )
    quiet = asyncio.subprocess.DEVNULL
    server = await lab.server().call(TURNSERVER, *options.split(), stdout=quiet, stderr=quiet)
    async with asyncio.timeout(20):
        while not await lab.server().run(lambda: relayed(credentials(), "udp")):
            await asyncio.sleep(0.05)
    yield
    server.kill()
    await server.wait()


def credentials(*, issued=0.0, secret=SECRET, **static):
    """What a phone is handed, `issued` seconds ago."""
    [server] = ice_servers(
        stun=(),
        turn=(f"turn:{SERVER}:{PORT}",),
        turn_secret=secret,
        turn_username=static.get("username", ""),
        turn_credential=static.get("credential", ""),
        ttl=600,
        user_id="somebody",
        now=time.time() - issued,
    )
    return server


def turning(server, transport):
    return Connection(
        ice_controlling=True,
        turn_server=(SERVER, PORT),
        turn_username=server["username"],
        turn_password=server["credential"],
        turn_transport=transport,
        transport_policy=TransportPolicy.RELAY,
    )


async def relayed(server, transport):
    """Whether coturn allocates a relay address for these credentials."""
    connection = turning(server, transport)
    try:
        await connection.gather_candidates()
        return any(candidate.type == "relay" for candidate in connection.local_candidates)
    finally:
        await connection.close()
