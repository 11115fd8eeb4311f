"""Long work says how far it is: a bar for people, dated lines for logs, and nothing of it where data goes"""

import re
from collections.abc import Callable

import pytest
from psycopg2.extensions import make_dsn

from romantic.cli import progress as module
from romantic.cli.progress import progress
from romantic.db.migrations import read_migrations
from tests.cli.runs import Place, on_a_terminal

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ Work: (\d+) of 1000, piece \d+")


def work(pieces: int, **options: bool) -> None:
    with progress("Work", pieces, **options) as step:
        for number in range(1, pieces + 1):
            step(f"piece {number}")


def test_elsewhere_than_on_a_terminal_each_tenth_is_a_dated_line(capsys: pytest.CaptureFixture[str]) -> None:
    work(1000)

    out, err = capsys.readouterr()
    told = [LINE.fullmatch(line) for line in err.splitlines()]
    assert out == ""
    assert [int(line[1]) for line in told if line] == list(range(100, 1001, 100))
    assert all(told)


def test_slow_work_is_never_silent_for_long(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONGEST_SILENCE", 0.0)

    work(1000)

    assert len(capsys.readouterr().err.splitlines()) == 1000


def test_what_is_only_for_people_leaves_a_log_alone(capsys: pytest.CaptureFixture[str]) -> None:
    work(1000, only_for_people=True)

    assert capsys.readouterr() == ("", "")


def test_migrations_are_lines_in_a_pipe_and_a_bar_on_a_terminal(
    place: Place, postgres: str, sql: Callable[..., object]
) -> None:
    urls = []
    for name in ("piped", "bar", "dumb"):
        sql(f"CREATE DATABASE progress_{name}")
        urls.append(make_dsn(postgres, dbname=f"progress_{name}"))
    total = len(read_migrations())

    done = place.run("migrate", DATABASE_URL=urls[0])
    bar = on_a_terminal("migrate", both=True, DATABASE_URL=urls[1])
    dumb = on_a_terminal("migrate", both=True, DATABASE_URL=urls[2], TERM="dumb")

    assert done.stdout == f"{total} migrations applied.\n", done.stderr
    assert f"Migrations: {total} of {total}, " in done.stderr
    assert "\x1b" not in done.stderr + dumb
    assert f"{total}/{total}" in bar
    assert "\x1b[" in bar
    assert f"Migrations: {total} of {total}, " in dumb
