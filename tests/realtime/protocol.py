"""The protocol document, read by a machine: every event it shows, and what it says of it."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent.parent.parent / "romantic" / "realtime" / "README.md"
_ROW = re.compile(r"^\| `([a-z-]+)`( ☎)? \| `(\{.*?\})` \| (.*) \|$", re.MULTILINE)
_BLOCK = re.compile(r"^```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ELLIPSES = (("{…}", "{}"), ("[…]", "[]"))


@dataclass
class Shown:
    """The examples of one event: their data, and whether they are numbered."""

    data: list[dict[str, Any]] = field(default_factory=list)
    numbered: list[bool] = field(default_factory=list)


@dataclass
class Asked:
    """A frame of the client: its data, whether it is served in a call after the token has run out, and the keys
    of its ack where the table has them."""

    data: dict[str, Any]
    in_call: bool
    ack_keys: set[str] | None


def _parse(text: str) -> list[dict[str, Any]]:
    """Every object that begins a line; what stands behind it on the line is a remark."""
    for short, whole in _ELLIPSES:
        text = text.replace(short, whole)
    decoder, found, at = json.JSONDecoder(), [], 0
    while (start := re.compile(r"^\{", re.MULTILINE).search(text, at)) is not None:
        value, at = decoder.raw_decode(text, start.start())
        found.append(value)
    return found


def examples() -> list[dict[str, Any]]:
    """Every JSON object of the page's blocks, in order."""
    return [frame for block in _BLOCK.findall(PAGE.read_text("utf-8")) for frame in _parse(block)]


def server_events() -> dict[str, Shown]:
    """What the server says by name, apart from answers: the frames with a `ts`."""
    shown: dict[str, Shown] = {}
    for frame in examples():
        if "ts" not in frame or not frame["data"]:
            continue  # an answer, a client's frame, or the envelope alone
        one = shown.setdefault(frame["event"], Shown())
        one.data.append(frame["data"])
        one.numbered.append("seq" in frame)
    return shown


def client_events() -> dict[str, Asked]:
    """The table of what a client sends."""
    asked = {}
    for name, in_call, data, ack in _ROW.findall(PAGE.read_text("utf-8")):
        for short, whole in _ELLIPSES:
            data, ack = data.replace(short, whole), ack.replace(short, whole)
        answer = re.match(r"`(\{.*?\})`(;|,|$)", ack)
        keys = set(json.loads(answer.group(1))) if answer else None
        asked[name] = Asked(json.loads(data), bool(in_call), keys)
    return asked
