"""Layout of lines over days: with a band, dashed references, vertical marks, and a ribbon of states below.

All figures of one page share the width and the horizontal edges, so that they can be read one below the other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from shared.report.chart import Tick, band_polygons, number, round_step
from shared.report.scale import Scale, linear

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "WIDTH",
    "Curve",
    "Interval",
    "Mark",
    "Spell",
    "Spells",
    "Stroke",
    "curve",
    "day_ticks",
    "interval",
    "number_ticks",
    "spells",
]

WIDTH: Final = 920
_LEFT, _RIGHT = 58, 14
_TOP, _BOTTOM = 16, 24
_HEIGHT: Final = 210
_RIBBON_HEIGHT: Final = 50
_INTERVAL_WIDTH, _INTERVAL_HEIGHT = 460, 64
_LABELS: Final = 8
# A wider segment of a ribbon has room for its text.
_CHARACTER: Final = 6.4
_MONTH_D: Final = 62
_YEAR_D: Final = 1_100


@dataclass(frozen=True, slots=True)
class Stroke:
    """A line: its name, its values, and whether it is a reference, which is drawn dashed."""

    name: str
    values: Sequence[float | None]
    is_reference: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """A vertical mark: its text, and its interval, which is shaded; an infinite end is the edge of the plot."""

    at: float
    text: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """Points of the uninterrupted parts of a line, and single points, which have no line."""

    name: str
    parts: list[str]
    singles: list[tuple[float, float]]
    is_reference: bool


@dataclass(frozen=True, slots=True)
class Placed:
    """A mark: its position, text, side of the text, and shaded part as left edge and width."""

    at: float
    text: str
    anchor: str
    shade: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Curve:
    """The geometry of lines; ``bands`` are the points of polygons."""

    width: int
    height: int
    left: float
    right: float
    top: float
    bottom: float
    lines: list[Line]
    bands: list[str]
    marks: list[Placed]
    x_ticks: list[Tick]
    y_ticks: list[Tick]


@dataclass(frozen=True, slots=True)
class Spell:
    """Days with one state: position, width, state, text if it fits, and tooltip."""

    x: float
    width: float
    state: str
    text: str
    title: str


@dataclass(frozen=True, slots=True)
class Spells:
    """The geometry of states over days."""

    width: int
    height: int
    left: float
    right: float
    top: float
    bottom: float
    spells: list[Spell]
    x_ticks: list[Tick]


@dataclass(frozen=True, slots=True)
class Interval:
    """The geometry of a value with its interval, on an axis that contains a reference."""

    width: int
    height: int
    low: float | None
    high: float | None
    at: float | None
    zero: float
    left: float
    right: float
    ticks: list[Tick]


def day_ticks(first: date, last: date) -> list[tuple[float, str]]:
    """Return positions and texts of round days between two, by ordinals of days.

    >>> [text for _, text in day_ticks(date(2026, 1, 30), date(2026, 2, 2))]
    ['30 Jan', '31 Jan', '1 Feb', '2 Feb']
    """
    days = (last - first).days + 1
    if days <= _MONTH_D:
        every = math.ceil(days / _LABELS)
        shown = [last - timedelta(days=back) for back in range(0, days, every)][::-1]
        return [(day.toordinal() + 0.5, f"{day.day} {day:%b}") for day in shown]
    months = range(first.year * 12 + first.month, last.year * 12 + last.month)
    every = max(1, math.ceil(len(months) / _LABELS)) if days <= _YEAR_D else 12 * math.ceil(days / 366 / _LABELS)
    starts = [date(month // 12, month % 12 + 1, 1) for month in months if month % every == 0]
    return [(float(day.toordinal()), f"{day:%b %Y}" if days <= _YEAR_D else str(day.year)) for day in starts]


def number_ticks(end: float) -> list[tuple[float, str]]:
    """Return positions and texts of round numbers from 0 to an end above 0."""
    step = round_step(end, _LABELS)
    return [(index * step, number(index * step)) for index in range(int(end / step + 1e-9) + 1)]


def curve(
    x: Sequence[float],
    strokes: Sequence[Stroke],
    *,
    ends: tuple[float, float],
    x_ticks: Sequence[tuple[float, str]],
    band: tuple[Sequence[float | None], Sequence[float | None]] | None = None,
    marks: Sequence[Mark] = (),
    top: float | None = None,
) -> Curve:
    """Lay out lines; a missing or non-finite value interrupts them.

    Args:
        x: finite positions, ascending.
        strokes: lines, each with one value of at least 0 per position.
        ends: positions of both ends of the axis.
        x_ticks: positions and texts, such as those of :func:`day_ticks`.
        band: lower and upper values, one per position.
        marks: vertical marks.
        top: end of the value axis; by default a round number above all values and the band.
    """
    floor = float(_HEIGHT - _BOTTOM)
    if top is None:
        every = [value for stroke in strokes for value in stroke.values]
        every += [value for edge in band or () for value in edge]
        top = max((value for value in every if value is not None and math.isfinite(value)), default=1.0)
    across, up = _across(ends), linear(top, floor, float(_TOP))
    bands = band_polygons(x, band, across.at, up.at)
    return Curve(
        width=WIDTH,
        height=_HEIGHT,
        left=float(_LEFT),
        right=float(WIDTH - _RIGHT),
        top=float(_TOP),
        bottom=floor,
        lines=[_line(x, stroke, across, up) for stroke in strokes],
        bands=bands,
        marks=[_mark(mark, across) for mark in marks if ends[0] <= mark.at <= ends[1]],
        x_ticks=[Tick(across.at(at), text) for at, text in x_ticks if ends[0] <= at <= ends[1]],
        y_ticks=up.ticks(),
    )


def _across(ends: tuple[float, float]) -> Scale:
    low, high = ends
    return Scale(low, high if high > low else low + 1.0, float(_LEFT), float(WIDTH - _RIGHT))


def _line(x: Sequence[float], stroke: Stroke, across: Scale, up: Scale) -> Line:
    parts: list[list[tuple[float, float]]] = [[]]
    for at, value in zip(x, stroke.values, strict=True):
        if value is None or not math.isfinite(value):
            parts.append([])
        else:
            parts[-1].append((across.at(at), up.at(value)))
    return Line(
        stroke.name,
        [" ".join(f"{left},{upper}" for left, upper in part) for part in parts if len(part) > 1],
        [part[0] for part in parts if len(part) == 1],
        stroke.is_reference,
    )


def _mark(mark: Mark, across: Scale) -> Placed:
    at = across.at(mark.at)
    shade = None
    if mark.low is not None:
        begin = across.at(mark.low)
        end = across.end if mark.high is None or not math.isfinite(mark.high) else across.at(mark.high)
        shade = (begin, round(max(end - begin, 1.0), 1))
    return Placed(at, mark.text, "end" if at > (across.start + across.end) / 2 else "start", shade)


def spells(
    days: Sequence[date], states: Sequence[str], *, ends: tuple[float, float], x_ticks: Sequence[tuple[float, str]]
) -> Spells:
    """Lay out states of days; equal ones of consecutive days are joined, and days without a state stay empty.

    Args:
        days: ascending.
        states: one word per day.
        ends: ordinals of both ends of the axis.
        x_ticks: positions and texts.
    """
    joined: list[tuple[date, date, str]] = []
    for day, state in zip(days, states, strict=True):
        if joined and joined[-1][2] == state and (day - joined[-1][1]).days == 1:
            joined[-1] = (joined[-1][0], day, state)
        else:
            joined.append((day, day, state))
    across = _across(ends)
    found = []
    for first, last, state in joined:
        left, right = across.at(first.toordinal()), across.at(last.toordinal() + 1)
        width = round(max(right - left, 1.0), 1)
        words = state.replace("_", " ")
        text = words if len(words) * _CHARACTER < width else ""
        span = f"{first}" if first == last else f"{first} to {last}"
        found.append(Spell(left, width, state, text, f"{span}: {words}"))
    return Spells(
        width=WIDTH,
        height=_RIBBON_HEIGHT,
        left=float(_LEFT),
        right=float(WIDTH - _RIGHT),
        top=2.0,
        bottom=float(_RIBBON_HEIGHT - _BOTTOM),
        spells=found,
        x_ticks=[Tick(across.at(at), text) for at, text in x_ticks if ends[0] <= at <= ends[1]],
    )


def interval(value: float, low: float | None, high: float | None, *, least: float = 0.0) -> Interval:
    """Lay out a value with its interval around 0.

    Args:
        value: a finite value.
        low: lower end of its interval, or None.
        high: upper end, or None.
        least: the axis reaches at least this far on both sides of 0.
    """
    known = [abs(each) for each in (value, low, high) if each is not None and math.isfinite(each)]
    step = round_step(max([*known, least, 1e-6]), 3)
    reach = step * max(1, math.ceil(max([*known, least]) / step - 1e-9))
    left, right = 24.0, float(_INTERVAL_WIDTH - 24)
    across = Scale(-reach, reach, left, right)

    def at(each: float | None) -> float | None:
        return None if each is None or not math.isfinite(each) else across.at(each)

    count = round(reach / step)
    return Interval(
        width=_INTERVAL_WIDTH,
        height=_INTERVAL_HEIGHT,
        low=at(low),
        high=at(high),
        at=at(value),
        zero=across.at(0.0),
        left=left,
        right=right,
        ticks=[
            Tick(across.at(index * step), ("+" if index > 0 else "") + number(round(index * step, 9)))
            for index in range(-count, count + 1)
        ],
    )
