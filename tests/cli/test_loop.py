"""The event loop of a command: it ends, whatever its tasks do."""

import subprocess
import sys

from tests.cli.runs import RUN

DEAF = """
import asyncio
from romantic.cli.loop import run

async def deaf():
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass

async def main():
    asyncio.create_task(deaf())
    await asyncio.sleep(0)
    return "done"

print(run(main()))
"""


def test_task_that_hears_no_cancellation_does_not_hold_the_process() -> None:
    """As a database driver may lose one: asyncio.run would wait for ever."""
    command = (sys.executable, "-c", DEAF)

    ended = subprocess.run(command, cwd=RUN.parent, capture_output=True, text=True, timeout=30, check=False)

    assert (ended.returncode, ended.stdout) == (0, "done\n")
