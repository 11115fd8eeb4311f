"""run.py config check | show | explain | reference."""

import argparse
import difflib
import hashlib
import re
import typing
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Literal

from romantic.cli.faults import CommandFault
from romantic.settings import CONFIG, Settings, load_settings, origin_of

_SECTION = re.compile(r"^# --- (.+?) -+$")
_KEY = re.compile(r"^(\w+) = (\"[^\"]*\"|\[[^\]]*\]|[^#]*?)\s*(?:#\s*(.*))?$")

INTRODUCTION = """# Configuration

Environment variables over `config/<env>.toml` over `config/default.toml`. `NAME_FILE` reads the value of
`NAME` from a file, as secrets should be given. Lists are comma-separated in the environment; durations
are seconds and may be fractions; switches are `on` or `off`. `run.py config check` names every fault at
once, `show` says what is in force and where it comes from, `explain NAME` what one setting is for.

`ROMANTIC_ENV` is `development` (the default), `test` or `production`."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One setting as config/default.toml explains it; `default` is TOML."""

    section: str
    name: str
    default: str
    meaning: str

    @property
    def variable(self) -> str:
        return self.name.upper()


def add_to(commands: Any) -> None:
    summary = "check, show or explain the configuration"
    command = commands.add_parser("config", help=summary, description=summary)
    command.add_argument("what", choices=("check", "show", "explain", "reference"))
    command.add_argument("name", nargs="?", help="the setting to explain")
    command.set_defaults(run=config)


def config(arguments: argparse.Namespace) -> int:
    """Every fault is reported by main(), which knows the exit code."""
    if arguments.what == "reference":
        print(reference(), end="")
        return 0
    if arguments.what == "explain":
        return _explain((arguments.name or "").lower())
    settings = load_settings()
    if arguments.what == "check":
        print(f"The configuration holds ({settings.romantic_env}).")
        return 0
    for field in fields(Settings):
        print(f"{field.name.upper()}={_value(settings, field.name)}  # {origin_of(field.name)}")
    return 0


def entries() -> Iterator[Entry]:
    """Every setting of config/default.toml with its comment, in order."""
    section = ""
    for line in (CONFIG / "default.toml").read_text("utf-8").splitlines():
        if heading := _SECTION.match(line):
            section = heading[1]
        elif entry := _KEY.match(line):
            yield Entry(section, entry[1], entry[2].strip(), entry[3] or "")


def reference() -> str:
    """The guide to every setting, as Markdown."""
    lines = INTRODUCTION.splitlines()
    section = ""
    for entry in entries():
        if entry.section != section:
            section = entry.section
            lines += ["", f"## {section}", "", "| Variable | Type | Default | Meaning |", "|---|---|---|---|"]
        meaning = entry.meaning.replace("|", "\\|")
        lines.append(f"| `{entry.variable}` | {_kind(entry.name)} | `{entry.default}` | {meaning} |")
    return "\n".join(lines) + "\n"


def _explain(name: str) -> int:
    """Raises CommandFault with the closest names for one that is unknown."""
    known = {entry.name: entry for entry in entries()}
    if name not in known:
        close = ", ".join(one.upper() for one in difflib.get_close_matches(name, known, n=3))
        raise CommandFault(
            f"There is no setting {name.upper() or '(name one)'}. {close and f'Close: {close}.'}"
        )
    entry, settings = known[name], load_settings()
    print(f"{entry.variable} ({entry.section})")
    print(f"  {entry.meaning or 'Its name says it.'}")
    print(f"  type      {_kind(name)}")
    print(f"  default   {entry.default}")
    print(f"  in force  {_value(settings, name)} ({origin_of(name)})")
    return 0


def _kind(name: str) -> str:
    """A word for people: what may be given."""
    kind = typing.get_type_hints(Settings)[name]
    if typing.get_origin(kind) is Literal:
        return " or ".join(f"`{choice}`" for choice in typing.get_args(kind))
    if typing.get_origin(kind) is tuple:
        return "list"
    return {int: "whole number", float: "number", bool: "`on` or `off`", str: "text"}[kind]


def _value(settings: Settings, name: str) -> str:
    """What is in force; a field without repr is a secret: it is named by a digest, never printed."""
    value = getattr(settings, name)
    if not Settings.__dataclass_fields__[name].repr:
        return f"(set, sha256 {hashlib.sha256(str(value).encode()).hexdigest()[:4]})" if value else ""
    if isinstance(value, bool):
        return "on" if value else "off"
    return ",".join(value) if isinstance(value, tuple) else str(value)
