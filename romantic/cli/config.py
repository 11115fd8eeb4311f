"""run.py config check | show | reference."""

import argparse
from dataclasses import fields
from typing import Any

from romantic.settings import CONFIG, Settings, load_settings


def add_to(commands: Any) -> None:
    summary = "check, show or explain the configuration"
    command = commands.add_parser("config", help=summary, description=summary)
    command.add_argument("what", choices=("check", "show", "reference"))
    command.set_defaults(run=config)


def config(arguments: argparse.Namespace) -> int:
    """Every fault is reported by main(), which knows the exit code."""
    if arguments.what == "reference":
        print((CONFIG / "default.toml").read_text("utf-8"), end="")
        return 0
    settings = load_settings()
    if arguments.what == "check":
        print(f"The configuration holds ({settings.romantic_env}).")
        return 0
    for field in fields(Settings):
        value = getattr(settings, field.name)
        print(f"{field.name.upper()}={_shown(value) if field.repr else _hidden(value)}")
    return 0


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _hidden(value: object) -> str:
    """A field without repr is a secret: it is named, never printed."""
    return "(set)" if value else ""
