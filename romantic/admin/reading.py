"""What staff look at: the page, REST and the command line ask the same questions here."""

from typing import Any
from uuid import UUID

from romantic.admin.errors import ReportNotFound
from romantic.admin.service import Actor, audit
from romantic.db import Connection, Row, load_queries
from romantic.users.errors import UserNotFound

sql = load_queries("admin")

#: As many as stand beside a report or a person; more of them are a page of their own.
NEWEST = 10


async def list_reports(
    conn: Connection,
    *,
    status: str | None = None,
    reported_user_id: UUID | None = None,
    page_size: int,
    page_offset: int = 0,
) -> tuple[list[Row], int]:
    """One page of the queue, oldest first, without the words of the two; and the number in all."""
    rows = await conn.all(
        sql.list_reports,
        status=status,
        report_id=None,
        reported_user_id=reported_user_id,
        page_size=page_size,
        page_offset=page_offset,
    )
    return rows, await conn.value(sql.count_reports, status=status)


async def get_report(conn: Connection, *, report_id: UUID) -> Row:
    """One report without the words of the two. Raises ReportNotFound."""
    row = await conn.one(
        sql.list_reports,
        status=None,
        report_id=report_id,
        reported_user_id=None,
        page_size=1,
        page_offset=0,
    )
    if row is None:
        raise ReportNotFound
    return row


async def list_earlier(conn: Connection, *, report: Row) -> list[Row]:
    """The other reports about the same person."""
    rows, _ = await list_reports(conn, reported_user_id=report["reported_user_id"], page_size=NEWEST + 1)
    return [row for row in rows if row["id"] != report["id"]][:NEWEST]


async def read_messages(
    conn: Connection, actor: Actor, *, report_id: UUID, reason: str | None = None
) -> list[dict[str, Any]]:
    """What the two had written when it was reported, oldest first: whoever reads it leaves a trail.

    Needs a transaction. Raises ReportNotFound.
    """
    row = await conn.one(sql.find_report_messages, report_id=report_id)
    if row is None:
        raise ReportNotFound
    await audit(conn, actor, "report.read_messages", target_type="report", target_id=report_id, reason=reason)
    return list(row["messages"])


async def list_users(conn: Connection, *, name: str | None = None, **filters: Any) -> tuple[list[Row], int]:
    """One page of people, newest first, and the number in all; `name` is how it begins, in any case."""
    page = {key: filters.pop(key) for key in ("page_size", "page_offset")}
    escaped = name and name.lower().replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    filters["name_like"] = f"{escaped}%" if escaped else None
    return await conn.all(sql.list_users, **filters, **page), await conn.value(sql.count_users, **filters)


async def get_person(conn: Connection, *, user_id: UUID) -> Row:
    """Somebody with what was reported about and decided on them. Raises UserNotFound."""
    row = await conn.one(sql.find_person, user_id=user_id)
    if row is None:
        raise UserNotFound
    return row


async def list_live_calls(conn: Connection) -> list[Row]:
    return await conn.all(sql.list_live_calls)


async def list_recent_calls(conn: Connection, *, end_reason: str | None, page_size: int) -> list[Row]:
    return await conn.all(sql.list_recent_calls, end_reason=end_reason, page_size=page_size)


async def list_audit(
    conn: Connection,
    *,
    target_id: UUID | None = None,
    actor_id: UUID | None = None,
    page_size: int,
    page_offset: int = 0,
) -> tuple[list[Row], int]:
    """One page of the trail, newest first, and the number of entries in all."""
    filters = {"target_id": target_id, "actor_id": actor_id}
    rows = await conn.all(sql.list_audit, page_size=page_size, page_offset=page_offset, **filters)
    return rows, await conn.value(sql.count_audit, **filters)


async def list_written(conn: Connection) -> list[Row]:
    """What this transaction has done by the command line, with before and after."""
    return await conn.all(sql.list_written)


async def get_statistics(conn: Connection) -> Row:
    """Totals; they walk whole tables, so whoever asks remembers the answer for a while."""
    row = await conn.one(sql.get_statistics)
    assert row is not None
    return row


async def count_by_day(conn: Connection, *, days: int) -> list[Row]:
    """One row a day, today last; days without anything are there too."""
    return await conn.all(sql.count_by_day, days=days)
