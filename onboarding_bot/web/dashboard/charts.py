"""Charts as plain SVG: where each bar and line stands, and the same figures as a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

# The viewBox of a chart has this height, and one slot for each point in time; the page scales it.
HEIGHT = 100
SLOT = 10
BAR = 7.0
_LOWEST_BAR = 1.0

Value = float | None


@dataclass(frozen=True, slots=True)
class Bar:
    """A column of a chart; ``says`` is its tooltip."""

    x: float
    y: float
    height: float
    width: float
    says: str


@dataclass(frozen=True, slots=True)
class Series:
    """One line, or one row of columns. ``shown`` are its values as texts, for the table."""

    name: str
    shown: tuple[str, ...]
    bars: tuple[Bar, ...] = ()
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart that a template draws. ``top`` is what the upper edge stands for; ``summary`` says it in words."""

    name: str
    title: str
    summary: str
    top: str
    labels: tuple[str, ...]
    series: tuple[Series, ...]
    is_empty: bool

    @property
    def width(self) -> int:
        """The width of the viewBox."""
        return SLOT * max(len(self.labels), 1)


def columns(
    name: str,
    title: str,
    labels: Sequence[str],
    values: Sequence[Value],
    write: Callable[[Value], str],
    summary: str,
    *,
    least_top: float = 0.0,
) -> Chart:
    """A column for each label; no value, no column. The axis reaches ``least_top`` at least."""
    top = _round_up(max(least_top, *(value or 0 for value in values)))
    bars = [
        _bar(position, value / top * HEIGHT, f"{label}: {write(value)}")
        for position, (label, value) in enumerate(zip(labels, values, strict=True))
        if value
    ]
    series = Series(title, tuple(write(value) for value in values), bars=tuple(bars))
    is_empty = all(value is None for value in values)
    return Chart(name, title, summary, write(top), tuple(labels), (series,), is_empty)


def lines(
    name: str,
    title: str,
    labels: Sequence[str],
    values: Sequence[tuple[str, Sequence[Value]]],
    write: Callable[[Value], str],
    summary: str,
) -> Chart:
    """A line for each named series; it is interrupted where there is no value."""
    known = [value for _, row in values for value in row if value is not None]
    top = _round_up(max(known, default=0))
    series = tuple(Series(label, tuple(write(value) for value in row), lines=_lines(row, top)) for label, row in values)
    return Chart(name, title, summary, write(top), tuple(labels), series, is_empty=not known)


def _bar(position: int, height: float, says: str) -> Bar:
    height = max(round(height, 2), _LOWEST_BAR)
    return Bar(x=position * SLOT + (SLOT - BAR) / 2, y=round(HEIGHT - height, 2), height=height, width=BAR, says=says)


def _lines(values: Sequence[Value], top: float) -> tuple[str, ...]:
    """The points of each uninterrupted piece; one alone is drawn as a line to itself, which shows a dot."""
    found = []
    for is_known, piece in groupby(enumerate(values), key=lambda pair: pair[1] is not None):
        if is_known:
            points = [
                f"{position * SLOT + SLOT / 2:g},{HEIGHT - (value or 0) / top * HEIGHT:.2f}"
                for position, value in piece
            ]
            found.append(" ".join(points if len(points) > 1 else points * 2))
    return tuple(found)


def _round_up(value: float) -> float:
    """The next of 1, 2, 2.5 or 5 times a power of ten, so that the axis ends in a round number."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if value <= step * power * (1 + 1e-9))
