"""/api/users"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import structlog
from aiohttp import web

from romantic.db import connection, transaction
from romantic.http import PRINCIPAL, delete, get, ok, page_of, post, put, signed_in
from romantic.http.limits import LIKES, READ, REPORTS
from romantic.realtime import HUB, Event
from romantic.realtime.events import timestamp
from romantic.signals import announce_pair_changed, announce_parted, heard_parted
from romantic.users import matching, safety, service
from romantic.users.schemas import (
    DiscoverQuery,
    ListQuery,
    PlaceInOrder,
    ProfileBody,
    ReportBody,
    TargetBody,
    card,
    match_view,
    person_view,
    updated_view,
)

log = structlog.get_logger()


async def set_profile(request: web.Request, **values: Any) -> web.Response:
    async with connection(request.app) as conn:
        row = await service.set_profile(conn, user_id=request[PRINCIPAL].id, **values)
    return ok({"user": updated_view(row)}, "Profile updated successfully")


async def discover(
    request: web.Request, *, cursor: Any, page: int, page_size: int, page_offset: int, **filters: Any
) -> web.Response:
    """With the cursor of the last answer nobody comes twice and nobody is skipped, however much is swiped."""
    async with connection(request.app) as conn:
        rows, has_next, total = await matching.discover(
            conn,
            user_id=request[PRINCIPAL].id,
            before=cursor,
            page_size=page_size,
            page_offset=0 if cursor else page_offset,
            **filters,
        )
    data = {
        "profiles": [card(row) for row in rows],
        "pagination": {"page": page, "limit": page_size, "total": total, "hasNext": has_next},
        "nextCursor": PlaceInOrder.of(rows[-1]) if has_next else None,
    }
    return ok(data, "Profiles retrieved successfully")


async def get_user(request: web.Request, *, user_id: UUID) -> web.Response:
    me = request[PRINCIPAL].id
    async with connection(request.app) as conn:
        row = await service.get_visible_profile(conn, viewer_id=me, user_id=user_id)
    return ok({"user": card(row) | {"isMatch": row["is_match"]}}, "Profile retrieved successfully")


async def like(request: web.Request, *, target_user_id: UUID) -> web.Response:
    me = request[PRINCIPAL].id
    async with connection(request.app) as conn:
        row = await matching.like(conn, user_id=me, target_user_id=target_user_id)
    if row["is_new"]:
        _tell_match(request.app, me, target_user_id, row)
        announce_pair_changed(request.app, me, target_user_id)
    data = {"isMatch": row["is_match"], "matchUser": person_view(row) if row["is_match"] else None}
    return ok(data, "It's a match! 🎉" if row["is_match"] else "User liked")


def _tell_match(app: web.Application, me: UUID, other: UUID, row: dict[str, Any]) -> None:
    at = timestamp(datetime.now(UTC).timestamp())
    mine = {"id": me, "fullName": row["my_name"], "profileImageUrl": row["my_image_url"]}
    app[HUB].send(me, Event("match", {"matchUser": person_view(row), "matchedAt": at}))
    app[HUB].send(other, Event("match", {"matchUser": mine, "matchedAt": at}))
    log.info("match.made", user_id=str(me), other_user_id=str(other))


async def pass_over(request: web.Request, *, target_user_id: UUID) -> web.Response:
    async with connection(request.app) as conn:
        await matching.pass_over(conn, user_id=request[PRINCIPAL].id, target_user_id=target_user_id)
    announce_pair_changed(request.app, request[PRINCIPAL].id, target_user_id)
    return ok(message="User passed")


async def undo_pass(request: web.Request, *, user_id: UUID) -> web.Response:
    async with connection(request.app) as conn:
        await matching.undo_pass(conn, user_id=request[PRINCIPAL].id, target_user_id=user_id)
    return ok(message="Pass undone")


async def list_matches(request: web.Request, *, page: int, page_size: int, page_offset: int) -> web.Response:
    async with connection(request.app) as conn:
        rows, total = await matching.list_matches(
            conn, user_id=request[PRINCIPAL].id, page_size=page_size, page_offset=page_offset
        )
    data = {
        "matches": [match_view(row) for row in rows],
        "pagination": page_of(page=page, page_size=page_size, total=total),
    }
    return ok(data, "Matches retrieved successfully")


async def list_likes(request: web.Request, *, page: int, page_size: int, page_offset: int) -> web.Response:
    async with connection(request.app) as conn:
        rows, total = await matching.list_likes_received(
            conn, user_id=request[PRINCIPAL].id, page_size=page_size, page_offset=page_offset
        )
    likes = [person_view(row) | {"age": row["age"], "likedAt": row["liked_at"]} for row in rows]
    data = {"likes": likes, "pagination": page_of(page=page, page_size=page_size, total=total)}
    return ok(data, "Likes retrieved successfully")


async def unmatch(request: web.Request, *, user_id: UUID) -> web.Response:
    async with connection(request.app) as conn:
        await matching.unmatch(conn, user_id=request[PRINCIPAL].id, target_user_id=user_id)
    announce_pair_changed(request.app, request[PRINCIPAL].id, user_id)
    return ok(message="Match removed")


async def block(request: web.Request, *, target_user_id: UUID) -> web.Response:
    """Their call ends with the block; the other side is never told why."""
    me = request[PRINCIPAL].id
    async with transaction(request.app) as conn:
        await safety.block(conn, user_id=me, target_user_id=target_user_id)
        await announce_parted(conn, me, target_user_id)
    await heard_parted(request.app, me, target_user_id)
    log.info("user.blocked", user_id=str(me), target_user_id=str(target_user_id))
    return ok(message="User blocked successfully")


async def unblock(request: web.Request, *, user_id: UUID) -> web.Response:
    async with connection(request.app) as conn:
        await safety.unblock(conn, user_id=request[PRINCIPAL].id, target_user_id=user_id)
    announce_pair_changed(request.app, request[PRINCIPAL].id, user_id)
    return ok(message="User unblocked")


async def list_blocked(request: web.Request, *, page: int, page_size: int, page_offset: int) -> web.Response:
    async with connection(request.app) as conn:
        rows, total = await safety.list_blocked(
            conn, user_id=request[PRINCIPAL].id, page_size=page_size, page_offset=page_offset
        )
    blocked = [person_view(row) | {"blockedAt": row["blocked_at"]} for row in rows]
    data = {"users": blocked, "pagination": page_of(page=page, page_size=page_size, total=total)}
    return ok(data, "Blocked users retrieved successfully")


async def report(request: web.Request, **values: Any) -> web.Response:
    me = request[PRINCIPAL].id
    async with connection(request.app) as conn:
        report_id = await safety.report(conn, user_id=me, **values)
    log.info("user.reported", report_id=str(report_id), user_id=str(me))
    return ok(message="User reported successfully")


ROUTES = (
    put("/api/users/profile", set_profile, signed_in, body=ProfileBody),
    get("/api/users/discover", discover, signed_in, query=DiscoverQuery),
    post("/api/users/like", like, signed_in, body=TargetBody, limit=LIKES),
    post("/api/users/pass", pass_over, signed_in, body=TargetBody, limit=READ),
    get("/api/users/matches", list_matches, signed_in, query=ListQuery),
    post("/api/users/block", block, signed_in, body=TargetBody),
    post("/api/users/report", report, signed_in, body=ReportBody, limit=REPORTS),
    get("/api/users/likes", list_likes, signed_in, query=ListQuery),
    get("/api/users/blocked", list_blocked, signed_in, query=ListQuery),
    delete("/api/users/pass/{user_id}", undo_pass, signed_in),
    delete("/api/users/matches/{user_id}", unmatch, signed_in),
    delete("/api/users/block/{user_id}", unblock, signed_in),
    get("/api/users/{user_id}", get_user, signed_in),
)
