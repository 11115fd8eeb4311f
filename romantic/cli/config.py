"""run.py config check | show | reference."""

import argparse
from dataclasses import fields
from typing import Any

from romantic.settings import CONFIG, Settings, load_settings

_SECRETS = ("secret", "pepper", "token", "credential", "_url", "test_numbers")
_NOT_SECRET = ("public_base_url", "whatsapp_api_base_url", "ws_allow_query_token")


def add_to(commands: Any) -> None:
    command = commands.add_parser("config", help="check, show or explain the configuration")
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
        print(f"{field.name.upper()}={_shown(field.name, getattr(settings, field.name))}")
    return 0


def _shown(name: str, value: object) -> str:
    """Secrets are named, never printed."""
    is_secret = name not in _NOT_SECRET and any(word in name for word in _SECRETS)
    if is_secret and value:
        return "(set)"
    return ",".join(value) if isinstance(value, tuple) else str(value)
