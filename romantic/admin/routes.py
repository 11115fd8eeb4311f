"""/api/admin"""

import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from aiohttp import web

from romantic.admin import reading, service
from romantic.admin.errors import ReportNotFound, StaffOnly
from romantic.admin.schemas import (
    AdjustBody,
    AuditQuery,
    DaysQuery,
    LoginBody,
    ReasonBody,
    ReportBody,
    ReportsQuery,
    SuspendBody,
    UsersQuery,
    audit_view,
    day_view,
    explained_view,
    ledger_view,
    live_call_view,
    message_view,
    person_view,
    report_view,
    timeline_view,
    user_view,
)
from romantic.admin.service import Actor
from romantic.admin.session import SECONDS, STAFF, admin, moderator, sign
from romantic.auth import service as auth
from romantic.calls import service as calls
from romantic.coins import service as coins
from romantic.db import Connection, connection, load_queries, transaction
from romantic.http import anyone, client_ip, get, ok, page_of, post, put
from romantic.http.limits import ADMIN, OTP_VERIFY
from romantic.http.request_id import REQUEST_ID
from romantic.settings import SETTINGS
from romantic.signals import heard_gone
from romantic.users.errors import UserNotFound

log = structlog.get_logger()
sql = load_queries("admin")

STATISTICS_SECONDS = 60.0
STATISTICS = web.AppKey[dict[str, tuple[float, Any]]]("STATISTICS")


def _actor(request: web.Request) -> Actor:
    return Actor(request[STAFF].id, request[REQUEST_ID])


async def login(request: web.Request, *, phone_number: str, otp_code: str) -> web.Response:
    """Step up: a fresh code, and a role that is read from the database."""
    settings = request.app[SETTINGS]
    address = client_ip(request)
    async with connection(request.app) as conn:
        phone_number = await auth.prove_phone(conn, settings, phone_number=phone_number, code=otp_code)
        person = await conn.one(sql.find_staff, phone_number=phone_number)
        if person is None:
            raise StaffOnly
        session_id = await conn.value(
            sql.add_session,
            user_id=person["id"],
            ip=None if address == "unknown" else address,
            seconds=SECONDS,
        )
    log.info("admin.action", action="login", actor_id=str(person["id"]), target_id=str(person["id"]))
    token = sign(settings, session_id=session_id, user_id=person["id"])
    return ok({"accessToken": token, "expiresIn": SECONDS, "role": person["role"]}, "Login successful")


async def logout(request: web.Request) -> web.Response:
    async with connection(request.app) as conn:
        await conn.run(sql.revoke_session, session_id=request[STAFF].session_id)
    return ok(message="Logged out successfully")


async def list_reports(
    request: web.Request, *, status: str | None, page: int, page_size: int, page_offset: int
) -> web.Response:
    async with connection(request.app) as conn:
        rows, total = await reading.list_reports(
            conn, status=status, page_size=page_size, page_offset=page_offset
        )
    data = {
        "reports": [report_view(row) for row in rows],
        "pagination": page_of(page=page, page_size=page_size, total=total),
    }
    return ok(data, "Reports retrieved successfully")


async def show_report(request: web.Request, *, report_id: UUID) -> web.Response:
    """A report with what a decision needs: both people with their history, and earlier reports."""
    async with connection(request.app) as conn:
        report = await reading.get_report(conn, report_id=report_id)
        reporter = await reading.get_person(conn, user_id=report["reporter_id"])
        reported = await reading.get_person(conn, user_id=report["reported_user_id"])
        earlier = await reading.list_earlier(conn, report=report)
    data = {
        "report": report_view(report),
        "reporter": person_view(reporter),
        "reported": person_view(reported),
        "earlier": [report_view(row) for row in earlier],
    }
    return ok(data, "Report retrieved successfully")


async def read_messages(request: web.Request, *, report_id: UUID) -> web.Response:
    """The words of the two as they were when it was reported; whoever reads them leaves a trail."""
    async with transaction(request.app) as conn:
        messages = await reading.read_messages(conn, _actor(request), report_id=report_id)
    _log(request, "report.read_messages", report_id)
    return ok({"messages": [message_view(one) for one in messages]}, "Messages retrieved successfully")


async def decide(request: web.Request, *, report_id: UUID, **decision: Any) -> web.Response:
    """Only one of two moderators decides; a ban acts at once, everywhere."""
    app = request.app
    async with transaction(app) as conn:
        user_id = await service.decide(conn, _actor(request), report_id=report_id, **decision)
    if user_id is not None:
        await heard_gone(app, user_id)
    _log(request, "report.decide", report_id)
    return ok(message="Report status updated successfully")


async def suspend(request: web.Request, *, user_id: UUID, reason: str, days: int) -> web.Response:
    return await _set_status(request, user_id, "suspended", reason, days)


async def ban(request: web.Request, *, user_id: UUID, reason: str) -> web.Response:
    return await _set_status(request, user_id, "banned", reason, None)


async def unban(request: web.Request, *, user_id: UUID, reason: str) -> web.Response:
    return await _set_status(request, user_id, "active", reason, None)


async def _set_status(
    request: web.Request, user_id: UUID, status: str, reason: str, days: int | None
) -> web.Response:
    async with transaction(request.app) as conn:
        await service.set_status(
            conn, _actor(request), user_id=user_id, status=status, reason=reason, days=days
        )
    if status != "active":
        await heard_gone(request.app, user_id)
    _log(request, f"user.{status}", user_id)
    return ok({"userId": user_id, "status": status}, "User updated")


async def verify(request: web.Request, *, user_id: UUID, reason: str) -> web.Response:
    async with transaction(request.app) as conn:
        await service.verify(conn, _actor(request), user_id=user_id, reason=reason)
    _log(request, "user.verify", user_id)
    return ok({"userId": user_id, "isVerified": True}, "User verified")


async def list_users(
    request: web.Request, *, page: int, page_size: int, page_offset: int, **filters: Any
) -> web.Response:
    async with connection(request.app) as conn:
        rows, total = await reading.list_users(conn, page_size=page_size, page_offset=page_offset, **filters)
    data = {
        "users": [user_view(row) for row in rows],
        "pagination": page_of(page=page, page_size=page_size, total=total),
    }
    return ok(data, "Users retrieved successfully")


async def show_user(request: web.Request, *, user_id: UUID) -> web.Response:
    async with connection(request.app) as conn:
        row = await reading.get_person(conn, user_id=user_id)
    return ok({"user": person_view(row)}, "User retrieved successfully")


async def adjust(request: web.Request, **values: Any) -> web.Response:
    async with transaction(request.app) as conn:
        entry = await service.adjust(conn, _actor(request), **values)
    _log(request, "coins.adjust", values["user_id"])
    return ok({"entryId": entry["id"], "newBalance": coins.left_by(entry)}, "Coins adjusted")


async def list_live_calls(request: web.Request) -> web.Response:
    async with connection(request.app) as conn:
        rows = await reading.list_live_calls(conn)
    return ok({"calls": [live_call_view(row) for row in rows]}, "Live calls retrieved successfully")


async def explain_call(request: web.Request, *, call_id: UUID) -> web.Response:
    """One call with its timeline and every entry it caused: what each coin of it was for."""
    async with connection(request.app) as conn:
        call = await calls.get_call(conn, call_id=call_id)
        events = await calls.list_events(conn, call_id=call_id)
        entries = await coins.list_entries_of(conn, reference_id=call_id)
    data = {
        "call": explained_view(call),
        "timeline": [timeline_view(row) for row in events],
        "entries": [ledger_view(row) for row in entries],
    }
    return ok(data, "Call retrieved successfully")


async def audit_ledger(request: web.Request) -> web.Response:
    async with connection(request.app) as conn:
        proof = await coins.audit(conn)
    data = {
        "holds": not proof["drifting_users"] and not proof["faulty_calls"],
        "users": proof["users"],
        "entries": proof["entries"],
        "driftingUsers": proof["drifting_users"],
        "faultyCalls": proof["faulty_calls"],
    }
    return ok(data, "Ledger audited")


async def list_audit(
    request: web.Request, *, page: int, page_size: int, page_offset: int, **filters: Any
) -> web.Response:
    async with connection(request.app) as conn:
        rows, total = await reading.list_audit(conn, page_size=page_size, page_offset=page_offset, **filters)
    data = {
        "entries": [audit_view(row) for row in rows],
        "pagination": page_of(page=page, page_size=page_size, total=total),
    }
    return ok(data, "Audit log retrieved successfully")


async def _remembered(app: web.Application, name: str, ask: Callable[[Connection], Awaitable[Any]]) -> Any:
    """An answer at most a minute old: totals walk whole tables."""
    cached = app[STATISTICS].get(name)
    if cached is None or time.monotonic() - cached[0] >= STATISTICS_SECONDS:
        async with connection(app) as conn:
            cached = app[STATISTICS][name] = (time.monotonic(), await ask(conn))
    return cached[1]


async def get_statistics(request: web.Request) -> web.Response:
    """Counted at most once a minute."""
    row = await _remembered(request.app, "totals", reading.get_statistics)
    data = {
        "totalUsers": row["total_users"],
        "totalSuperLovers": row["total_super_lovers"],
        "totalCalls": row["total_calls"],
        "totalMessages": row["total_messages"],
        "totalRevenue": row["total_revenue"],
        "activeUsers": row["active_users"],
        "pendingReports": row["pending_reports"],
        "window": "24h",
    }
    return ok(data, "System statistics retrieved successfully")


async def count_by_day(request: web.Request, *, days: int) -> web.Response:
    """One row a day, today last, counted at most once a minute."""
    ask = partial(reading.count_by_day, days=days)
    rows = await _remembered(request.app, f"{days} days", ask)
    return ok({"days": [day_view(row) for row in rows]}, "Daily statistics retrieved successfully")


def _log(request: web.Request, action: str, target_id: UUID) -> None:
    log.info("admin.action", action=action, actor_id=str(request[STAFF].id), target_id=str(target_id))


ROUTES = (
    post("/api/admin/auth/login", login, anyone, body=LoginBody, limit=OTP_VERIFY),
    post("/api/admin/auth/logout", logout, moderator, limit=ADMIN),
    get("/api/admin/reports", list_reports, moderator, query=ReportsQuery, limit=ADMIN),
    get("/api/admin/reports/{report_id}", show_report, moderator, limit=ADMIN, errors=(ReportNotFound,)),
    get(
        "/api/admin/reports/{report_id}/messages",
        read_messages,
        moderator,
        limit=ADMIN,
        errors=(ReportNotFound,),
    ),
    put("/api/admin/reports/{report_id}", decide, moderator, body=ReportBody, limit=ADMIN),
    get("/api/admin/statistics", get_statistics, moderator, limit=ADMIN),
    get("/api/admin/statistics/days", count_by_day, moderator, query=DaysQuery, limit=ADMIN),
    get("/api/admin/users", list_users, moderator, query=UsersQuery, limit=ADMIN),
    get("/api/admin/users/{user_id}", show_user, moderator, limit=ADMIN, errors=(UserNotFound,)),
    post("/api/admin/users/{user_id}/suspend", suspend, moderator, body=SuspendBody, limit=ADMIN),
    post("/api/admin/users/{user_id}/ban", ban, moderator, body=ReasonBody, limit=ADMIN),
    post("/api/admin/users/{user_id}/unban", unban, moderator, body=ReasonBody, limit=ADMIN),
    post("/api/admin/users/{user_id}/verify", verify, moderator, body=ReasonBody, limit=ADMIN),
    post("/api/admin/coins/adjust", adjust, admin, body=AdjustBody, limit=ADMIN),
    get("/api/admin/calls/live", list_live_calls, moderator, limit=ADMIN),
    get("/api/admin/calls/{call_id}", explain_call, moderator, limit=ADMIN),
    get("/api/admin/ledger/audit", audit_ledger, admin, limit=ADMIN),
    get("/api/admin/audit-log", list_audit, moderator, query=AuditQuery, limit=ADMIN),
)
