"""run.py as its users start it: a process in a folder of its own, watched from outside."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

import psutil

from romantic.settings import Settings
from tests.secrecy import DETECTOR

RUN = Path(__file__).parents[2] / "run.py"
PATIENCE = 45.0

SETTINGS = {name.upper() for field in fields(Settings) for name in (field.name, f"{field.name}_file")}


def environment(**variables: str) -> dict[str, str]:
    """Ours without any setting of whoever runs the tests; a free port, and lines a test can read."""
    inherited = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    return inherited | {"PORT": "0", "LOG_FORMAT": "json"} | variables


def wait_until(condition: Callable[[], Any], what: str, *, within: float = PATIENCE) -> Any:
    deadline = time.monotonic() + within
    while not (result := condition()):
        assert time.monotonic() < deadline, f"waited {within:g} s for {what}"
        time.sleep(0.02)
    return result


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not, and in a container nobody may ever reap it."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


class Place:
    """A folder in which run.py is started, and the embedded servers that may run in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.home = path / ".romantic"

    @property
    def postgres_pid(self) -> int | None:
        return self._pid("postgres/data/postmaster.pid")

    @property
    def valkey_pid(self) -> int | None:
        return self._pid("valkey/data/valkey.pid")

    def _pid(self, file: str) -> int | None:
        try:
            return int((self.home / file).read_text().split()[0])
        except (OSError, IndexError):
            return None

    @property
    def programs(self) -> list[str]:
        """The embedded servers that run on this folder, whatever their pid files say."""
        found = []
        for process in psutil.process_iter(["name", "cmdline", "status"]):
            if str(self.home) in " ".join(process.info["cmdline"] or ()) and is_alive(process.pid):
                found.append(process.info["name"])
        return found

    def run(
        self, *command: str, within: float = PATIENCE, **variables: str
    ) -> "subprocess.CompletedProcess[str]":
        """A command that ends by itself."""
        return subprocess.run(
            (sys.executable, RUN, *command),
            cwd=self.path,
            env=environment(**variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=within,
            check=False,
        )


def on_a_terminal(*words: str, at: Path | None = None, both: bool = False, **variables: str) -> str:
    """What a person sees of a command on a terminal of 200 columns: its stdout, or `both` streams."""
    ours, theirs = pty.openpty()
    seen = environment(**{"ROMANTIC_ENV": "test", "COLUMNS": "200", "TERM": "xterm", **variables})
    with subprocess.Popen(
        (sys.executable, RUN, *words),
        cwd=at,
        env=seen,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs if both else None,
    ) as process:
        os.close(theirs)
        text = b""
        with suppress(OSError):  # Linux says so where others say end of file
            while some := os.read(ours, 65536):
                text += some
        process.wait(PATIENCE)
    os.close(ours)
    return text.decode()


class Server:
    """A `run.py serve` that was started and is not waited for yet."""

    def __init__(self, place: Place, *program: str | Path, **variables: str) -> None:
        self.place = place
        self._out, self._err = (place.path / f"{time.monotonic_ns()}.{name}" for name in ("out", "err"))
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                (sys.executable, *(program or (RUN, "serve"))),
                cwd=place.path,
                env=environment(**variables),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()

    def lines(self) -> list[dict[str, Any]]:
        """What it has logged; a line that is only half written is left out."""
        whole = self.out.rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]

    def logged(self, event: str) -> dict[str, Any] | None:
        """The first log line of this name."""
        return next((line for line in self.lines() if line["event"] == event), None)

    def ready(self) -> str:
        """The address, once it serves."""

        def started() -> dict[str, Any] | None:
            assert self.process.poll() is None, self.out + self.err
            return self.logged("server.start")

        return f"http://127.0.0.1:{wait_until(started, 'the server to start')['port']}"

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self, *, within: float = PATIENCE) -> int:
        """The exit code, once there is one."""
        return self.process.wait(within)

    def stop(self) -> int:
        self.send(signal.SIGTERM)
        return self.ended()


@contextmanager
def end_of(servers: list[Server]) -> Iterator[list[Server]]:
    """See to the end of whatever is started in the block, and of what it left running in its folder."""
    try:
        yield servers
    finally:
        for server in servers:
            if server.process.poll() is None:
                server.process.terminate()
        for server in servers:
            try:
                server.ended()
            except subprocess.TimeoutExpired:
                server.process.kill()
                server.process.wait()
            for pid in (server.place.postgres_pid, server.place.valkey_pid):
                if pid is not None and is_alive(pid):
                    os.kill(pid, signal.SIGKILL)
        for server in servers:
            for line in (server.out + server.err).splitlines():
                DETECTOR.hear(line)
    assert DETECTOR.leaks() == []
