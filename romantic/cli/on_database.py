"""Work of an operator on the database, beside a running server or without one."""

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, TypeVar

from romantic.cli.faults import CommandFault
from romantic.cli.loop import run
from romantic.cli.stopping import stop_signals
from romantic.cli.stores import database
from romantic.db import Connection, Database
from romantic.db.migrations import MigrationFault, pending
from romantic.settings import Settings, load_settings

Result = TypeVar("Result")

#: An audit reads everything: it may take longer than a request.
STATEMENT_SECONDS = 600.0


def on_database(work: Callable[[Connection], Coroutine[Any, Any, Result]]) -> Result:
    """Do the work in one transaction, on the database of the settings or the embedded one."""
    with stop_signals(), database(load_settings(), must_exist=True) as settings:
        try:
            behind = pending(settings.database_url)
        except MigrationFault as fault:
            raise CommandFault(str(fault)) from None
        if behind:
            raise CommandFault(f"The database lacks {len(behind)} migrations: run.py migrate")
        return run(_connected(settings, work))


async def _connected(settings: Settings, work: Callable[[Connection], Coroutine[Any, Any, Result]]) -> Result:
    store = Database(replace(settings, database_statement_seconds=STATEMENT_SECONDS))
    await store.start()
    try:
        async with store.transaction() as conn:
            return await work(conn)
    finally:
        await store.stop()
