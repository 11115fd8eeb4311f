"""The command line of run.py probe: wrong arguments are UNKNOWN, 3, as monitoring expects; keys come three ways."""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from romantic.cli.main import _parser, main
from romantic.cli.probe.options import read
from tests.cli.probe.command import UNKNOWN

URL = "https://api.example.com"


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """The whole command in this process: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    for name in ("ROMANTIC_PROBE_KEYS", "ROMANTIC_PROBE_TOKEN"):
        monkeypatch.delenv(name, raising=False)

    def go(*arguments):
        monkeypatch.setattr(sys, "argv", ["run.py", "probe", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code, *capsys.readouterr()

    return go


def options(*arguments):
    return read(_parser().parse_args(["probe", *map(str, arguments)]))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "required: url"),
        (("ftp://example.com",), "is no address"),
        (("http://",), "is no address"),
        (("http://user:secret@example.com",), "without user"),
        (("http://example.com:http",), "Port could not be cast"),
        ((URL, "--unheard-of"), "unrecognized arguments"),
        ((URL, "--repeat", "0"), "between 1 and 10000"),
        ((URL, "--talk", "soon"), "invalid"),
        ((URL, "--timeout", "nan"), "between 1 and 3600"),
        ((URL, "--skip", "dance"), "no step 'dance'; there are tls, health"),
        ((URL, "--skip", "cleanup"), "no step 'cleanup'"),
        ((URL, "--rtt-warn", "500", "--rtt-critical", "400"), "--rtt-critical is not above --rtt-warn"),
        ((URL, "--mos-warn", "3", "--mos-critical", "4"), "--mos-critical is not below --mos-warn"),
        ((URL, "--keys", "nowhere"), "No such file"),
        ((URL, "--keys", "empty"), "has 0 keys"),
        ((URL, "--keys", "three"), "has 3 keys"),
        ((URL, "--phone", "+15550100"), "--phone and --otp go together"),
        ((URL, "--keys", "one", "--token", "t"), "one of --keys, --token and --phone"),
        ((URL, "--ca", "nowhere"), "nowhere is no file"),
        ((URL, "--format", "xml"), "invalid choice"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_wrong_arguments_are_unknown_and_said_without_a_traceback(run, tmp_path, arguments, says):
    for name, count in (("empty", 0), ("one", 1), ("three", 3)):
        (tmp_path / name).write_text("# keys\n" + "east rmk_x\n" * count)

    code, out, err = run(*arguments)

    assert (code, out) == (UNKNOWN, "")
    assert says in err
    assert "Traceback" not in err
    assert "secret" not in err


@pytest.fixture
def healthy():
    """As much of a server as a visitor without an account needs."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps({"success": True, "data": {"checks": {}, "version": "0"}}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_file_that_cannot_be_written_is_a_fault_of_this_machine(run, healthy):
    code, out, err = run(
        healthy, "--http-warn=99999", "--http-critical=99999", "--html", "no/such/folder/r.html"
    )

    assert code == UNKNOWN
    assert "no/such/folder/r.html cannot be written" in err
    assert out.splitlines()[-2].startswith("OK: ")


def test_nagios_is_told_of_a_fault_where_it_reads(run):
    code, out, _ = run(URL, "--keys", "nowhere", "--format", "nagios")

    assert code == UNKNOWN
    assert out.startswith("ROMANTIC UNKNOWN - ")
    assert out.count("\n") == 1


def test_keys_come_from_a_file_or_the_environment_and_what_is_given_counts_first(tmp_path, monkeypatch):
    path = tmp_path / "keys"
    path.write_text("# made yesterday\n\neast rmk_1\nrmk_2\n")
    monkeypatch.setenv("ROMANTIC_PROBE_KEYS", "rmk_3,west rmk_4")
    monkeypatch.setenv("ROMANTIC_PROBE_TOKEN", "t1")

    assert options(URL, "--keys", path).keys == ["rmk_1", "rmk_2"]
    assert options(URL).keys == ["rmk_3", "rmk_4"]
    assert (options(URL, "--token", "t2").keys, options(URL, "--token", "t2").token) == ([], "t2")
    monkeypatch.delenv("ROMANTIC_PROBE_KEYS")
    assert (options(URL).keys, options(URL).token) == ([], "t1")
    assert options(URL, "--phone", "+15550100", "--otp", "1").token == ""


@pytest.mark.parametrize(
    ("text", "scheme", "host", "port", "url"),
    [
        ("api.example.com", "https", "api.example.com", 443, "https://api.example.com"),
        ("http://[::1]:8080/", "http", "::1", 8080, "http://[::1]:8080"),
        ("https://example.com/romantic/", "https", "example.com", 443, "https://example.com/romantic"),
    ],
)
def test_addresses_are_read_as_they_are_meant(text, scheme, host, port, url):
    target = options(text).target

    assert (target.scheme, target.host, target.port, target.url) == (scheme, host, port, url)


def test_help_explains_itself(run):
    code, out, _ = run("--help")

    assert code == 0
    assert "usage: run.py probe URL [options]" in out
    assert "exit codes: 0 all well, 1 a warning, 2 critical, 3 unknown" in out
    for name in ("--keys", "--token", "--otp", "--rtt-critical", "--repeat", "--junit", "--html"):
        assert f"\n  {name} " in out
