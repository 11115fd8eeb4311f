"""How far long work is: a bar on a terminal, dated lines elsewhere; always on stderr, which holds no data."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

#: One more piece of the work is done, called this.
Step = Callable[[str], None]

#: Elsewhere than on a terminal a line is due at each tenth of the work, and after so many seconds.
LONGEST_SILENCE = 10.0
COLUMNS = (
    TextColumn("{task.description}"),
    BarColumn(),
    MofNCompleteColumn(),
    TimeElapsedColumn(),
    TimeRemainingColumn(),
    TextColumn("{task.fields[step]}"),
)


@contextmanager
def progress(title: str, total: int, *, only_for_people: bool = False) -> Iterator[Step]:
    """Show the work of the block, of which `total` pieces are known; nothing is shown before the first."""
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        with _bar(title, total) as step:
            yield step
    elif only_for_people:
        yield lambda _: None
    else:
        yield _Lines(title, total).step


@contextmanager
def _bar(title: str, total: int) -> Iterator[Step]:
    with Progress(*COLUMNS, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=total, step="", visible=False)
        yield lambda name: bar.update(task, advance=1, step=name, visible=True)


class _Lines:
    """Dated lines, few enough for a log of somebody else's."""

    def __init__(self, title: str, total: int) -> None:
        self._title, self._total = title, total
        self._done, self._told = 0, 0
        self._told_at = time.monotonic()

    def step(self, name: str) -> None:
        self._done += 1
        is_tenth = self._done * 10 // self._total > self._told * 10 // self._total
        if is_tenth or time.monotonic() - self._told_at >= LONGEST_SILENCE:
            self._told, self._told_at = self._done, time.monotonic()
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            print(f"{now} {self._title}: {self._done} of {self._total}, {name}", file=sys.stderr, flush=True)
