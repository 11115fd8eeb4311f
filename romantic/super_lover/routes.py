"""/api/super-lover"""

from typing import Any
from uuid import UUID

import structlog
from aiohttp import web

from romantic.coins.news import tell_entry
from romantic.db import connection, transaction
from romantic.http import PRINCIPAL, get, ok, post, put, signed_in
from romantic.http.limits import MONEY
from romantic.settings import SETTINGS
from romantic.signals import announce_changed
from romantic.super_lover import service
from romantic.super_lover.schemas import (
    AvailableQuery,
    BecomeBody,
    BioBody,
    RateBody,
    StatusBody,
    stats_view,
    super_lover_view,
)

log = structlog.get_logger()


async def become(request: web.Request, *, super_lover_bio: str) -> web.Response:
    """The fee is taken once, however often this is sent."""
    fee = request.app[SETTINGS].super_lover_fee
    async with transaction(request.app) as conn:
        person, entry = await service.become(
            conn, user_id=request[PRINCIPAL].id, bio=super_lover_bio, fee=fee
        )
    if entry is not None:
        tell_entry(request.app, entry)
    log.info("super_lover.joined", user_id=str(person["id"]))
    user = {
        "id": person["id"],
        "isSuperLover": person["is_super_lover"],
        "superLoverBio": person["super_lover_bio"],
        "superLoverStatus": person["super_lover_status"],
        "coinsBalance": person["coins_balance"],
    }
    return ok({"user": user}, "Congratulations! You are now a Super Lover!")


async def set_status(request: web.Request, *, status: str) -> web.Response:
    async with connection(request.app) as conn:
        await service.set_status(conn, user_id=request[PRINCIPAL].id, status=status)
    announce_changed(request.app, request[PRINCIPAL].id)
    return ok({"status": status}, f"Status updated to: {status.upper()}")


async def set_bio(request: web.Request, *, bio: str) -> web.Response:
    async with connection(request.app) as conn:
        await service.set_bio(conn, user_id=request[PRINCIPAL].id, bio=bio)
    return ok({"bio": bio}, "Bio updated successfully")


async def get_stats(request: web.Request) -> web.Response:
    async with connection(request.app) as conn:
        row = await service.get_stats(conn, user_id=request[PRINCIPAL].id)
    return ok(stats_view(row), "Statistics retrieved successfully")


async def list_available(
    request: web.Request, *, status: str | None, page: int, page_size: int, page_offset: int
) -> web.Response:
    async with connection(request.app) as conn:
        rows, has_next, total = await service.list_available(
            conn, user_id=request[PRINCIPAL].id, status=status, page_size=page_size, page_offset=page_offset
        )
    data = {
        "superLovers": [super_lover_view(row) for row in rows],
        "pagination": {"page": page, "limit": page_size, "total": total, "hasNext": has_next},
    }
    return ok(data, "Super Lovers retrieved successfully")


async def check_requirements(request: web.Request) -> web.Response:
    fee = request.app[SETTINGS].super_lover_fee
    async with connection(request.app) as conn:
        person = await service.get_standing(conn, user_id=request[PRINCIPAL].id)
    requirements = {
        "isVerified": person["is_verified"],
        "minimumAge": service.MINIMUM_AGE,
        "userAge": person["age"],
        "coinsRequired": fee,
        "userCoins": person["coins_balance"],
    }
    data = {
        "canBecome": service.can_become(person, fee=fee),
        "isSuperLover": person["is_super_lover"],
        "requirements": requirements,
    }
    return ok(data, "Requirements checked successfully")


async def get_requirements(request: web.Request) -> web.Response:
    data = {
        "coinsRequired": request.app[SETTINGS].super_lover_fee,
        "verificationRequired": True,
        "minimumAge": service.MINIMUM_AGE,
        "description": "Become a Super Lover to receive calls and earn coins!",
    }
    return ok(data, "Requirements retrieved successfully")


async def rate(request: web.Request, *, super_lover_id: UUID, rating: int, **values: Any) -> web.Response:
    me = request[PRINCIPAL].id
    async with connection(request.app) as conn:
        call_id = await service.rate(conn, user_id=me, super_lover_id=super_lover_id, rating=rating, **values)
    log.info(
        "super_lover.rated",
        user_id=str(me),
        super_lover_id=str(super_lover_id),
        call_id=str(call_id),
        rating=rating,
    )
    return ok(message="Rating submitted successfully")


ROUTES = (
    post("/api/super-lover/become", become, signed_in, body=BecomeBody, limit=MONEY),
    put("/api/super-lover/status", set_status, signed_in, body=StatusBody),
    put("/api/super-lover/bio", set_bio, signed_in, body=BioBody),
    get("/api/super-lover/stats", get_stats, signed_in),
    get("/api/super-lover/available", list_available, signed_in, query=AvailableQuery),
    get("/api/super-lover/can-become", check_requirements, signed_in),
    get("/api/super-lover/requirements", get_requirements, signed_in),
    post("/api/super-lover/rate", rate, signed_in, body=RateBody),
)
