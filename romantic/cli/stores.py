"""The stores a command works on: those of the settings, else the embedded ones under .romantic/."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from romantic.cli.faults import CommandFault
from romantic.cli.progress import progress
from romantic.cli.stopping import held_signals, stop_signals
from romantic.db.migrations import MigrationFault, migrate, pending
from romantic.settings import Settings, load_settings

if TYPE_CHECKING:
    from romantic.dev.embedded import FolderLock

#: In the folder one starts in, as Compose and git do it: each has its own data, and a server of its own.
HOME = Path(".romantic")
START_SECONDS = 30.0

Announce = Callable[[str], None]


@contextmanager
def stores(settings: Settings, *, home: Path = HOME) -> Iterator[tuple[Settings, Announce]]:
    """Settings whose DATABASE_URL and REDIS_URL answer, and where to announce the address served at.

    Embedded servers stop when the block ends. Raises CommandFault when another process holds the folder,
    or a server does not come up: with the end of its log.
    """
    if settings.database_url and settings.redis_url:
        yield settings, lambda _: None
        return
    with _embedded(), ExitStack() as running:
        from romantic.dev.embedded import FolderLock, start_postgres, start_valkey

        lock = FolderLock(home)
        lock.acquire()
        running.callback(lock.release)
        if not settings.database_url:
            with held_signals():
                postgres = start_postgres(home)
                running.callback(postgres.stop)
            settings = replace(settings, database_url=postgres.dsn)
        if not settings.redis_url:
            with held_signals():
                valkey = start_valkey(home)
                running.callback(valkey.stop)
            settings = replace(settings, redis_url=valkey.url)
        yield settings, lock.announce


@contextmanager
def database(settings: Settings, *, home: Path = HOME, must_exist: bool = False) -> Iterator[Settings]:
    """Settings whose DATABASE_URL answers, whether or not a server is running on it.

    An embedded PostgreSQL that was started for the block stops with it; one that ran before goes on.
    """
    if settings.database_url:
        yield settings
        return
    if must_exist and not home.is_dir():
        where = f"There is no {home} in {Path.cwd()}"
        raise CommandFault(f"{where}: go where the server was started, or set DATABASE_URL")
    with _embedded(), ExitStack() as running:
        from romantic.dev.embedded import FolderLock, running_postgres, start_postgres

        lock = FolderLock(home)
        if not _acquired(lock):
            yield replace(settings, database_url=running_postgres(home).dsn)
            return
        running.callback(lock.release)
        with held_signals():
            postgres = start_postgres(home)
            if postgres.was_launched:
                running.callback(postgres.stop)
        yield replace(settings, database_url=postgres.dsn)


def _acquired(lock: "FolderLock") -> bool:
    """Whether the folder is ours now; False beside a server that is up, which a start becomes in a moment."""
    from romantic.dev.embedded import AlreadyRunning

    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            lock.acquire()
        except AlreadyRunning as holder:
            if holder.url:
                return False
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return True


@contextmanager
def _embedded() -> Iterator[None]:
    """What the embedded servers refuse, as a fault of the command."""
    try:
        from romantic.dev.embedded import AlreadyRunning, CannotStart
    except ImportError as error:  # it needs what Windows does not have
        fault = f"Embedded servers do not run here (no module {error.name})"
        raise CommandFault(f"{fault}: set DATABASE_URL and REDIS_URL") from None
    try:
        yield
    except (AlreadyRunning, CannotStart) as fault:
        raise CommandFault(str(fault)) from None


def migrate_now() -> int:
    """run.py migrate."""
    with stop_signals(), database(load_settings()) as settings:
        try:
            applied = migrate_showing(settings)
        except MigrationFault as fault:
            raise CommandFault(f"Not migrated: {fault}") from None
    print(f"{len(applied)} migrations applied." if applied else "The database is up to date.")
    return 0


def migrate_showing(settings: Settings, *, only_for_people: bool = False) -> list[str]:
    """Bring the database up to date, and show how far that is. Raises MigrationFault."""
    total = len(pending(settings.database_url))
    with progress("Migrations", total, only_for_people=only_for_people) as step:
        return migrate(settings.database_url, report=lambda name, seconds: step(f"{name} in {seconds:.2f} s"))
