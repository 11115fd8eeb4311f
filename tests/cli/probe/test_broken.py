"""Broken servers: each gives its exit code, its cause, and what to do about it."""

import asyncio
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from romantic.http.health import LIFECYCLE
from tests.cli.probe.command import CRITICAL, OK, WARNING
from tests.cli.probe.conftest import PATIENT, climb
from tests.robots import make_robot


async def test_nothing_listens(unused_tcp_port):
    climbed = await climb(f"http://127.0.0.1:{unused_tcp_port}")

    assert climbed.code == CRITICAL
    assert climbed.outcomes("dns", "tcp", "tls", "health", "auth") == ["ok", "fail", "skip", "skip", "skip"]
    assert climbed.rungs["tcp"].cause == "connection refused: nothing listens there"
    assert climbed.rungs["tcp"].advice == "Is the server running, and on this port?"


async def test_a_name_that_has_no_address():
    climbed = await climb("http://no..such.name")

    assert (climbed.code, *climbed.outcomes("dns", "tcp")) == (CRITICAL, "fail", "skip")
    assert "has no address" in climbed.rungs["dns"].cause
    assert "spelled" in climbed.rungs["dns"].advice


async def silent(reader, writer):
    """It takes what is said until nobody says anything any more."""
    while await reader.read(1024):
        pass
    writer.close()


async def rude(_reader, writer):
    writer.close()


@asynccontextmanager
async def listening(handler, **options):
    server = await asyncio.start_server(handler, "127.0.0.1", 0, **options)
    port = server.sockets[0].getsockname()[1]
    try:
        yield port
    finally:
        server.close()


async def test_a_port_of_something_else(aiohttp_client):
    async def page(_):
        return web.Response(text="<html>It works!</html>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/{tail:.*}", page)
    client = await aiohttp_client(app)

    climbed = await climb(client.make_url(""))

    assert (climbed.code, *climbed.outcomes("tcp", "health", "auth")) == (CRITICAL, "ok", "fail", "skip")
    assert "not one of Romantic's" in climbed.rungs["health"].cause
    assert "right address" in climbed.rungs["health"].advice


@pytest.mark.parametrize(
    ("handler", "cause"),
    [(silent, "not done within"), (rude, "the connection was lost")],
    ids=["silent", "rude"],
)
async def test_a_server_that_says_nothing(handler, cause):
    async with listening(handler) as port:
        climbed = await climb(f"http://127.0.0.1:{port}", "--timeout", 1)

    assert (climbed.code, climbed.rungs["tcp"].outcome) == (CRITICAL, "ok")
    assert climbed.rungs["health"].cause.startswith(cause)
    assert climbed.rungs["health"].advice


def certificate(folder, *, days, name="127.0.0.1"):
    """A key and a certificate of its own authority, good from long ago for so many days from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Test")])
    now = datetime.now(UTC)
    other = x509.DNSName(name) if name != "127.0.0.1" else x509.IPAddress(ip_address(name))
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([other]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{days}-{name}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.mark.parametrize(
    ("days", "name", "trusted", "outcome", "cause", "advice"),
    [
        (-1, "127.0.0.1", True, "fail", "the certificate has expired", "Renew it now"),
        (90, "elsewhere.example", True, "fail", "the certificate is for another name", "by the name"),
        (90, "127.0.0.1", False, "fail", "signed by nobody this machine trusts", "--ca FILE"),
        (
            3,
            "127.0.0.1",
            True,
            "fail",
            "certificate 2.99 days is below 7 days|certificate 3 days is below",
            "Renew",
        ),
        (15, "127.0.0.1", True, "warn", "certificate 15 days is below 21 days", "Renew"),
        (90, "127.0.0.1", True, "ok", "", ""),
    ],
    ids=["expired", "another name", "stranger", "three days", "two weeks", "good"],
)
async def test_certificates(tmp_path, days, name, trusted, outcome, cause, advice):
    path = certificate(tmp_path, days=days, name=name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)

    async with listening(rude, ssl=context) as port:
        climbed = await climb(f"https://127.0.0.1:{port}", *(("--ca", path) if trusted else ()))

    tls = climbed.rungs["tls"]
    assert tls.outcome == outcome
    assert any(part in tls.cause for part in cause.split("|"))
    assert advice in tls.advice
    assert climbed.code == CRITICAL  # there is no Romantic behind it in any case


async def test_a_port_without_tls():
    async with listening(rude) as port:
        climbed = await climb(f"https://127.0.0.1:{port}", "--timeout", 5)

    assert (climbed.code, *climbed.outcomes("tcp", "tls", "health")) == (CRITICAL, "ok", "fail", "skip")
    assert climbed.rungs["tls"].cause


async def test_a_server_that_is_too_slow_is_judged_by_its_thresholds(aiohttp_client):
    async def answer(_):
        await asyncio.sleep(0.2)
        return web.json_response({"success": True, "data": {"checks": {}, "version": "0"}, "message": ""})

    app = web.Application()
    app.router.add_get("/{tail:.*}", answer)
    url = (await aiohttp_client(app)).make_url("")

    slow = await climb(url, "--http-warn", 150, "--http-critical", 10**6)
    too_slow = await climb(url, "--http-warn", 50, "--http-critical", 150)

    assert (slow.code, too_slow.code) == (WARNING, CRITICAL)
    assert slow.rungs["health"].cause.startswith("health answer ")
    assert slow.rungs["health"].cause.endswith(" is above 150 ms")
    assert "load" in too_slow.rungs["health"].advice


async def test_a_server_without_redis_is_a_warning(make_client, unused_tcp_port):
    server = await make_client(redis_url=f"redis://127.0.0.1:{unused_tcp_port}/0")

    climbed = await climb(server.make_url(""), *PATIENT)

    assert (climbed.code, climbed.rungs["health"].outcome) == (WARNING, "warn")
    assert climbed.rungs["health"].cause == "degraded: redis degraded"
    assert "before it is needed" in climbed.rungs["health"].advice


async def test_a_server_that_drains_is_critical(client):
    client.app[LIFECYCLE].draining = True

    climbed = await climb(client.make_url(""), *PATIENT)

    assert (climbed.code, *climbed.outcomes("health", "auth")) == (CRITICAL, "fail", "skip")
    assert climbed.rungs["health"].cause == "the server is not ready: lifecycle draining"


async def test_udp_that_nobody_answers_is_told_with_the_settings_that_decide_it(
    make_client, key_file, monkeypatch
):
    """Nothing listens where the server says its port is: calls are metered by sockets, and that is said."""
    monkeypatch.setattr("romantic.probe.runs.UDP_SECONDS", 0.5)
    server = await make_client(webrtc_stun_servers="", rtc_advertise_ip="127.0.0.99")
    keys = key_file(*[await make_robot(server) for _ in range(2)])

    climbed = await climb(server.make_url(""), "--keys", keys, "--talk", 1, "--skip", "resume", *PATIENT)

    assert climbed.code == CRITICAL
    assert climbed.outcomes("ice", "dtls", "data") == ["fail", "skip", "skip"]
    assert climbed.rungs["ice"].cause == "no UDP from here reaches the server's peer"
    assert "RTC_UDP_PORT" in climbed.rungs["ice"].advice
    assert climbed.rungs["call"].outcome == "warn"
    assert "not monitored over UDP" in climbed.rungs["call"].cause
    assert climbed.outcomes("hang-up", "ledger", "cleanup") == ["ok"] * 3
    assert "evidence E1" in climbed.rungs["meter"].facts


async def test_a_server_that_monitors_nobody_is_a_warning(make_client, key_file):
    server = await make_client(monitor_mode="off", webrtc_stun_servers="")
    keys = key_file(*[await make_robot(server) for _ in range(2)])

    climbed = await climb(server.make_url(""), "--keys", keys, "--talk", 1, "--skip", "resume,ice", *PATIENT)

    assert (climbed.code, climbed.rungs["call"].outcome) == (WARNING, "warn")
    assert "MONITOR_BUSY" in climbed.rungs["call"].cause
    assert climbed.outcomes("audio", "hang-up", "meter", "ledger") == ["ok"] * 4


async def test_dead_ice_servers_are_named(make_client, key_file, unused_udp_port, monkeypatch):
    monkeypatch.setattr("romantic.cli.probe.relays.TURN_SECONDS", 0.5)
    monkeypatch.setattr("romantic.cli.probe.relays.STUN_SECONDS", 0.5)
    dead = f"127.0.0.1:{unused_udp_port}"
    server = await make_client(
        webrtc_stun_servers=f"stun:{dead}",
        webrtc_turn_servers=f"turn:{dead},turn:{dead}?transport=tcp,turn:relay:port",
        webrtc_turn_secret="north",
    )  # fmt: skip
    keys = key_file(await make_robot(server))

    climbed = await climb(server.make_url(""), "--keys", keys, "--skip", "ice,resume", *PATIENT)

    assert climbed.code == CRITICAL
    assert climbed.outcomes("ice-servers", "stun", "turn") == ["ok", "warn", "fail"]
    assert climbed.rungs["stun"].cause == f"no answer from stun:{dead}"
    assert climbed.rungs["turn"].cause.count(dead) == 2
    assert "turn:relay:port: no address of a relay" in climbed.rungs["turn"].cause
    assert "typing error" in climbed.rungs["turn"].advice


async def test_a_healthy_server_is_none_of_this(client):
    assert (await climb(client.make_url(""), *PATIENT)).code == OK
