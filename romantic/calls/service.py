"""The life of a call in the database. Every move is one statement, and money moves with it."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from romantic.calls.billing import Settlement, give_back, settle
from romantic.calls.errors import CallGlare, CallNotFound, InvalidCallState, UserBusy
from romantic.calls.quality import Sample
from romantic.coins.service import paying
from romantic.db import Connection, Row, UniqueConflict, load_queries
from romantic.errors import Forbidden, InvalidInput, RateLimited, UserUnavailable
from romantic.jobs import announce
from romantic.settings import Settings

sql = load_queries("calls")

UNANSWERED = ("initiated", "ringing")
LIVE_STATES = (*UNANSWERED, "answered")
LENIENT_PER_DAY = 3
ICE_FAILED_WITHIN = 30.0
RING_AGAIN_SECONDS = 600

#: Reasons of a moderator or a block; they stay the reason even where the two never connected.
DECREED = ("blocked", "banned", "account_deleted", "admin")


@dataclass(frozen=True, slots=True)
class Ending:
    """How somebody wants a call to end. `seconds` is what the meter of this process says, if it has one."""

    reason: str
    by: UUID | None = None
    seconds: float | None = None
    client_duration: int | None = None
    p2p_claimed: bool = False
    evidence_level: str | None = None
    gaps: int | None = None
    gone: UUID | None = None  # who was banned: a receiver earns nothing, a caller pays for what was talked


async def initiate(
    conn: Connection,
    settings: Settings,
    *,
    caller_id: UUID,
    receiver_id: UUID,
    call_type: str,
    by_evidence: bool,
) -> Row:
    """Ring the receiver and charge the caller the price, or refuse and charge nothing.

    Raises UserBusy, CallGlare, UserUnavailable, InsufficientCoins, RateLimited. One statement.
    """
    if caller_id == receiver_id:
        fault = {"path": "receiverId", "code": "invalid", "message": "You cannot call yourself."}
        raise InvalidInput(fields=[fault])
    try:
        with paying():
            row = await conn.one(
                sql.initiate_call,
                caller_id=caller_id,
                receiver_id=receiver_id,
                **_terms(settings, call_type),
                metered_by="evidence" if by_evidence else "wallclock",
            )
    except UniqueConflict:
        row = None
    if row is None or row["id"] is None:
        await _refuse(conn, row, caller_id=caller_id, receiver_id=receiver_id)
    assert row is not None
    announce(conn, row["pushes"])
    return row


async def require_pushable(conn: Connection, *, user_id: UUID) -> None:
    """Raises UserUnavailable for somebody without a phone that a push could ring."""
    if not await conn.value(sql.is_pushable, user_id=user_id):
        raise UserUnavailable


def _terms(settings: Settings, call_type: str) -> dict[str, Any]:
    """What is agreed when the phone rings and holds until the call is over."""
    price = settings.call_cost(call_type)
    if settings.call_billing == "metered":
        price = -(-settings.price_per_minute(call_type) * round(settings.call_block_seconds * 1000) // 60_000)
    return {
        "call_type": call_type,
        "policy": settings.call_policy,
        "billing": settings.call_billing,
        "price": price,
        "share": Decimal(str(settings.super_lover_share)),
        "block_seconds": settings.call_block_seconds,
        "max_seconds": settings.call_max_seconds,
        "ring_seconds": settings.call_ring_seconds,
        "description": f"{call_type.title()} call",
    }


async def _refuse(conn: Connection, facts: Row | None, *, caller_id: UUID, receiver_id: UUID) -> None:
    """Say why nobody was rung. A blocked caller, an absent person and a banned one look the same."""
    if facts is not None and not (facts["may_interact"] and facts["is_callable"]):
        raise UserUnavailable
    if facts is not None and facts["unanswered"] >= LENIENT_PER_DAY:
        raise RateLimited("They did not answer. Try again later.", retry_after=RING_AGAIN_SECONDS)
    live = await conn.all(sql.find_live_calls_of, caller_id=caller_id, receiver_id=receiver_id)
    for call in live:
        if (
            call["caller_id"] == receiver_id
            and call["receiver_id"] == caller_id
            and call["status"] in UNANSWERED
        ):
            raise CallGlare(call_id=call["id"])
    if own := [call for call in live if call["user_id"] == caller_id]:
        raise UserBusy("You are in another call.", call_id=own[0]["id"])
    raise UserBusy


async def get_call_of(conn: Connection, *, call_id: UUID, user_id: UUID) -> Row:
    """The call, for one of its two people; raises CallNotFound for anybody else."""
    call = await conn.one(sql.find_call, call_id=call_id)
    if call is None or user_id not in (call["caller_id"], call["receiver_id"]):
        raise CallNotFound
    return call


async def get_call(conn: Connection, *, call_id: UUID) -> Row:
    call = await conn.one(sql.find_call, call_id=call_id)
    if call is None:
        raise CallNotFound
    return call


async def add_quality_samples(conn: Connection, samples: list[Sample], *, call_id: UUID, now: float) -> None:
    """Write samples down; `now` is monotonic seconds, as their instants are."""
    if samples:
        rows = {"rows": [sample.row(now=now) for sample in samples]}
        await conn.run(sql.add_quality_samples, call_id=call_id, samples=rows)


async def list_quality(conn: Connection, *, call_id: UUID) -> list[Row]:
    """The quality of both paths over time, oldest first."""
    return await conn.all(sql.list_quality, call_id=call_id)


async def list_events(conn: Connection, *, call_id: UUID) -> list[Row]:
    """The timeline of a call, oldest first."""
    return await conn.all(sql.list_call_events, call_id=call_id)


async def find_active_call(conn: Connection, *, user_id: UUID) -> UUID | None:
    call_id: UUID | None = await conn.value(sql.find_active_call, user_id=user_id)
    return call_id


async def ring(conn: Connection, *, call_id: UUID, user_id: UUID) -> Row | None:
    """A device of the receiver shows the call; None when it did so before or came too late."""
    return await conn.one(sql.set_ringing, call_id=call_id, user_id=user_id)


async def accept(
    conn: Connection,
    settings: Settings,
    *,
    call_id: UUID,
    user_id: UUID,
    session_id: UUID,
    by_evidence: bool,
) -> Row:
    """Answer; the first device wins, others fall silent. Raises CallNotFound, Forbidden, InvalidCallState."""
    row = await conn.one(
        sql.accept_call,
        call_id=call_id,
        user_id=user_id,
        session_id=session_id,
        by_evidence=by_evidence,
        connect_seconds=settings.call_connect_seconds,
    )
    if row is None:
        await _refuse_move(conn, call_id=call_id, user_id=user_id)
    assert row is not None
    announce(conn, row["pushes"])
    return row


async def end_unanswered(
    conn: Connection,
    *,
    call_id: UUID,
    status: str,
    reason: str,
    by: UUID | None,
    session_id: UUID | None = None,
) -> bool:
    """End a call nobody answered and refund it in full; False if it was no longer unanswered.

    Phones that were rung are silenced, but for the one of the session that declined.
    """
    done = await conn.one(
        sql.end_unanswered,
        call_id=call_id,
        status=status,
        end_reason=reason,
        ended_by=by,
        session_id=session_id,
    )
    announce(conn, done["pushes"] if done else 0)
    return done is not None


async def reject(conn: Connection, *, call_id: UUID, user_id: UUID, session_id: UUID) -> None:
    """Decline; only the receiver may. Raises CallNotFound, Forbidden, InvalidCallState."""
    call = await get_call_of(conn, call_id=call_id, user_id=user_id)
    if call["receiver_id"] != user_id or not await end_unanswered(
        conn, call_id=call_id, status="rejected", reason="rejected", by=user_id, session_id=session_id
    ):
        await _refuse_move(conn, call_id=call_id, user_id=user_id)


async def _refuse_move(conn: Connection, *, call_id: UUID, user_id: UUID) -> None:
    """Say why a call could not be answered or declined."""
    call = await get_call_of(conn, call_id=call_id, user_id=user_id)
    if call["status"] in UNANSWERED and call["receiver_id"] != user_id:
        raise Forbidden("Only the person who is called can do this.")
    raise InvalidCallState(status=call["status"])


async def lock_call(conn: Connection, *, call_id: UUID) -> Row:
    """The call, held against every other process that would end it. Needs a transaction."""
    call = await conn.one(sql.lock_call, call_id=call_id)
    if call is None:
        raise CallNotFound
    return call


async def end_answered(conn: Connection, settings: Settings, call: Row, ending: Ending) -> Settlement:
    """Settle a locked call and end it: status, refund and earnings commit together. Needs a transaction."""
    seconds = metered_seconds(call, ending)
    settlement, reason = await _settlement(conn, settings, call, ending, seconds)
    await conn.run(
        sql.end_answered,
        call_id=call["id"],
        end_reason=reason,
        ended_by=ending.by,
        duration=settlement.duration,
        client_duration=ending.client_duration,
        refunded=settlement.refunded,
        earned=settlement.earned,
        evidence_level=ending.evidence_level,
        gaps=call["gaps"] if ending.gaps is None else ending.gaps,
    )
    if call["share"] and call["started_at"] is not None:
        await conn.run(sql.count_super_lover_call, user_id=call["receiver_id"])
    return settlement


def metered_seconds(call: Row, ending: Ending) -> float:
    """What counts: the meter of this process, else what the last one wrote down; or the wall clock."""
    if call["metered_by"] == "wallclock":
        # An end that waited for the answer to commit may have begun before it: never below zero.
        seconds: float = min(max(0.0, call["seconds_since_start"] or 0.0), call["max_seconds"])
        return seconds
    if ending.seconds is not None:
        return ending.seconds
    return float(call["meter"]["billed_seconds"]) if call["meter"] else 0.0


async def _settlement(
    conn: Connection, settings: Settings, call: Row, ending: Ending, seconds: float
) -> tuple[Settlement, str]:
    if call["started_at"] is None:
        return give_back(call), ending.reason if ending.reason in DECREED else "not_connected"
    if ending.reason == "banned" and ending.gone == call["receiver_id"]:
        return give_back(call, seconds=seconds), ending.reason
    used = await conn.one(
        sql.count_lenient_refunds, caller_id=call["caller_id"], receiver_id=call["receiver_id"]
    )
    assert used is not None
    reason = ending.reason
    if reason == "ice_failed":
        if _may_have_failed(call, ending) and used["of_caller"] < LENIENT_PER_DAY:
            return give_back(call, seconds=seconds), reason
        reason = "user_hangup"
    settlement = settle(
        call,
        seconds=seconds,
        least_seconds=settings.call_min_billable_seconds,
        lenient=used["of_pair"] < LENIENT_PER_DAY,
    )
    return settlement, reason


def _may_have_failed(call: Row, ending: Ending) -> bool:
    """Soon after the start, and neither side ever said that the two were connected."""
    claimed = call["p2p_claimed"] or ending.p2p_claimed
    return not claimed and call["seconds_since_start"] <= ICE_FAILED_WITHIN


async def charge_block(conn: Connection, *, call_id: UUID, block: int, term: int) -> Row | None:
    """Take the next block of a metered call before it starts; None if the call is over.

    Raises InsufficientCoins. One statement.
    """
    with paying():
        return await conn.one(sql.charge_block, call_id=call_id, block=block, term=term)


async def require_evidence(conn: Connection, settings: Settings, *, user_id: UUID) -> bool:
    """The user opened a socket during a call: from now on its meter wants evidence of both sides.

    Whether that is new.
    """
    rejoin_seconds = settings.call_rejoin_seconds
    return await conn.one(sql.require_evidence, user_id=user_id, rejoin_seconds=rejoin_seconds) is not None


async def list_calls(
    conn: Connection, *, user_id: UUID, page_size: int, page_offset: int
) -> tuple[list[Row], int]:
    """One page of the history, newest first, and the number of calls in all."""
    rows = await conn.all(sql.list_calls, user_id=user_id, page_size=page_size, page_offset=page_offset)
    return rows, await conn.value(sql.count_calls, user_id=user_id)
