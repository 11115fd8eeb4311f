"""Plots as SVG text: axes with units, colours everybody can tell apart, nothing that runs."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 560, 200
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 28, 30
BAR, GAP = 14, 6
#: Okabe and Ito's palette: apart for every kind of colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
TICKS = 4

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """A named line; None is a gap."""

    name: str
    points: Sequence[tuple[float, float | None]]


def lines(
    title: str, unit: str, across: str, drawn: Sequence[Line], *, between: tuple[float, float] = (0.0, 1.0)
) -> str:
    """A plot of lines over `across`, such as seconds; an empty text where there is nothing to draw.

    The axis covers `between`, and more where the values do.
    """
    values = [y for line in drawn for _, y in line.points if y is not None]
    if not values:
        return ""
    places = [x for line in drawn for x, _ in line.points]
    least, top = between
    if max(values) > top:
        top = least + _nice(max(values) - least)
    last = max(*places, min(places) + 1e-9)

    def at(point: Point) -> Point:
        share = (point[0] - min(places)) / (last - min(places))
        x = LEFT + share * (WIDTH - LEFT - RIGHT)
        y = HEIGHT - BOTTOM - (point[1] - least) / (top - least) * (HEIGHT - TOP - BOTTOM)
        return round(x, 1), round(y, 1)

    parts = [_frame(least, top, min(places), last, across)]
    for number, line in enumerate(drawn):
        parts.append(_drawn(line, COLOURS[number % len(COLOURS)], number, at))
    name = f"{title}, {unit}" if unit else title
    summary = f"{name} over {across}: from {min(values):g} to {max(values):g}"
    return _svg(name, summary, "".join(parts), HEIGHT)


def bars(title: str, unit: str, rows: Sequence[tuple[str, float, str]]) -> str:
    """A bar for each (name, value, colour)."""
    longest = max((value for _, value, _ in rows), default=0.0) or 1.0
    room = WIDTH - 90 - 70
    parts = []
    for number, (name, value, colour) in enumerate(rows):
        y = TOP + number * (BAR + GAP)
        width = max(1.0, value / longest * room)
        parts.append(
            f'<text x="84" y="{y + 11}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="90" y="{y}" width="{width:.1f}" height="{BAR}" fill="{colour}"/>'
            f'<text x="{90 + width + 5:.1f}" y="{y + 11}">{value:.0f}</text>'
        )
    height = TOP + len(rows) * (BAR + GAP) + 6
    return _svg(f"{title}, {unit}", f"{title}: {len(rows)} bars", "".join(parts), height)


def _drawn(line: Line, colour: str, number: int, at: Callable[[Point], Point]) -> str:
    """The line in pieces, broken where nothing was measured, and its name in the corner."""
    pieces: list[list[Point]] = [[]]
    for x, y in line.points:
        if y is None:
            pieces.append([])
        else:
            pieces[-1].append(at((x, y)))
    parts = []
    for piece in filter(None, pieces):
        path = " ".join(f"{x},{y}" for x, y in piece)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x}" cy="{y}" r="2.2" fill="{colour}"/>' for x, y in piece]
    x = WIDTH - RIGHT - 200 + 100 * number
    parts.append(f'<rect x="{x}" y="9" width="10" height="10" fill="{colour}"/>')
    parts.append(f'<text x="{x + 15}" y="18">{escape(line.name)}</text>')
    return "".join(parts)


def _frame(least: float, top: float, first: float, last: float, across: str) -> str:
    parts = []
    for tick in range(TICKS + 1):
        value = least + (top - least) * tick / TICKS
        y = HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * tick / TICKS
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.3g}</text>')
    base = HEIGHT - BOTTOM + 16
    parts.append(f'<text x="{LEFT}" y="{base}">{first:.3g}</text>')
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{base}" text-anchor="end">{last:.3g} {escape(across)}</text>')
    return "".join(parts)


def _svg(name: str, summary: str, inside: str, height: int) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img"><title>{escape(name)}</title>'
        f'<desc>{escape(summary)}</desc><text x="0" y="18" class="name">{escape(name)}</text>{inside}</svg>'
    )


def _nice(value: float) -> float:
    """The next of 1, 2, 2.5, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    return float(next(step for step in (1, 2, 2.5, 5, 10) if step * power >= value * 0.999999) * power)
