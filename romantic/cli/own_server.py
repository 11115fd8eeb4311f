"""Development servers of a command's own, each in a process and a folder of its own."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import Self

from romantic.cli.faults import CommandFault
from romantic.cli.stores import HOME
from romantic.settings import Settings

RUN = Path(__file__).parents[2] / "run.py"
START_SECONDS, STOP_SECONDS = 60.0, 30.0


class OwnServer:
    """A development server with empty stores in a folder of its own; nothing of it is left afterwards.

    A process as real as any: it shares no loop with the phones, and is stopped as an operator would. `beside`
    another it is a second node, on the stores of that one, and started when that one is ready.
    """

    def __init__(self, *, least_billable: float, beside: "OwnServer | None" = None) -> None:
        self._beside = beside
        self._process: subprocess.Popen[bytes] | None = None
        ours = {name.upper() for field in fields(Settings) for name in (field.name, f"{field.name}_file")}
        self._environ = {name: value for name, value in os.environ.items() if name not in ours}
        self._environ |= {
            "ROMANTIC_ENV": "development",
            "PORT": "0",
            "LOG_FORMAT": "json",
            "CALL_MIN_BILLABLE_SECONDS": str(least_billable),
        }

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="romantic-demo-"))
        self.folder.chmod(0o755)  # root's PostgreSQL runs as nobody, who must get in
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self) -> None:
        if self._beside is not None:
            self._environ |= self._beside.stores()
        with (self.folder / "log").open("wb") as log:
            # In a session of its own: Ctrl-C reaches us, and we stop it in order.
            self._process = subprocess.Popen(
                (sys.executable, RUN, "serve"),
                cwd=self.folder,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def wait_ready(self) -> str:
        """Start it, and wait until it serves; its address. Raises CommandFault or TimeoutError if it never
        does."""
        self._start()
        async with asyncio.timeout(START_SECONDS):
            while not (url := self._announced()):
                assert self._process is not None
                if self._process.poll() is not None:
                    raise CommandFault(f"it ended with status {self._process.returncode}")
                await asyncio.sleep(0.05)
        return url

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def _announced(self) -> str:
        """The address in the first line of its log that has one."""
        lines = (self.folder / "log").read_text(errors="replace").splitlines()
        starts = (line for line in lines if '"event":"server.start"' in line)
        return next((f"http://127.0.0.1:{json.loads(line)['port']}" for line in starts), "")

    def stores(self) -> dict[str, str]:
        """Where its PostgreSQL and its Valkey are, as another server is told."""
        from romantic.dev.embedded import running_postgres, start_valkey

        home = self.folder / HOME
        return {"DATABASE_URL": running_postgres(home).dsn, "REDIS_URL": start_valkey(home).url}

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Another command of run.py beside it, in its folder."""
        return subprocess.run(
            (sys.executable, RUN, *command),
            cwd=self.folder,
            env=self._environ,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )

    def stop(self) -> int:
        """SIGTERM, and the exit code; kill -9 if that does not help."""
        if self._process is None:
            return 0
        self._process.terminate()
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def log_tail(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-2000:]
