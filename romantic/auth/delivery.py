"""How a code reaches its phone: by WhatsApp, and once by SMS where WhatsApp does not bring it.

Every step is a job written with its cause, so that none is lost with a process. Neither provider knows an
idempotency key: a process killed after a provider took a message, and before that was written down, sends
the same code twice, unless the message's status was told in between.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from aiohttp import web

from romantic.auth import otp
from romantic.db import Connection, Row, connection, load_queries, transaction
from romantic.integrations.aws import AwsRefusal
from romantic.integrations.sms import SMS
from romantic.integrations.whatsapp import APP_NAME, WHATSAPP, Verdict, WhatsAppRefusal
from romantic.jobs import GiveUp, Job, Retry, add_job, enqueue, settled
from romantic.settings import SETTINGS

log = structlog.get_logger()
sql = load_queries("delivery")

SEND, LOOK, TEXT = "otp.send", "otp.look", "otp.text"
ATTEMPTS = 4
#: Longer than the providers' own deadlines.
TIMEOUT_SECONDS = 8.0
BACKOFF_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a code so far; `message_id` is the one verify-otp takes back."""

    method: str
    status: str
    message_id: str | None


def add_delivery(app: web.Application) -> None:
    limits: dict[str, Any] = {"timeout": TIMEOUT_SECONDS, "backoff": BACKOFF_SECONDS}
    add_job(app, SEND, _send, attempts=ATTEMPTS, **limits)
    add_job(app, TEXT, _text, attempts=ATTEMPTS, **limits)
    add_job(app, LOOK, _look, attempts=ATTEMPTS, **limits)


async def begin(conn: Connection, issued: otp.Issued, *, method: str, seconds: float) -> None:
    """Have a new code sent within its life of `seconds`; needs the transaction that wrote it."""
    if issued.is_test:
        return
    if method == "sms":
        await conn.run(sql.claim_fallback, code_id=issued.id)
    await _enqueue(conn, TEXT if method == "sms" else SEND, issued.id, seconds=seconds)


async def outcome(app: web.Application, code_id: UUID, *, within: float) -> Delivery:
    """What became of the code, as soon as something did, or as far as it is after `within` seconds."""
    for kind in (SEND, TEXT):
        await settled(app, kind, str(code_id), within=within)
    async with connection(app) as conn:
        row = await conn.one(sql.find_delivery, code_id=code_id)
    assert row is not None
    if row["delivery_method"] == "sms":
        return Delivery("sms", row["delivery_status"], None)
    # A test number's code is sent to nobody, and answered as if it were.
    message_id = row["whatsapp_message_id"] or otp.challenge_id(code_id)
    return Delivery("whatsapp", row["delivery_status"], message_id)


async def take_statuses(conn: Connection, statuses: list[dict[str, str | None]], *, has_sms: bool) -> bool:
    """What a provider tells of messages, in any order and any number of times; only forward counts.

    Each with `id`, `status` and our `reference`. False if one of them is of a message we do not know, or
    not yet. Needs a transaction.
    """
    told = {
        "message_ids": [status["id"] for status in statuses],
        "code_ids": [status["reference"] for status in statuses],
    }
    rows = await conn.all(sql.lock_sent, **told)
    if rows:
        moved = await conn.all(sql.advance, statuses=[status["status"] for status in statuses], **told)
        for row in moved:
            log.info("otp.status", channel=row["delivery_method"], status=row["delivery_status"])
            if has_sms and row["delivery_status"] == "failed" and row["delivery_method"] == "whatsapp":
                await _fall_back(conn, row["id"])
    known = {str(row[name]) for row in rows for name in ("id", "whatsapp_message_id", "sms_message_id")}
    return all(status["id"] in known or status["reference"] in known for status in statuses)


async def _send(app: web.Application, job: Job) -> None:
    """The code by WhatsApp. A refusal means SMS at once: somebody is waiting in front of the phone."""
    code = await _sendable(app, job)
    if code is None or code["delivery_status"] != "pending":
        return
    digits, minutes = _digits(app, code), round(app[SETTINGS].otp_ttl / 60)
    try:
        message_id = await app[WHATSAPP].send_code(
            code["phone_number"], digits, minutes=minutes, reference=code["id"]
        )
    except WhatsAppRefusal as refusal:
        _log(code, "whatsapp", "failed", reason=refusal.reason, verdict=refusal.verdict.value)
        await _refused(app, job, code, refusal)
        return
    async with transaction(app) as conn:
        await conn.run(sql.set_whatsapp, code_id=code["id"], message_id=message_id)
        if app[SMS] is not None:
            delay = app[SETTINGS].otp_fallback_seconds
            await _enqueue(conn, LOOK, code["id"], seconds=code["seconds_left"], delay=delay)
    _log(code, "whatsapp", "sent")


async def _refused(app: web.Application, job: Job, code: Row, refusal: WhatsAppRefusal) -> None:
    if refusal.verdict is Verdict.STOP:
        log.error("whatsapp.unusable", reason=refusal.reason)
    if app[SMS] is not None:
        async with transaction(app) as conn:
            await _fall_back(conn, code["id"])
        return
    await _fail(
        app, job, code, refusal.reason, is_passing=refusal.verdict is Verdict.RETRY, after=refusal.after
    )


async def _text(app: web.Application, job: Job) -> None:
    """The same code by SMS."""
    code, provider = await _sendable(app, job), app[SMS]
    if code is None or code["sms_message_id"] is not None:
        return
    if provider is None:
        raise GiveUp("no SMS provider")
    minutes = round(app[SETTINGS].otp_ttl / 60)
    text = f"{_digits(app, code)} is your {APP_NAME} code. It is valid for {minutes} minutes."
    try:
        message_id = await provider.send(code["phone_number"], text)
    except AwsRefusal as refusal:
        _log(code, "sms", "failed", reason=refusal.reason)
        await _fail(app, job, code, refusal.reason, is_passing=refusal.is_passing, after=refusal.after)
        return
    async with connection(app) as conn:
        await conn.run(sql.set_sms, code_id=code["id"], message_id=message_id)
    _log(code, "sms", "sent")


async def _look(app: web.Application, job: Job) -> None:
    """Some seconds after WhatsApp took the code: has it come?"""
    code = await _sendable(app, job)
    if code is None or code["delivery_status"] == "delivered" or app[SMS] is None:
        return
    async with transaction(app) as conn:
        await _fall_back(conn, code["id"])


async def _fall_back(conn: Connection, code_id: UUID) -> None:
    """Nothing for a code that fell back before; needs a transaction."""
    if await conn.value(sql.claim_fallback, code_id=code_id):
        code = await conn.one(sql.find_sendable, code_id=code_id)
        if code is not None:
            await _enqueue(conn, TEXT, code_id, seconds=code["seconds_left"])


async def _fail(
    app: web.Application, job: Job, code: Row, reason: str, *, is_passing: bool, after: float | None
) -> None:
    """Try again what may work in a moment; else the code counts as never sent."""
    if is_passing and job.attempt < ATTEMPTS:
        raise Retry(after, reason)
    async with connection(app) as conn:
        await conn.run(sql.set_failed, code_id=code["id"])
    raise GiveUp(reason)


async def _sendable(app: web.Application, job: Job) -> Row | None:
    async with connection(app) as conn:
        return await conn.one(sql.find_sendable, code_id=UUID(job.payload["codeId"]))


def _digits(app: web.Application, code: Row) -> str:
    """The code itself; a pepper that was changed meanwhile derives another, which nobody could use."""
    pepper, about = app[SETTINGS].otp_pepper, {"code_id": code["id"], "phone_number": code["phone_number"]}
    digits = otp.derive_code(pepper, **about)
    if otp.code_hash(pepper, code=digits, **about) != bytes(code["code_hash"]):
        raise GiveUp("the pepper has changed")
    return digits


async def _enqueue(conn: Connection, kind: str, code_id: UUID, *, seconds: float, delay: float = 0.0) -> None:
    await enqueue(conn, kind, {"codeId": str(code_id)}, key=str(code_id), delay=delay, expires_in=seconds)


def _log(
    code: Row, channel: str, outcome: str, *, reason: str | None = None, verdict: str | None = None
) -> None:
    level = log.info if outcome == "sent" else log.warning
    prefix = code["country_prefix"]
    level("otp.send", channel=channel, outcome=outcome, prefix=prefix, reason=reason, verdict=verdict)
