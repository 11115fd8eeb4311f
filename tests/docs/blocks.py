"""The code blocks of a Markdown file, and what runs them."""

import asyncio
import json
import os
import shutil
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

REPOSITORY = Path(__file__).parents[2]
SECONDS = 45.0
#: Node has a WebSocket of its own since 22; 20 has it behind a flag.
NODE = ("node", "--experimental-websocket", "--no-warnings", "--input-type=module", "-e")
RUNNABLE = ("bash", "python", "javascript")
DATA = ("json", "toml")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block."""

    line: int
    language: str
    text: str


def blocks_of(path: Path) -> Iterator[Block]:
    for token in MarkdownIt("commonmark").parse(path.read_text("utf-8")):
        if token.type == "fence":
            assert token.map is not None
            yield Block(token.map[0] + 1, token.info.strip(), token.content)


class Shell:
    """Runs blocks one after the other; what bash sets, the blocks after it see."""

    def __init__(self, url: str, folder: Path, environ: dict[str, str]) -> None:
        self._url = url
        self._state = folder / "state"
        self._state.touch()
        self._environ = {name: value for name, value in os.environ.items() if name != "CI"} | environ
        self._environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    async def run(self, block: Block) -> str:
        """What it printed; raises AssertionError with all of it where it failed."""
        text = block.text.replace("http://127.0.0.1:8080", self._url)
        text = text.replace("ws://127.0.0.1:8080", self._url.replace("http", "ws", 1))
        shown = f"set -a; . {self._state}; "
        if block.language == "bash":
            script = f"{shown}set -euo pipefail\n{text}\n{{ export -p; declare -f; }} > {self._state}"
            return await self._ran(block, "bash", "-c", script)
        program = (sys.executable, "-c") if block.language == "python" else NODE
        return await self._ran(block, "bash", "-c", f'{shown}exec "$@"', "bash", *program, text)

    async def _ran(self, block: Block, *command: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=REPOSITORY,
            env=self._environ,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(SECONDS):
                out, errors = await process.communicate()
        except TimeoutError:
            process.kill()
            raise AssertionError(f"line {block.line} does not end") from None
        assert process.returncode == 0, f"line {block.line}:\n{out.decode()}\n{errors.decode()}"
        return out.decode()


def parsed(block: Block) -> Any:
    """What a block of data says; raises ValueError where it is not of its language."""
    return json.loads(block.text) if block.language == "json" else tomllib.loads(block.text)


def missing_programs() -> list[str]:
    return [program for program in ("bash", "curl", "jq", "node", "openssl") if not shutil.which(program)]
