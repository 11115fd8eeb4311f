"""The files in config/ at work: nginx in front of a server, coturn with our credentials, the unit, the containers"""

import asyncio
import datetime
import re
import ssl
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import yaml
from aiohttp import ClientSession, TCPConnector
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from romantic.dev.embedded import free_port
from romantic.rtc import ice_servers
from tests.ops.test_config_files import CONFIG, program
from tests.rtc.test_ice import allocates
from tests.secrecy import DETECTOR
from tests.waiting import until

FREE = 23000


@pytest.fixture
def certificate(tmp_path):
    """A key and a certificate for an hour, named as Let's Encrypt names them."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "api.example.com")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (tmp_path / "fullchain.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "privkey.pem").write_bytes(private)
    return tmp_path


@asynccontextmanager
async def started(*command):
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


def changed(text, **instead):
    for pattern, value in instead.values():
        text, times = re.subn(pattern, str(value), text)
        assert times, pattern
    return text


@pytest.fixture
async def nginx(make_client, certificate, in_ci):
    """nginx with config/nginx.conf in front of an application that trusts it; its HTTPS and HTTP addresses."""
    found, app = program("nginx", in_ci), await make_client(trusted_proxies="127.0.0.0/8")
    plain, secure = free_port("127.0.0.1", FREE), free_port("127.0.0.1", FREE + 100)
    site = changed(
        (CONFIG / "nginx.conf").read_text(),
        upstream=("127.0.0.1:8080", f"127.0.0.1:{app.port}"),
        six=(r"\n    listen \[::\]:\d+( ssl)?;", ""),  # not every container has IPv6
        plain=("listen 80;", f"listen 127.0.0.1:{plain};"),
        secure=("listen 443 ssl;", f"listen 127.0.0.1:{secure} ssl;"),
        certificate=("/etc/letsencrypt/live/api.example.com", certificate),
    )
    (certificate / "site.conf").write_text(site)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    folders = "".join(f"{kind}_temp_path {certificate}/{kind};" for kind in kinds)
    (certificate / "nginx.conf").write_text(
        f"daemon off; pid {certificate}/pid; error_log stderr;\nevents {{}}\n"
        f"http {{ access_log off; {folders} include {certificate}/site.conf; }}\n"
    )
    async with started(found, "-p", str(certificate), "-c", str(certificate / "nginx.conf")) as process:

        async def answers():
            assert process.returncode is None, await process.stdout.read()
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", secure)
            except OSError:
                return False
            writer.close()
            return True

        await until(answers)
        yield f"https://127.0.0.1:{secure}", f"http://127.0.0.1:{plain}"


async def test_nginx_passes_requests_and_sockets_over_tls_and_hides_what_is_inside(nginx, make_person):
    (secure, plain), person = nginx, await make_person()
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE

    async with ClientSession(connector=TCPConnector(ssl=anybody), headers=person.auth) as http:
        async with http.get(
            f"{secure}/api/coins/balance", headers={"X-Forwarded-For": "198.51.100.7"}
        ) as answer:
            balance, headers = await answer.json(), answer.headers
        async with http.get(f"{secure}/health/ready") as answer:
            hidden = answer.status
        async with http.get(f"{plain}/api/coins/balance", allow_redirects=False) as answer:
            redirected = answer.status, answer.headers["Location"]
        async with http.ws_connect(f"wss{secure[5:]}/ws") as socket:
            ready = await socket.receive_json()

    assert balance["data"]["balance"] == 50
    assert headers["Strict-Transport-Security"]
    assert any('"ip":"198.51.100.0/24"' in line for line in DETECTOR.lines)
    assert hidden == 404
    assert redirected == (308, "https://127.0.0.1/api/coins/balance")
    assert ready["event"] == "ready"


async def test_coturn_starts_with_its_file_and_relays_for_our_credentials_only(certificate, in_ci):
    found, port = program("turnserver", in_ci), free_port("127.0.0.1", FREE + 200)
    text = changed(
        (CONFIG / "coturn.conf").read_text(),
        secret=("REPLACE-WITH-WEBRTC_TURN_SECRET", "north"),
        port=("listening-port=3478", f"listening-port={port}"),
        tls=("tls-listening-port=5349", f"tls-listening-port={free_port('127.0.0.1', FREE + 300)}"),
        certificate=("/etc/letsencrypt/live/turn.example.com", certificate),
    )
    here = "listening-ip=127.0.0.1\nrelay-ip=127.0.0.1\nlog-file=stdout\n"
    (certificate / "coturn.conf").write_text(
        f"{text}{here}pidfile={certificate}/pid\nuserdb={certificate}/db\n"
    )

    def credentials(secret):
        [server] = ice_servers(
            stun=(), turn=(f"turn:127.0.0.1:{port}",), turn_secret=secret, turn_username=None, turn_credential=None,
            ttl=600, user_id="somebody", now=time.time(),
        )  # fmt: skip
        return server

    async with started(found, "-c", str(certificate / "coturn.conf")) as process:
        await until(lambda: allocates(port, credentials("north")))
        forged = await allocates(port, credentials("south"))
        process.terminate()
        said = (await process.stdout.read()).decode()

    assert forged is False
    assert not re.search(r"Bad configuration|Unknown option|ERROR.*(cert|key|config)", said), said


def test_systemd_finds_no_fault_in_the_unit(tmp_path, in_ci):
    unit = changed(
        (CONFIG / "systemd" / "romantic.service").read_text(),
        python=("/srv/romantic/.venv/bin/python", sys.executable),
        folder=("WorkingDirectory=/srv/romantic", f"WorkingDirectory={CONFIG.parent}"),
    )
    file = tmp_path / "romantic.service"
    file.write_text(unit)

    done = subprocess.run(
        [program("systemd-analyze", in_ci), "verify", "--man=no", file],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip

    faults = [line for line in done.stderr.splitlines() if "romantic.service" in line]
    assert (done.returncode, faults) == (0, []), done.stderr


@pytest.fixture
def compose():
    return yaml.safe_load((CONFIG / "compose.yaml").read_text())


def test_what_the_containers_name_exists(compose):
    services = compose["services"]
    mounted = {
        (name, volume.partition(":")[0])
        for name, service in services.items()
        for volume in service.get("volumes", ())
    }
    folders = {(name, source) for name, source in mounted if source.startswith(".")}
    secrets = {secret for service in services.values() for secret in service.get("secrets", ())}
    waited = [name for service in services.values() for name in service.get("depends_on", {})]

    assert {source for _, source in folders if not (CONFIG / source).exists()} == set()
    assert {source for _, source in mounted - folders} == set(compose["volumes"])
    assert secrets == set(compose["secrets"])
    assert all("healthcheck" in services[name] for name in waited)
    assert waited == ["postgres", "valkey"]


def test_nothing_inside_is_published_and_every_secret_is_a_file(compose):
    published = {name for name, service in compose["services"].items() if "ports" in service}
    values = [
        (name, value)
        for service in compose["services"].values()
        for name, value in service.get("environment", {}).items()
        if re.search("SECRET|PASSWORD|PEPPER|DATABASE_URL", name)
    ]

    assert published == {"romantic", "grafana"}
    assert compose["services"]["grafana"]["ports"] == ["127.0.0.1:3000:3000"]
    assert len(values) >= 5
    assert all(name.endswith("_FILE") and value.startswith("/run/secrets/") for name, value in values)


def test_grafana_and_prometheus_find_their_files_where_the_containers_have_them(compose):
    grafana = compose["services"]["grafana"]["volumes"]
    provider = yaml.safe_load((CONFIG / "grafana" / "dashboards.yml").read_text())["providers"][0]
    [source] = yaml.safe_load((CONFIG / "grafana" / "datasource.yml").read_text())["datasources"]
    scraped = yaml.safe_load((CONFIG / "prometheus" / "prometheus.yml").read_text())["scrape_configs"][0]

    assert any(f":{provider['options']['path']}/romantic.json" in volume for volume in grafana)
    assert source["url"] == "http://prometheus:9090"
    assert scraped["static_configs"][0]["targets"] == ["romantic:8081"]
    assert compose["services"]["romantic"]["environment"]["OPS_HOST"] == "0.0.0.0"


@pytest.mark.parametrize("file", sorted(CONFIG.rglob("*.y*ml")), ids=lambda path: path.name)
def test_every_file_is_yaml(file: Path):
    assert yaml.safe_load(file.read_text())


def test_promtool_takes_the_configuration(in_ci):
    done = subprocess.run(
        [program("promtool", in_ci), "check", "config", CONFIG / "prometheus" / "prometheus.yml"],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
