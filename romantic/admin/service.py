"""What moderators do to the data. Every change writes its audit row in the same transaction."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from romantic.admin.errors import InvalidUserState, ReportDecided, ReportNotFound
from romantic.coins import service as coins
from romantic.db import Connection, Row, load_queries
from romantic.jobs import enqueue
from romantic.signals import announce_gone
from romantic.users.errors import UserNotFound

sql = load_queries("admin")

OPEN = ("pending", "investigating")
SUSPENSION_DAYS = 7
#: What an action does to the status of the reported person.
STATUS_OF = {"suspend": "suspended", "ban": "banned"}
#: Why sessions, sockets and calls end of somebody who was suspended or banned.
SHUT_OUT = "banned"
#: The jobs that tell phones.
WARNED, ADJUSTED = "admin.warned", "admin.adjusted"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and under which request; `id` None is the command line, and `operator` who sat at it."""

    id: UUID | None
    request_id: str | None = None
    operator: str | None = None


async def audit(
    conn: Connection,
    actor: Actor,
    action: str,
    *,
    target_type: str,
    target_id: UUID | None = None,
    target_key: str | None = None,
    before: Row | None = None,
    after: Row | None = None,
    reason: str | None = None,
) -> None:
    """Leave a trail: what was, what is, why. `target_key` names what has no id of its own, never a number."""
    await conn.run(
        sql.add_audit,
        actor_id=actor.id,
        operator=actor.operator,
        action=action,
        target_type=target_type,
        target_id=target_id,
        target_key=target_key,
        reason=reason,
        before=_plain(before),
        after=_plain(after),
        request_id=actor.request_id,
    )


def _plain(row: Row | None) -> dict[str, Any]:
    """A row as JSON can hold it."""
    return {name: value if value is None else str(value) for name, value in (row or {}).items()}


async def decide(
    conn: Connection,
    actor: Actor,
    *,
    report_id: UUID,
    status: str,
    admin_notes: str | None,
    action: str | None,
    version: int | None = None,
    days: int | None = None,
    reason: str | None = None,
) -> UUID | None:
    """Move a report on and act on the reported person; returns them if their sessions end.

    Needs a transaction. A decided report stays decided: raises ReportDecided; ReportNotFound.
    """
    report = await conn.one(sql.lock_report, report_id=report_id)
    if report is None:
        raise ReportNotFound
    if report["status"] not in OPEN or (version is not None and version != report["version"]):
        raise ReportDecided(status=report["status"], version=report["version"])
    after = await conn.one(
        sql.set_report,
        report_id=report_id,
        status=status,
        admin_notes=admin_notes,
        action=action,
        actor_id=actor.id,
    )
    await audit(
        conn,
        actor,
        "report.decide",
        target_type="report",
        target_id=report_id,
        before=report,
        after=after,
        reason=reason or admin_notes,
    )
    return await _act(conn, actor, action, report=report, days=days)


async def _act(
    conn: Connection, actor: Actor, action: str | None, *, report: Row, days: int | None
) -> UUID | None:
    """What a decision does to the reported person, who is returned if their sessions end."""
    user_id: UUID = report["reported_user_id"]
    reason = f"report {report['id']}"
    if action == "warn":
        await enqueue(conn, WARNED, {"userId": str(user_id)})
    elif action == "remove_photo":
        await remove_photo(conn, actor, user_id=user_id, reason=reason)
    elif action in STATUS_OF:
        length = (days or SUSPENSION_DAYS) if action == "suspend" else None
        await set_status(conn, actor, user_id=user_id, status=STATUS_OF[action], reason=reason, days=length)
        return user_id
    return None


async def _lock_person(conn: Connection, user_id: UUID) -> Row:
    """The person, held; staff cannot be moderated by staff."""
    person = await conn.one(sql.lock_user, user_id=user_id)
    if person is None:
        raise UserNotFound
    if person["role"] in ("moderator", "admin"):
        raise InvalidUserState("Staff are not moderated here.", role=person["role"])
    return person


async def set_status(
    conn: Connection, actor: Actor, *, user_id: UUID, status: str, reason: str, days: int | None = None
) -> None:
    """Suspend, ban or let back in; whoever is shut out leaves every node at once.

    Needs a transaction. Raises UserNotFound, InvalidUserState.
    """
    before = await _lock_person(conn, user_id)
    if before["status"] == status:
        raise InvalidUserState(status=status)
    after = await conn.one(sql.set_status, user_id=user_id, status=status, days=days)
    await audit(
        conn,
        actor,
        f"user.{status}",
        target_type="user",
        target_id=user_id,
        before=before,
        after=after,
        reason=reason,
    )
    if status != "active":
        await announce_gone(conn, user_id, SHUT_OUT)


async def verify(conn: Connection, actor: Actor, *, user_id: UUID, reason: str) -> None:
    """A moderator vouches for the person. Needs a transaction."""
    before = await _lock_person(conn, user_id)
    after = await conn.one(sql.set_verified, user_id=user_id)
    await audit(
        conn,
        actor,
        "user.verify",
        target_type="user",
        target_id=user_id,
        before=before,
        after=after,
        reason=reason,
    )


async def remove_photo(conn: Connection, actor: Actor, *, user_id: UUID, reason: str) -> None:
    before = await _lock_person(conn, user_id)
    after = await conn.one(sql.remove_photo, user_id=user_id)
    await audit(
        conn,
        actor,
        "user.remove_photo",
        target_type="user",
        target_id=user_id,
        before=before,
        after=after,
        reason=reason,
    )


async def adjust(
    conn: Connection, actor: Actor, *, user_id: UUID, amount: int, reason: str, note: str, reference_id: UUID
) -> Row:
    """Coins by hand, once per reference. Needs a transaction. Raises InsufficientCoins, UserNotFound."""
    if await conn.one(sql.lock_user, user_id=user_id) is None:
        raise UserNotFound
    entry = await coins.add_entry(
        conn,
        user_id=user_id,
        entry_type="earn" if amount > 0 else "spend",
        amount=abs(amount),
        key=f"adjust:{reference_id}",
        description=f"Adjusted by staff: {reason}",
        reference_type="adjustment",
        reference_id=reference_id,
        metadata={"reason": reason, "note": note, "actorId": str(actor.id)},
    )
    if entry["is_new"]:
        await audit(
            conn,
            actor,
            "coins.adjust",
            target_type="user",
            target_id=user_id,
            after=entry,
            reason=f"{reason}: {note}",
        )
        await enqueue(conn, ADJUSTED, {"userId": str(user_id), "referenceId": str(reference_id)})
    return entry


async def set_role(
    conn: Connection, actor: Actor, *, user_id: UUID, role: str, reason: str | None = None
) -> None:
    """Make somebody staff, or nobody special again. Needs a transaction. Raises UserNotFound."""
    before = await conn.one(sql.find_role, user_id=user_id)
    if before is None:
        raise UserNotFound
    after = await conn.one(sql.set_role, user_id=user_id, role=role)
    await audit(
        conn,
        actor,
        "user.set_role",
        target_type="user",
        target_id=user_id,
        before=before,
        after=after,
        reason=reason,
    )
