"""run.py admin keys …: which signing keys there are, and the list with a new one in front."""

import argparse
import hashlib
import itertools
import secrets
import sys
from datetime import UTC, datetime
from typing import Any

from romantic.admin import service as staff
from romantic.cli.desk.acting import ask, operator, reads, writes
from romantic.cli.desk.tables import as_json, show
from romantic.cli.faults import CommandFault
from romantic.db import Connection
from romantic.settings import Settings, load_settings

COLUMNS = ("kid", "does", "sha256", "letters")
BYTES = 32
HOW_TO = """The new value of JWT_SECRET is on stdout: the new key {kid} signs, the older ones still verify.
1. Put it where JWT_SECRET or JWT_SECRET_FILE is read, on every node, and restart the nodes one after another.
   A node that does not know {kid} yet refuses its tokens: give the list to all before the last one restarts.
2. After {days:g} days (REFRESH_TTL) nobody holds a token of the older keys: take them off the list.
   A key that has leaked goes at once; everybody signs in again.
OTP_PEPPER is no key to rotate: codes under way die, and the hashes that give welcome coins once per number
for ever no longer match, so that every number could have them again. Change it only if it has leaked."""


def add_to(subjects: Any) -> None:
    keys = subjects.add_parser("keys", help="the keys that sign tokens, and a new one in front of them")
    actions = keys.add_subparsers(required=True, metavar="action")
    reads(actions, "list", listing, "the keys of JWT_SECRET by name, never their values")
    rotated = writes(actions, "rotate", rotate, "print JWT_SECRET with a new key in front; nothing is stored")
    rotated.add_argument("--drop", action="append", default=[], metavar="KID", help="leave this key out")


def listing(arguments: argparse.Namespace) -> int:
    keys = load_settings().jwt_keys
    rows = [
        {
            "kid": kid,
            "does": "signs" if number == 0 else "verifies",
            "sha256": _digest(key),
            "letters": len(key),
        }
        for number, (kid, key) in enumerate(keys.items())
    ]
    show(arguments, rows, columns=COLUMNS, nothing="")
    return 0


def rotate(arguments: argparse.Namespace) -> int:
    """The value goes to stdout, for a pipe into wherever secrets are kept; everything else to stderr."""
    settings = load_settings()
    if unknown := sorted(set(arguments.drop) - set(settings.jwt_keys)):
        raise CommandFault(f"JWT_SECRET has no key {', '.join(unknown)}")
    kid = _new_kid(settings)
    how_to = HOW_TO.format(kid=kid, days=settings.refresh_ttl / 86400)
    if arguments.dry_run:
        print(f"A dry run: no key was made. It would be {kid}.\n{how_to}", file=sys.stderr)
        return 0
    kept = {name: key for name, key in settings.jwt_keys.items() if name not in arguments.drop}
    _leave_trail(kid, list(settings.jwt_keys), list(kept), arguments.reason)
    value = ",".join(f"{name}:{key}" for name, key in {kid: secrets.token_urlsafe(BYTES), **kept}.items())
    print(as_json({"kid": kid, "JWT_SECRET": value}) if arguments.json else value)
    print(how_to, file=sys.stderr)
    return 0


def _leave_trail(kid: str, before: list[str], kept: list[str], reason: str) -> None:
    async def act(conn: Connection) -> None:
        await staff.audit(
            conn,
            operator(),
            "keys.rotate",
            target_type="setting",
            target_key=f"JWT_SECRET {kid}",
            before={"keys": ", ".join(before)},
            after={"keys": ", ".join([kid, *kept])},
            reason=reason,
        )

    ask(act)


def _new_kid(settings: Settings) -> str:
    """The day it was made; a second key of a day is numbered."""
    day = f"k{datetime.now(UTC):%Y%m%d}"
    names = (day if number == 1 else f"{day}-{number}" for number in itertools.count(1))
    return next(name for name in names if name not in settings.jwt_keys)


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:4]
