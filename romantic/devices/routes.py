"""/api/devices"""

from uuid import UUID

from aiohttp import web

from romantic.db import connection
from romantic.devices import service
from romantic.devices.errors import DeviceNotFound
from romantic.devices.schemas import DeviceBody, device_view
from romantic.http import PRINCIPAL, delete, ok, post, signed_in
from romantic.signals import announce_changed


async def add_device(request: web.Request, *, token: str, platform: str) -> web.Response:
    """Send it at every start of the app and whenever the push service gives a new token.

    The device belongs to this session and goes with it: logging out is enough.
    """
    principal = request[PRINCIPAL]
    async with connection(request.app) as conn:
        device = await service.add_device(
            conn, user_id=principal.id, session_id=principal.session_id, token=token, platform=platform
        )
    announce_changed(request.app, principal.id)  # a phone that can be rung may make somebody callable
    return ok({"device": device_view(device)}, "Device registered successfully")


async def delete_device(request: web.Request, *, device_id: UUID) -> web.Response:
    """No more pushes to this device."""
    user_id = request[PRINCIPAL].id
    async with connection(request.app) as conn:
        await service.delete_device(conn, user_id=user_id, device_id=device_id)
    announce_changed(request.app, user_id)
    return ok(message="Device removed successfully")


ROUTES = (
    post("/api/devices", add_device, signed_in, body=DeviceBody),
    delete("/api/devices/{device_id}", delete_device, signed_in, errors=(DeviceNotFound,)),
)
