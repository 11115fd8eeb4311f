"""Calls end when a block parts their two people, and when one of them may no longer take part."""

from contextlib import suppress
from uuid import UUID

from aiohttp import web

from romantic.calls import conduct, service
from romantic.calls.errors import CallNotFound
from romantic.calls.service import Ending
from romantic.db import connection


async def part(app: web.Application, one: UUID, other: UUID) -> None:
    """End the live call between two people, if there is one."""
    async with connection(app) as conn:
        call_id = await service.find_active_call(conn, user_id=one)
        if call_id is None:
            return
        call = await service.get_call(conn, call_id=call_id)
    if other in (call["caller_id"], call["receiver_id"]):
        await conduct.end(app, call_id=call_id, ending=Ending("blocked"))


async def end_call_of(app: web.Application, user_id: UUID, reason: str) -> None:
    """End whatever call somebody is in; who was banned earns nothing from it."""
    async with connection(app) as conn:
        call_id = await service.find_active_call(conn, user_id=user_id)
    if call_id is not None:
        with suppress(CallNotFound):
            await conduct.end(app, call_id=call_id, ending=Ending(reason, gone=user_id))
