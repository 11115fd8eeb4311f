"""The socket protocol as its page tells it, read by machines: every event, example, answer and close code."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

PAGE: Final = Path(__file__).parent.parent / "realtime" / "README.md"

_ASKED = re.compile(r"^\| `([a-z-]+)`( ☎)? \| `(\{.*?\})` \| (.*) \|$", re.MULTILINE)
_WHEN = re.compile(r"^\| `([a-z-]+)` \| ([^`{|][^|]*?) \| ([^|]*?) ?\|$", re.MULTILINE)
_CLOSE = re.compile(r"^\| (\d{4}) \| (.*?) \| (.*?) \|$", re.MULTILINE)
_BLOCK = re.compile(r"^```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ELLIPSES = (("{…}", "{}"), ("[…]", "[]"))
_ANSWER = re.compile(r"`(\{.*?\})`(;|,|$)")
_LIKE = re.compile(r"as `([a-z-]+)`, (with|without) `(\w+)`")

Data = dict[str, Any]


@dataclass
class Shown:
    """The examples of one event of the server: their data, and whether they are numbered."""

    data: list[Data] = field(default_factory=list)
    numbered: list[bool] = field(default_factory=list)


@dataclass
class Asked:
    """A frame of the client: its data, its ack, and whether a call may send it with an expired token."""

    data: Data
    in_call: bool
    ack: Data


@dataclass
class When:
    """Why the server sends an event, and the paths in its data at which null may stand."""

    words: str
    nullable: set[str]

    def may_be_null(self, path: str) -> bool:
        """By its own path, or by `via.*` for all there is in `via`."""
        return path in self.nullable or f"{path.rpartition('.')[0]}.*" in self.nullable


@dataclass
class Close:
    """A close code: what it means, and what the client does then."""

    code: int
    meaning: str
    then: str


def _text() -> str:
    return PAGE.read_text("utf-8")


def _whole(text: str) -> str:
    for short, whole in _ELLIPSES:
        text = text.replace(short, whole)
    return text


def _parse(text: str) -> list[Data]:
    """Every object that begins a line; what stands behind it on the line is a remark."""
    text = _whole(text)
    decoder, found, at = json.JSONDecoder(), [], 0
    while (start := re.compile(r"^\{", re.MULTILINE).search(text, at)) is not None:
        value, at = decoder.raw_decode(text, start.start())
        found.append(value)
    return found


def examples() -> list[Data]:
    """Every JSON object of the page's blocks, in order."""
    return [frame for block in _BLOCK.findall(_text()) for frame in _parse(block)]


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
    shown = server_events()
    return {
        name: Asked(json.loads(_whole(data)), bool(in_call), _ack(_whole(ack), shown))
        for name, in_call, data, ack in _ASKED.findall(_text())
    }


def _ack(words: str, shown: dict[str, Shown]) -> Data:
    """The ack as the table has it: an object, `as` another event with or without a key, or the one below."""
    if answer := _ANSWER.match(words):
        data = json.loads(answer[1])  # an object cut short, under the name of an event, is that event's data
        return {
            key: shown[key].data[0] if value == {} and key in shown else value for key, value in data.items()
        }
    if like := _LIKE.match(words):
        data = dict(shown[like[1]].data[0])
        if like[2] == "without":
            del data[like[3]]
        else:
            others = (one for event in shown.values() for one in event.data if like[3] in one)
            data[like[3]] = next(others)[like[3]]
        return data
    return next(example for example in examples() if "event" not in example)


def occasions() -> dict[str, When]:
    """The table of when the server sends what."""
    return {
        name: When(words, set(re.findall(r"`([\w.*]+)`", nullable)))
        for name, words, nullable in _WHEN.findall(_text())
    }


def close_codes() -> list[Close]:
    """The table of close codes."""
    return [Close(int(code), meaning, then) for code, meaning, then in _CLOSE.findall(_text())]
