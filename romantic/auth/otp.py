"""One-time codes: how they are made, limited, kept and checked (NIST SP 800-63B-4, OWASP ASVS 5)."""

import hashlib
import hmac
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
    """A code just written down, as its hash: whoever sends it derives it again."""

    id: UUID
    expires_at: datetime
    is_test: bool


def derive_code(pepper: str, *, code_id: UUID, phone_number: str) -> str:
    """The six digits of a code, an HMAC of its id under a key of its own (as RFC 4226 does of a counter).

    The id is 122 random bits; without the pepper nothing that is stored tells the digits. So a job can
    send them after a crash, though they are written nowhere.
    """
    key = hmac.digest(pepper.encode(), b"one-time code", hashlib.sha256)
    digest = hmac.digest(key, f"{code_id}|{phone_number}".encode(), hashlib.sha256)
    # Of 2**256 values each of the million codes has the same share but for one part in 10**71.
    return f"{int.from_bytes(digest, 'big') % 10**6:06d}"


def code_hash(pepper: str, *, code_id: UUID, phone_number: str, code: str) -> bytes:
    message = f"{code_id}|{phone_number}|{code}".encode()
    return hmac.digest(pepper.encode(), message, hashlib.sha256)


async def issue(
    conn: Connection, settings: Settings, *, phone_number: str, ip: str | None, method: str
) -> Issued:
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
    return await _write(
        conn,
        settings,
        phone_number=phone_number,
        ip=ip,
        fixed=fixed,
        method=method,
        attempts_allowed=SLOW_ATTEMPTS if _is_slow(budget) else ATTEMPTS,
    )


async def _write(
    conn: Connection,
    settings: Settings,
    *,
    phone_number: str,
    ip: str | None,
    fixed: str | None,
    method: str,
    attempts_allowed: int,
) -> Issued:
    code_id, pepper = uuid4(), settings.otp_pepper
    code = fixed or derive_code(pepper, code_id=code_id, phone_number=phone_number)
    expires_at = await conn.value(
        sql.add_code,
        code_id=code_id,
        phone_number=phone_number,
        code_hash=code_hash(pepper, code_id=code_id, phone_number=phone_number, code=code),
        country_prefix=country_prefix(phone_number),
        ip=ip,
        delivery_method="test" if fixed else method,
        delivery_status="sent" if fixed else "pending",
        attempts_allowed=attempts_allowed,
        seconds=settings.otp_ttl,
    )
    return Issued(code_id, expires_at, fixed is not None)


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


def challenge_id(code_id: UUID) -> str:
    """What stands for the provider's message id while there is none."""
    return f"otp.{code_id}"


async def check(
    conn: Connection, settings: Settings, *, phone_number: str, code: str, message_id: str | None
) -> str:
    """Use the newest code of the number up: the way it came. Raises OtpInvalid or OtpLocked.

    Must not run inside a transaction that a refusal would roll back: wrong guesses are counted.
    """
    newest = await conn.one(sql.find_newest_code, phone_number=phone_number)
    if newest is None or message_id not in (None, newest["whatsapp_message_id"], challenge_id(newest["id"])):
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
    return str(newest["delivery_method"])


async def unlock(conn: Connection, *, phone_number: str) -> bool:
    """Forget the wrong guesses of a number; False if there were none. The limits on sending stay."""
    return await conn.run(sql.clear_failures, phone_number=phone_number) > 0


async def describe(conn: Connection, settings: Settings, *, phone_number: str) -> tuple[Row, list[Row]]:
    """For whoever helps its owner: where a number stands with its limits, and its codes without the codes."""
    budget = await conn.one(
        sql.count_codes, phone_number=phone_number, ip=None, country_prefix=country_prefix(phone_number)
    )
    assert budget is not None
    wait = 0.0
    try:
        _within_budget(settings, budget)
    except RateLimited as limited:
        wait = limited.retry_after or 0.0
    state = {
        "wrong_guesses": budget["failures"],
        "wrong_guesses_that_stop_it": STOP_AFTER,
        "codes_in_an_hour": budget["in_an_hour"],
        "codes_in_a_day": budget["in_a_day"],
        "may_ask_in_s": round(wait),
        "is_test_number": phone_number in settings.test_numbers,
    }
    return state, await conn.all(sql.list_codes, phone_number=phone_number)


async def forget_codes(conn: Connection, *, phone_number: str) -> bool:
    """Forget the codes of a number, and with them what they used up of its budget; False without any."""
    return await conn.run(sql.delete_codes_of, phone_number=phone_number) > 0
