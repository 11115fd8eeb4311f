"""What phones hear of a decision: by jobs, so that it comes from the command line as well as from REST."""

from uuid import UUID

from aiohttp import web

from romantic.admin.service import ADJUSTED, WARNED
from romantic.coins import service as coins
from romantic.coins.news import tell_entries
from romantic.db import connection
from romantic.jobs import Job, add_job
from romantic.realtime import HUB, Event

WARNING = {"type": "warning", "message": "A moderator has warned you. Please keep to the rules."}


def add_consequences(app: web.Application) -> None:
    add_job(app, WARNED, _warn)
    add_job(app, ADJUSTED, _tell_adjustment)


async def _warn(app: web.Application, job: Job) -> None:
    app[HUB].send(UUID(job.payload["userId"]), Event("notice", WARNING))


async def _tell_adjustment(app: web.Application, job: Job) -> None:
    """The canonical line of the entry, and the balance for whoever it is about."""
    async with connection(app) as conn:
        entries = await coins.list_entries_of(conn, reference_id=UUID(job.payload["referenceId"]))
    await tell_entries(app, UUID(job.payload["userId"]), entries)
