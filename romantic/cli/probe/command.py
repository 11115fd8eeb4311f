"""run.py probe: climbs as often as it is told, tells it in every format asked for, and ends in order."""

import asyncio
import json
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

from rich.console import Console

from romantic.cli.loop import run
from romantic.cli.probe.course import Course
from romantic.cli.probe.formats import junit, nagios, page, table, textfile
from romantic.cli.probe.ground import Ground
from romantic.cli.probe.ladder import Ladder, Progress
from romantic.cli.probe.options import Options
from romantic.cli.probe.outcome import Status, worst
from romantic.cli.probe.people import Identity
from romantic.cli.probe.report import Report, Run

SIGNALS = (signal.SIGINT, signal.SIGTERM)

Write = Callable[[Report, Path], None]


def probe(options: Options) -> int:
    """The exit code of a monitoring plugin."""
    report = run(Probe(options).run())
    status = report.status
    for name, path in options.files.items():
        try:
            WRITERS[name](report, path)
        except OSError as error:
            print(f"{path} cannot be written: {error.strerror or error}", file=sys.stderr)
            status = worst({status, Status.UNKNOWN})
    _print(report, options)
    return int(status)


class Probe:
    """All runs of one command."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._console = Console(highlight=False)
        self._ladder: Ladder | None = None
        self._told = asyncio.Event()

    async def run(self) -> Report:
        """Every run until the last, or until told to stop."""
        with ExitStack() as heard:
            self._listen(heard)
            runs: list[Run] = []
            for number in range(1, self._options.repeat + 1):
                began = monotonic()
                runs.append(await self._climb(number))
                if self._told.is_set() or number == self._options.repeat:
                    break
                left = self._options.interval - (monotonic() - began)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._told.wait(), max(0.0, left))
                if self._told.is_set():
                    break
        return Report(self._options.target.url, runs, self._options.thresholds)

    async def _climb(self, number: int) -> Run:
        options, started_at, began = self._options, datetime.now(UTC), monotonic()
        identity = Identity(options.keys, options.token, options.number, options.code)
        ground = Ground(options.target, authority=options.authority)
        course = Course(ground, identity, seconds=options.talk, video=options.video)
        with ExitStack() as shown:
            progress: Progress | None = None
            if options.format == "table" and options.repeat == 1:
                progress = shown.enter_context(table.Progress(self._console))
            self._ladder = Ladder(
                course.steps,
                options.thresholds,
                seconds=options.seconds,
                left_out=options.left_out,
                progress=progress,
            )
            rungs = await self._ladder.climb()
        done = Run(started_at, monotonic() - began, rungs, course.series, self._ladder.was_stopped)
        if options.format == "table" and options.repeat > 1:
            print(table.one_line(number, done), flush=True)
        return done

    def _listen(self, heard: ExitStack) -> None:
        """The first signal ends the run and puts things in order, the second only ends it."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            with suppress(NotImplementedError, RuntimeError):  # on Windows, and in a thread
                loop.add_signal_handler(number, self._stop)
                heard.callback(loop.remove_signal_handler, number)

    def _stop(self) -> None:
        self._told.set()
        if self._ladder is not None:
            self._ladder.stop()


def _print(report: Report, options: Options) -> None:
    if options.format == "nagios":
        print(nagios.line(report))
    elif options.format == "json":
        print(json.dumps(report.document(), indent=1))
    else:
        if len(report.runs) > 1:
            table.show_aggregate(report, Console(highlight=False))
        print(table.conclude(report))


def _write_json(report: Report, path: Path) -> None:
    path.write_text(json.dumps(report.document(), indent=1) + "\n", encoding="utf-8")


WRITERS: dict[str, Write] = {
    "json": _write_json,
    "junit": junit.write,
    "prom": textfile.write,
    "html": page.write,
}
