"""/api/preferences/email: where somebody may be written to, and the jobs that write.

Nobody is written to but at an address they have proven and while `notifications.email` is on; only the
code that proves an address goes to an unproven one.
"""

import hmac
from typing import Any
from uuid import UUID, uuid4

from aiohttp import web

from romantic.auth import otp
from romantic.db import Row, connection, load_queries, transaction
from romantic.http import PRINCIPAL, delete, get, ok, post, put, signed_in
from romantic.http.limits import AUTH, Limit
from romantic.integrations.aws import AwsRefusal
from romantic.integrations.email import EMAIL
from romantic.jobs import GiveUp, Job, Retry, add_job, enqueue
from romantic.preferences.errors import EmailCodeInvalid, EmailUnavailable
from romantic.preferences.schemas import EmailBody, EmailCodeBody
from romantic.settings import SETTINGS

sql = load_queries("email")

PROVE, RECEIPT = "email.prove", "email.receipt"
ATTEMPTS, PROOF_SECONDS = 5, 3600.0
#: Each is a mail to somebody who has not asked for one yet.
ADDRESSES = Limit("email-address", 5, 3600, closed=True)
#: What waits for a provider that is away ends with its own deadline, not with its tries.
TRIES = 1000
MOST_WAITING = 10_000


def add_email(app: web.Application) -> None:
    add_job(app, PROVE, _prove, attempts=TRIES, backoff=2.0, lane="email")
    add_job(app, RECEIPT, _receipt, attempts=TRIES, backoff=10.0, lane="email")


def view(row: Row) -> dict[str, Any]:
    return {"email": row["address"], "isVerified": row["verified_at"] is not None}


async def get_email(request: web.Request) -> web.Response:
    async with connection(request.app) as conn:
        row = await conn.one(sql.find_email, user_id=request[PRINCIPAL].id)
    assert row is not None  # the principal's own
    return ok(view(row), "E-mail address retrieved successfully")


async def set_email(request: web.Request, *, email: str) -> web.Response:
    """An address that is not verified yet is sent a code, by a job written with it."""
    if request.app[EMAIL] is None:
        raise EmailUnavailable
    user_id, proof_id = request[PRINCIPAL].id, uuid4()
    async with transaction(request.app) as conn:
        row = await conn.one(
            sql.set_email,
            user_id=user_id,
            address=email,
            proof_id=proof_id,
            attempts=ATTEMPTS,
            seconds=PROOF_SECONDS,
        )
        assert row is not None
        if row["verified_at"] is None:
            payload = {"userId": str(user_id), "proofId": str(proof_id)}
            await enqueue(conn, PROVE, payload, expires_in=PROOF_SECONDS, most=MOST_WAITING)
    return ok(view(row), "E-mail address saved")


async def verify_email(request: web.Request, *, code: str) -> web.Response:
    """Five guesses per code, counted one by one."""
    user_id = request[PRINCIPAL].id
    async with connection(request.app) as conn:
        proof = await conn.one(sql.find_proof, user_id=user_id)
        if proof is None:
            raise EmailCodeInvalid
        is_right = hmac.compare_digest(code, _code(request.app, proof))
        row = await conn.one(sql.judge_proof, user_id=user_id, proof_id=proof["proof_id"], is_right=is_right)
    if row is None or row["verified_at"] is None:
        raise EmailCodeInvalid
    return ok(view(row), "E-mail address verified")


async def forget_email(request: web.Request) -> web.Response:
    async with connection(request.app) as conn:
        await conn.run(sql.forget_email, user_id=request[PRINCIPAL].id)
    return ok(message="E-mail address removed")


def _code(app: web.Application, proof: Row) -> str:
    """Derived, as one-time codes for phones are, and kept nowhere."""
    return otp.derive_code(
        app[SETTINGS].otp_pepper, code_id=proof["proof_id"], phone_number=f"mailto:{proof['address']}"
    )


async def _prove(app: web.Application, job: Job) -> None:
    async with connection(app) as conn:
        proof = await conn.one(sql.find_proof, user_id=UUID(job.payload["userId"]))
    if proof is None or str(proof["proof_id"]) != job.payload["proofId"]:
        return  # verified or replaced meanwhile
    text = f"{_code(app, proof)} is the code that verifies your e-mail address at Romantic.\n\n"
    text += "It is valid for an hour. If you did not ask for it, do nothing: we will not write again.\n"
    await _write(app, proof["address"], subject="Verify your e-mail address", text=text)


async def _receipt(app: web.Application, job: Job) -> None:
    """What was bought, to who wants to know; SES knows no key, so a crash may send it twice."""
    async with connection(app) as conn:
        address = await conn.value(sql.find_recipient, user_id=UUID(job.payload["userId"]))
    if address is None:
        return
    bought = job.payload
    text = (
        f"Thank you. You bought {bought['coins']} coins for {bought['price']} {bought['currency'].upper()}."
    )
    text += (
        f"\n\nPurchase {bought['purchaseId']}\n\nYou can switch these e-mails off in the app's settings.\n"
    )
    await _write(app, address, subject=f"Your {bought['coins']} coins", text=text)


async def _write(app: web.Application, address: str, *, subject: str, text: str) -> None:
    provider = app[EMAIL]
    if provider is None:
        raise GiveUp("no sender")
    try:
        await provider.send(address, subject=subject, text=text)
    except AwsRefusal as refusal:
        if refusal.is_passing:
            raise Retry(refusal.after, refusal.reason) from None
        raise GiveUp(refusal.reason) from None


ROUTES = (
    get("/api/preferences/email", get_email, signed_in),
    put("/api/preferences/email", set_email, signed_in, body=EmailBody, limit=ADDRESSES),
    post("/api/preferences/email/verify", verify_email, signed_in, body=EmailCodeBody, limit=AUTH),
    delete("/api/preferences/email", forget_email, signed_in),
)
