"""/api/preferences"""

from typing import Any

from aiohttp import web

from romantic.db import connection
from romantic.http import PRINCIPAL, get, ok, put, signed_in
from romantic.preferences import service
from romantic.preferences.schemas import PreferencesBody, preferences_view, statistics_view
from romantic.signals import announce_changed


async def get_preferences(request: web.Request) -> web.Response:
    async with connection(request.app) as conn:
        row = await service.get_preferences(conn, user_id=request[PRINCIPAL].id)
    return ok(preferences_view(row), "Preferences retrieved successfully")


async def set_preferences(request: web.Request, **values: Any) -> web.Response:
    async with connection(request.app) as conn:
        row = await service.set_preferences(conn, user_id=request[PRINCIPAL].id, **values)
    announce_changed(request.app, request[PRINCIPAL].id)
    return ok({"preferences": preferences_view(row)}, "Preferences updated successfully")


async def get_statistics(request: web.Request) -> web.Response:
    async with connection(request.app) as conn:
        row = await service.get_statistics(conn, user_id=request[PRINCIPAL].id)
    return ok(statistics_view(row), "Statistics retrieved successfully")


ROUTES = (
    get("/api/preferences", get_preferences, signed_in),
    put("/api/preferences", set_preferences, signed_in, body=PreferencesBody),
    get("/api/preferences/statistics", get_statistics, signed_in),
)
