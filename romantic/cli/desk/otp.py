"""run.py admin otp …: why a number gets no code, without the code; and another chance for it."""

import argparse
from typing import Any

from romantic.admin import service as staff
from romantic.admin.service import Actor
from romantic.auth import otp
from romantic.auth.phones import phone_hash
from romantic.cli.desk.acting import ask, change, number_of, reads, writes
from romantic.cli.desk.tables import Part, show_one
from romantic.db import Connection, Row
from romantic.settings import load_settings

CODES = (
    "created_at",
    "delivery_method",
    "delivery_status",
    "tries",
    "is_used",
    "fallback_at",
    "read_at",
    "expires_at",
)


def add_to(subjects: Any) -> None:
    codes = subjects.add_parser("otp", help="why a number gets no code, and another chance for it")
    actions = codes.add_subparsers(required=True, metavar="action")
    shown = reads(actions, "show", look, "codes and limits of a number; never a code")
    unlocked = writes(actions, "unlock", unlock, "forget wrong guesses; the limits on sending stay")
    cleared = writes(actions, "clear", clear, "forget wrong guesses and codes: it may ask for one at once")
    for action in (shown, unlocked, cleared):
        action.add_argument("phone", help="in international form, +15550100")


def look(arguments: argparse.Namespace) -> int:
    number, settings = number_of(arguments.phone), load_settings()
    state, codes = ask(lambda conn: otp.describe(conn, settings, phone_number=number))
    for code in codes:
        code["tries"] = f"{code.pop('attempts_count')} of {code.pop('attempts_allowed')}"
    show_one(arguments, {"phone": _masked(number)} | state, Part("codes", codes, CODES))
    return 0


def unlock(arguments: argparse.Namespace) -> int:
    return _forget(arguments, "otp.unlock", with_codes=False)


def clear(arguments: argparse.Namespace) -> int:
    return _forget(arguments, "otp.clear", with_codes=True)


def _forget(arguments: argparse.Namespace, action: str, *, with_codes: bool) -> int:
    """The trail names the number by its keyed hash, and shows nobody's number."""
    number, settings = number_of(arguments.phone), load_settings()

    async def work(conn: Connection, actor: Actor) -> None:
        before, _ = await otp.describe(conn, settings, phone_number=number)
        changed = await otp.unlock(conn, phone_number=number)
        if with_codes:
            changed = await otp.forget_codes(conn, phone_number=number) or changed
        if changed:
            after, _ = await otp.describe(conn, settings, phone_number=number)
            await staff.audit(
                conn,
                actor,
                action,
                target_type="phone",
                target_key=f"{_masked(number)} {phone_hash(number, settings.otp_pepper).hex()}",
                before=_counted(before),
                after=_counted(after),
                reason=arguments.reason,
            )

    return change(arguments, work)


def _counted(state: Row) -> Row:
    return {
        name: state[name] for name in ("wrong_guesses", "codes_in_an_hour", "codes_in_a_day", "may_ask_in_s")
    }


def _masked(number: str) -> str:
    return f"+***{number[-2:]}"
