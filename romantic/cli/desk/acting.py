"""How a command asks, and how it changes something: in one transaction, with a reason and a trail."""

import argparse
import getpass
import secrets
import sys
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import UUID

from romantic.admin import reading
from romantic.admin.service import Actor
from romantic.auth.phones import normalise
from romantic.cli.desk.tables import as_json, show
from romantic.cli.faults import CommandFault
from romantic.cli.on_database import on_database
from romantic.db import Connection, Row
from romantic.errors import InvalidInput, RomanticError
from romantic.users.errors import UserNotFound

Result = TypeVar("Result")
Work = Callable[[Connection, Actor], Awaitable[Any]]

MOST = 1000
ROLES = ("user", "moderator", "admin")
SHORTEST_REASON, LONGEST_REASON = 3, 500
CHANGES = ("action", "target", "what", "before", "after")


def reads(subject: Any, name: str, run: Callable[..., int], summary: str) -> argparse.ArgumentParser:
    """An action that only looks."""
    action: argparse.ArgumentParser = subject.add_parser(name, help=summary, description=summary)
    action.add_argument("--json", action="store_true", help="for programs")
    action.set_defaults(run=run)
    return action


def lists(subject: Any, name: str, run: Callable[..., int], summary: str) -> argparse.ArgumentParser:
    """An action that shows the first so many of something."""
    action = reads(subject, name, run, summary)
    action.add_argument("--limit", type=_limit, default=50, metavar="N", help=f"at most {MOST}; 50")
    return action


def writes(subject: Any, name: str, run: Callable[..., int], summary: str) -> argparse.ArgumentParser:
    """An action that changes something."""
    action = reads(subject, name, run, summary)
    action.add_argument("--reason", required=True, type=_reason, help="why, for the trail")
    action.add_argument("--dry-run", action="store_true", help="show what would change, and change nothing")
    return action


def ask(work: Callable[[Connection], Any]) -> Any:
    """The answer to a question. Raises CommandFault for what the services refuse."""
    try:
        return on_database(work)
    except RomanticError as refusal:
        raise CommandFault(in_words(refusal)) from None


def change(arguments: argparse.Namespace, work: Work) -> int:
    """Do the work and show what it changed, as the trail has it. Raises CommandFault."""
    written: list[Row] = []

    async def act(conn: Connection) -> None:
        await work(conn, operator())
        written.extend(await reading.list_written(conn))
        if arguments.dry_run:
            raise _Undone

    try:
        on_database(act)
    except RomanticError as refusal:
        raise CommandFault(in_words(refusal)) from None
    except _Undone:
        pass
    _show_changes(arguments, written)
    return 0


class _Undone(Exception):
    """Rolls a dry run back."""


def operator() -> Actor:
    """Whoever sits at this command line, and an id for what they do now."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container may run under an id that nobody has
        name = "unknown"
    return Actor(None, request_id=f"cli_{secrets.token_hex(8)}", operator=name[:64])


def _show_changes(arguments: argparse.Namespace, written: list[Row]) -> None:
    if arguments.json:
        print(as_json({"dryRun": arguments.dry_run, "changes": written}))
        return
    rows = [line for row in written for line in _changes(row)]
    show(arguments, rows, columns=CHANGES, nothing="Nothing to change: it is so already.")
    if arguments.dry_run:
        print("A dry run: nothing was changed.", file=sys.stderr)


def _changes(row: Row) -> list[dict[str, Any]]:
    """What differs between before and after, one line each; an act without either is one line."""
    before, after = row["before"], row["after"]
    named = {
        "action": row["action"],
        "target": f"{row['target_type']} {row['target_id'] or row['target_key']}",
    }
    differing = [
        named | {"what": name, "before": before.get(name), "after": after.get(name)}
        for name in {**before, **after}
        if before.get(name) != after.get(name)
    ]
    return differing or [named | {"what": "", "before": None, "after": None}]


def in_words(refusal: RomanticError) -> str:
    """The refusal with the facts it carries."""
    facts = ", ".join(f"{name} {value}" for name, value in refusal.meta.items())
    return f"{refusal} ({facts})" if facts else str(refusal)


def number_of(text: str) -> str:
    """A phone number in E.164. Raises CommandFault."""
    try:
        return normalise(text, strict=False)
    except RomanticError as refusal:
        raise CommandFault(str(refusal)) from None


async def person_of(conn: Connection, text: str) -> Row:
    """Somebody by their id or phone number. Raises UserNotFound, InvalidInput."""
    try:
        return await reading.get_person(conn, user_id=UUID(text))
    except ValueError:
        pass
    if not text.startswith("+"):
        raise InvalidInput("A person is an id, or a phone number in international form.")
    rows, _ = await reading.list_users(
        conn, status=None, user_id=None, phone_number=number_of(text), page_size=1, page_offset=0
    )
    if not rows:
        raise UserNotFound
    return await reading.get_person(conn, user_id=rows[0]["id"])


def _reason(text: str) -> str:
    text = text.strip()
    if not SHORTEST_REASON <= len(text) <= LONGEST_REASON:
        raise argparse.ArgumentTypeError(f"{SHORTEST_REASON} to {LONGEST_REASON} letters")
    return text


def _limit(text: str) -> int:
    number = int(text)
    if not 1 <= number <= MOST:
        raise argparse.ArgumentTypeError(f"1 to {MOST}")
    return number
