"""run.py admin …: what an operator does to the data itself."""

import argparse
import asyncio
import json
from dataclasses import replace
from typing import Any

from rich.console import Console
from rich.table import Table

from romantic.coins import service as coins
from romantic.db import Database
from romantic.settings import Settings, load_settings


def add_to(commands: Any) -> None:
    command = commands.add_parser("admin", help="work on the data: admin ledger check")
    subjects = command.add_subparsers(required=True, metavar="subject")
    ledger = subjects.add_parser("ledger", help="prove that balances are the sum of their entries")
    ledger.add_argument("action", choices=("check",))
    ledger.add_argument("--json", action="store_true", help="for programs")
    ledger.set_defaults(run=check_ledger)


def check_ledger(arguments: argparse.Namespace) -> int:
    """Exit code 0 when the ledger holds, 1 when a balance drifts or a call does not conserve its coins."""
    audit = asyncio.run(_audit(_stores(load_settings())))
    holds = not audit["drifting_users"] and not audit["faulty_calls"]
    if arguments.json:
        print(json.dumps({"holds": holds, **audit}, default=str))
    else:
        _show(audit, holds=holds)
    return 0 if holds else 1


def _stores(settings: Settings) -> Settings:
    """The database of the settings, or the embedded one, whether or not the server is running on it."""
    if settings.database_url:
        return settings
    from romantic.cli.stores import HOME
    from romantic.dev.embedded import start_postgres

    return replace(settings, database_url=start_postgres(HOME).dsn)


async def _audit(settings: Settings) -> dict[str, Any]:
    # An audit reads everything: it may take longer than a request.
    database = Database(replace(settings, database_statement_seconds=600.0))
    await database.start()
    try:
        async with database.connection() as conn:
            return await coins.audit(conn)
    finally:
        await database.stop()


def _show(audit: dict[str, Any], *, holds: bool) -> None:
    console = Console()
    console.print(f"{audit['users']} users, {audit['entries']} entries, {audit['coins']} coins in circulation")
    for title, rows in (
        ("Balances that are not the sum of their entries", audit["drifting_users"]),
        ("Calls that do not conserve their coins", audit["faulty_calls"]),
    ):
        if rows:
            table = Table(*rows[0], title=title)
            for row in rows:
                table.add_row(*map(str, row.values()))
            console.print(table)
    console.print("The ledger holds." if holds else "The ledger does NOT hold.")
