"""What an operator reads: tables on a terminal, lines with tabs elsewhere, JSON when asked for."""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table

#: What a person reads with figures in it reads better to the right.
_NUMBERS = (int, float, Decimal)


def show(
    arguments: argparse.Namespace,
    rows: Sequence[Mapping[str, Any]],
    *,
    columns: Sequence[str],
    nothing: str,
    title: str | None = None,
) -> None:
    """Rows as a table of these columns; as JSON with everything they hold."""
    if arguments.json:
        print(as_json(rows))
    elif not rows:
        print(nothing)
    elif sys.stdout.isatty():
        Console().print(_table(rows, columns, title))
    else:
        _print_lines(columns, ([row[name] for name in columns] for row in rows))


def show_one(arguments: argparse.Namespace, row: Mapping[str, Any], *parts: "Part") -> None:
    """One thing with the lists that belong to it."""
    if arguments.json:
        print(as_json({**row, **{part.name: part.rows for part in parts}}))
        return
    if sys.stdout.isatty():
        grid = Table.grid(padding=(0, 2))
        for name, value in row.items():
            grid.add_row(f"[bold]{name}[/]", cell(value))
        Console().print(grid)
    else:
        _print_lines(None, row.items())
    for part in parts:
        if part.rows:
            print()
            show(arguments, part.rows, columns=part.columns, nothing="", title=part.name)


class Part:
    """A list that belongs to the thing shown, by its name."""

    def __init__(self, name: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
        self.name = name
        self.rows = rows
        self.columns = columns


def as_json(value: Any) -> str:
    return json.dumps(value, default=_plain, ensure_ascii=False)


def cell(value: Any) -> str:
    """A value as one line of text, times in UTC to the second; no control character reaches the terminal."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = json.dumps(value, default=_plain) if isinstance(value, dict | list) else str(value)
    return "".join(letter if letter.isprintable() else " " for letter in text)


def masked(phone_ends: str | None) -> str | None:
    """What may be shown of a phone number: its end."""
    return f"+***{phone_ends}" if phone_ends else None


def _table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], title: str | None) -> Table:
    table = Table(title=title, title_justify="left", header_style="bold")
    for name in columns:
        numeric = all(isinstance(row[name], _NUMBERS) for row in rows if row[name] is not None)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_escaped(row[name]) for name in columns))
    return table


def _escaped(value: Any) -> str:
    """What people wrote is text, never markup of the terminal."""
    return cell(value).replace("[", r"\[")


def _print_lines(header: Sequence[str] | None, lines: Iterable[Iterable[Any]]) -> None:
    if header is not None:
        print("\t".join(header))
    for line in lines:
        print("\t".join(cell(value) for value in line))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value)
