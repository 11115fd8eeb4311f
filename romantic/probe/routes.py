"""/api/probe"""

from typing import Any
from uuid import UUID

from aiohttp import web

from romantic.db import connection
from romantic.http import PRINCIPAL, client_ip, get, ok, person_or_robot, post
from romantic.probe import service
from romantic.probe.runs import PROBES, Request
from romantic.probe.schemas import ProbeBody, probe_view
from romantic.settings import SETTINGS


async def start(request: web.Request, **offer: Any) -> web.Response:
    """Answer an offer and measure; the result is asked for, or comes over the socket."""
    settings = request.app[SETTINGS]
    network = service.network_id(client_ip(request), pepper=settings.otp_pepper)
    started = await request.app[PROBES].start(
        Request(user_id=request[PRINCIPAL].id, network_id=network, **offer)
    )
    return ok({"probeId": started.probe_id, "sdp": started.sdp}, "Probe started successfully")


async def get_probe(request: web.Request, *, probe_id: UUID) -> web.Response:
    async with connection(request.app) as conn:
        row = await service.get(conn, probe_id=probe_id, user_id=request[PRINCIPAL].id)
    return ok(probe_view(row), "Probe retrieved successfully")


async def get_latest(request: web.Request) -> web.Response:
    """The newest result of the last day on any network; null where there is none."""
    async with connection(request.app) as conn:
        row = await service.get_latest(conn, user_id=request[PRINCIPAL].id)
    return ok({"probe": probe_view(row) if row else None}, "Latest probe retrieved successfully")


ROUTES = (
    post("/api/probe", start, person_or_robot, body=ProbeBody),
    get("/api/probe/latest", get_latest, person_or_robot),
    get("/api/probe/{probe_id}", get_probe, person_or_robot),
)
