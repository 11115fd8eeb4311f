"""One-time codes: how they are made, limited, kept and checked (NIST SP 800-63B-4, OWASP ASVS 5)."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

from romantic.auth.errors import OtpInvalid, OtpLocked, TestNumberEnded
from romantic.auth.phones import country_prefix
from romantic.db import Connection, Row, load_queries
from romantic.errors import RateLimited
from romantic.settings import Settings

sql = load_queries("auth")

ATTEMPTS = 5
#: After this many wrong guesses in a row: one code an hour, three tries each; at the second bound none.
SLOW_AFTER, STOP_AFTER = 10, 50
SLOW_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Issued:
    """A code just written down; `code` exists only here, in memory, until it is sent."""

    id: UUID
    code: str
    expires_at: datetime
    is_test: bool


def code_hash(pepper: str, *, code_id: UUID, phone_number: str, code: str) -> bytes:
    message = f"{code_id}|{phone_number}|{code}".encode()
    return hmac.digest(pepper.encode(), message, hashlib.sha256)


async def issue(conn: Connection, settings: Settings, *, phone_number: str, ip: str | None) -> Issued:
    """Write down a new code within every budget; older codes of the number are dead from now on.

    Needs a transaction. Raises RateLimited with the seconds to wait, TestNumberEnded.
    """
    fixed = _test_code(settings, phone_number)
    await conn.run(sql.lock_budgets)
    budget = await conn.one(
        sql.count_codes, phone_number=phone_number, ip=ip, country_prefix=country_prefix(phone_number)
    )
    assert budget is not None
    if fixed is None:
        _within_budget(settings, budget)
    return await _write(conn, settings, phone_number=phone_number, ip=ip, fixed=fixed, slow=_is_slow(budget))


async def _write(
    conn: Connection, settings: Settings, *, phone_number: str, ip: str | None, fixed: str | None, slow: bool
) -> Issued:
    code_id, code = uuid4(), fixed or f"{secrets.randbelow(10**6):06d}"
    expires_at = await conn.value(
        sql.add_code,
        code_id=code_id,
        phone_number=phone_number,
        code_hash=code_hash(settings.otp_pepper, code_id=code_id, phone_number=phone_number, code=code),
        country_prefix=country_prefix(phone_number),
        ip=ip,
        delivery_method="test" if fixed else "whatsapp",
        attempts_allowed=SLOW_ATTEMPTS if slow else ATTEMPTS,
        seconds=settings.otp_ttl,
    )
    return Issued(code_id, code, expires_at, fixed is not None)


def _test_code(settings: Settings, phone_number: str) -> str | None:
    """The fixed code of a test number; raises TestNumberEnded after its last day, for nobody owns it."""
    if phone_number not in (numbers := settings.test_numbers):
        return None
    code, last_day = numbers[phone_number]
    if datetime.now(UTC).date() > last_day:
        raise TestNumberEnded
    return code


def _is_slow(budget: Row) -> bool:
    return bool(budget["failures"] >= SLOW_AFTER)


def _within_budget(settings: Settings, budget: Row) -> None:
    """Raise RateLimited for the budget that takes longest to recover."""
    since = budget["seconds_since_last"]
    waits: list[tuple[bool, float]] = [
        (budget["failures"] >= STOP_AFTER, 86400),
        (budget["in_a_day"] >= settings.otp_per_day, budget["day_frees_in"] or 0),
        (
            budget["in_an_hour"] >= (1 if _is_slow(budget) else settings.otp_per_hour),
            budget["hour_frees_in"] or 0,
        ),
        (budget["of_ip"] >= settings.otp_per_hour_per_ip, 3600),
        (budget["of_prefix"] >= settings.otp_per_hour_per_prefix, 3600),
        (budget["in_all"] >= settings.otp_per_hour_in_all, 3600),
        (
            since is not None and since < settings.otp_resend_seconds,
            settings.otp_resend_seconds - (since or 0),
        ),
    ]
    exceeded = [float(seconds) for is_over, seconds in waits if is_over]
    if exceeded:
        raise RateLimited("Too many codes were requested. Wait a moment.", retry_after=max(exceeded))


async def check(
    conn: Connection, settings: Settings, *, phone_number: str, code: str, message_id: str | None
) -> None:
    """Use the newest code of the number up; raises OtpInvalid or OtpLocked.

    Must not run inside a transaction that a refusal would roll back: wrong guesses are counted.
    """
    newest = await conn.one(sql.find_newest_code, phone_number=phone_number)
    if newest is None or (message_id is not None and message_id != newest["whatsapp_message_id"]):
        raise OtpInvalid
    if newest["attempts_count"] >= newest["attempts_allowed"] or newest["failures"] >= STOP_AFTER:
        raise OtpLocked(retry_after=newest["seconds_left"])
    digest = code_hash(settings.otp_pepper, code_id=newest["id"], phone_number=phone_number, code=code)
    is_right = await conn.value(sql.use_code, code_id=newest["id"], code_hash=digest)
    if is_right is None:
        raise OtpInvalid
    if not is_right:
        await conn.run(sql.count_failure, phone_number=phone_number)
        raise OtpInvalid
    await conn.run(sql.clear_failures, phone_number=phone_number)


async def mark_sent(conn: Connection, code_id: UUID, *, message_id: str | None, status: str) -> None:
    await conn.run(sql.set_delivery, code_id=code_id, message_id=message_id, delivery_status=status)


async def take_statuses(conn: Connection, statuses: list[tuple[str, str]]) -> None:
    """What the provider tells of messages by id, in any order and any number of times; only forward counts.

    Needs a transaction.
    """
    message_ids = [message_id for message_id, _ in statuses]
    if not await conn.all(sql.lock_sent_codes, message_ids=message_ids):
        return
    await conn.run(sql.advance_delivery, message_ids=message_ids, statuses=[status for _, status in statuses])


async def unlock(conn: Connection, *, phone_number: str) -> bool:
    """Forget the wrong guesses of a number; False if there were none. The limits on sending stay."""
    return await conn.run(sql.clear_failures, phone_number=phone_number) > 0
