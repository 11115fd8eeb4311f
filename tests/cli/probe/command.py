"""run.py probe as monitoring starts it, and as a test reads what it says."""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cli.runs import RUN, environment

PATIENCE = 60.0
OK, WARNING, CRITICAL, UNKNOWN = range(4)


@dataclass(frozen=True)
class Told:
    """What one command said and came to."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        assert self.out.startswith("{"), self.out + self.err
        return dict(json.loads(self.out))

    @property
    def steps(self) -> dict[str, dict[str, Any]]:
        """Of the newest run, by name."""
        return {step["name"]: step for step in self.document["runs"][-1]["steps"]}

    def outcomes(self, *names: str) -> list[str]:
        return [self.steps[name]["outcome"] for name in names]


@dataclass
class Command:
    """A command that was started and is not waited for yet."""

    process: asyncio.subprocess.Process
    heard: list[str] = field(default_factory=list)

    async def line(self, start: str) -> str:
        """Read until a line begins so; raises TimeoutError."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while text := (await self.process.stdout.readline()).decode():
                self.heard.append(text)
                if text.startswith(start):
                    return text
        raise AssertionError(f"nothing began with {start!r}: {self.heard}")

    async def end(self) -> Told:
        async with asyncio.timeout(PATIENCE):
            out, err = await self.process.communicate()
        assert self.process.returncode is not None
        return Told(self.process.returncode, "".join(self.heard) + out.decode(), err.decode())


async def start(*arguments: object, at: Path, prefix: Sequence[str] = (), **variables: str) -> Command:
    """`run.py probe …` in a folder; `prefix` runs it somewhere else."""
    command = (*prefix, sys.executable, "-u", str(RUN), "probe", *map(str, arguments))
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=at,
        env=environment(**({"PYTHONPATH": "", "COLUMNS": "120"} | variables)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    return Command(process)


async def probe(*arguments: object, at: Path, prefix: Sequence[str] = (), **variables: str) -> Told:
    """Run it as JSON, to its end."""
    command = await start(*arguments, "--format", "json", at=at, prefix=prefix, **variables)
    return await command.end()
