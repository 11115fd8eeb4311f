"""run.py without its start: a process that has loaded everything and forks for each command.

A command is the real `main()` with its own arguments, environment, streams and exit code; only the second that
Python takes to import the house is paid once for all of them.
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.cli.runs import PATIENCE, environment

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Done:
    """What became of a command."""

    returncode: int
    stdout: str
    stderr: str


class Warm:
    """The loaded process; `run` is what one would type after run.py."""

    def __init__(self, **variables: str) -> None:
        self._process = subprocess.Popen(
            (sys.executable, "-c", "from tests.cli.warm import serve; serve()"),
            cwd=REPOSITORY,
            env=environment(**variables),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: object, **variables: str) -> Done:
        with tempfile.TemporaryDirectory() as folder:
            order = {"words": list(map(str, words)), "folder": folder, "variables": variables}
            assert self._process.stdin
            assert self._process.stdout
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            code = int(self._process.stdout.readline())
            out, err = (Path(folder, name).read_text("utf-8") for name in ("out", "err"))
        return Done(code, out, err)

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(PATIENCE)


def serve() -> None:
    """Fork for each order on stdin; its exit code goes to stdout."""
    import romantic.cli.admin
    import romantic.cli.main

    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(order)
            romantic.cli.main.main()
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _become(order: dict[str, object]) -> None:
    folder = str(order["folder"])
    os.environ.update(dict(order["variables"]))  # type: ignore[call-overload]
    os.chdir(folder)
    for descriptor, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{folder}/{name}", os.O_CREAT | os.O_WRONLY, 0o600), descriptor)
    sys.argv = ["run.py", *order["words"]]  # type: ignore[misc]
