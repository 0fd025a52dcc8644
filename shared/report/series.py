"""Layout of values over the time of a recording, in SVG units: lines with a band, ribbons of states, black bars.

All figures of one recording share the width and the horizontal scale, so that they can be read one below the other.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shared.report.chart import Tick, band_polygons, number, round_step

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["WIDTH", "Borders", "Dot", "Line", "Ribbon", "Segment", "borders", "clock", "line", "ribbon", "times"]

WIDTH: Final = 920
_LEFT, _RIGHT = 44, 12
_TOP, _BOTTOM = 10, 24
_LINE_HEIGHT: Final = 170
_RIBBON_HEIGHT: Final = 46
_X_LABELS: Final = 8
_Y_LABELS: Final = 4
# Distances of labels in seconds that a clock shows without a remainder.
_STEPS_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
_MINUTE: Final = 60
_HOUR: Final = 3600
# A segment narrower than this cannot be seen.
_NARROWEST: Final = 1.0


@dataclass(frozen=True, slots=True)
class Dot:
    """A value at a position, with its tooltip."""

    x: float
    y: float
    title: str


@dataclass(frozen=True, slots=True)
class Line:
    """The geometry of a line over time.

    Attributes:
        width: width of the figure; ``height``, ``left``, ``right`` and ``bottom`` are those of the plot.
        lines: points of each uninterrupted part of the line.
        bands: points of the polygons around it.
        dots: one per known value.
        x_ticks: labels of the time axis.
        y_ticks: labels of the value axis.
        limit: the threshold, if any.
    """

    width: int
    height: int
    left: float
    right: float
    top: float
    bottom: float
    lines: list[str]
    bands: list[str]
    dots: list[Dot]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    limit: Tick | None


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a ribbon: from ``x`` on, with its state and tooltip."""

    x: float
    width: float
    state: str
    title: str


@dataclass(frozen=True, slots=True)
class Ribbon:
    """The geometry of states over time."""

    width: int
    height: int
    left: float
    right: float
    top: float
    bottom: float
    segments: list[Segment]
    x_ticks: list[Tick]


@dataclass(frozen=True, slots=True)
class Borders:
    """The geometry of black bars around a picture; each bar is ``(x, y, width, height)``."""

    width: int
    height: int
    bars: dict[str, tuple[float, float, float, float]]


def clock(seconds: float) -> str:
    """Return a time of a recording: ``0:07.5``, ``12:03``, ``1:02:03``; tenths only below a minute.

    >>> clock(7.5), clock(59.98), clock(723), clock(3723)
    ('0:07.5', '1:00', '12:03', '1:02:03')
    """
    if not math.isfinite(seconds):
        return "\N{EN DASH}"
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    tenths = round(10 * seconds)
    if tenths < 10 * _MINUTE:
        return f"{sign}0:{tenths // 10:02d}" + (f".{tenths % 10}" if tenths % 10 else "")
    whole = round(seconds)
    hours, minutes = divmod(whole // _MINUTE, _MINUTE)
    if hours:
        return f"{sign}{hours}:{minutes:02d}:{whole % _MINUTE:02d}"
    return f"{sign}{minutes}:{whole % _MINUTE:02d}"


def times(end_s: float) -> list[Tick]:
    """Return the labels of the time axis from 0 to the end of a recording."""
    end_s = _end(end_s)
    step = next((float(step) for step in _STEPS_S if end_s / step <= _X_LABELS), round_step(end_s, _X_LABELS))
    if end_s < _STEPS_S[0]:
        step = round_step(end_s, _Y_LABELS)
    return [Tick(_across(index * step, end_s), clock(index * step)) for index in range(int(end_s / step + 1e-9) + 1)]


def line(
    time_s: Sequence[float],
    values: Sequence[float | None],
    *,
    end_s: float,
    top: float,
    band: tuple[Sequence[float | None], Sequence[float | None]] | None = None,
    limit: float | None = None,
    unit: str = "",
) -> Line:
    """Lay out values over time; a missing or non-finite value interrupts the line.

    Args:
        time_s: finite times in seconds, ascending.
        values: one per time, 0 to ``top``; larger ones are drawn at the edge.
        end_s: end of the time axis in seconds.
        top: end of the value axis, above 0.
        band: lower and upper values around the line, one per time.
        limit: a threshold.
        unit: unit of the tooltips.
    """
    floor = float(_LINE_HEIGHT - _BOTTOM)
    end_s = _end(end_s, time_s)

    def up(value: float) -> float:
        return round(floor - min(max(value, 0.0), top) / top * (floor - _TOP), 2)

    dots: list[Dot] = []
    parts: list[list[Dot]] = [[]]
    for at, value in zip(time_s, values, strict=True):
        if value is None or not math.isfinite(value):
            parts.append([])
            continue
        dot = Dot(_across(at, end_s), up(value), f"{clock(at)}: {number(float(f'{value:.3g}'))}{unit}")
        dots.append(dot)
        parts[-1].append(dot)
    bands = band_polygons(time_s, band, lambda at: _across(at, end_s), up)
    step = round_step(top, _Y_LABELS)
    return Line(
        width=WIDTH,
        height=_LINE_HEIGHT,
        left=float(_LEFT),
        right=float(WIDTH - _RIGHT),
        top=float(_TOP),
        bottom=floor,
        lines=[" ".join(f"{dot.x},{dot.y}" for dot in part) for part in parts if len(part) > 1],
        bands=bands,
        dots=dots,
        x_ticks=times(end_s),
        y_ticks=[Tick(up(index * step), number(index * step)) for index in range(int(top / step + 1e-9) + 1)],
        limit=None if limit is None else Tick(up(limit), number(limit)),
    )


def ribbon(time_s: Sequence[float], states: Sequence[str], *, end_s: float) -> Ribbon:
    """Lay out states over time: each holds until halfway to the next one, and equal ones are joined.

    Args:
        time_s: finite times in seconds, ascending.
        states: one word per time.
        end_s: end of the time axis in seconds.
    """
    end_s = _end(end_s, time_s)
    edges = [0.0, *((before + after) / 2 for before, after in itertools.pairwise(time_s)), end_s]
    joined: list[tuple[float, float, str]] = []
    for begin, end, state in zip(edges, edges[1:], states, strict=False):
        if joined and joined[-1][2] == state:
            joined[-1] = (joined[-1][0], end, state)
        else:
            joined.append((begin, end, state))
    segments = []
    for begin, end, state in joined:
        left, right = _across(begin, end_s), _across(end, end_s)
        width = round(max(right - left, _NARROWEST), 2)
        segments.append(Segment(left, width, state, f"{clock(begin)} to {clock(end)}: {state}"))
    return Ribbon(
        width=WIDTH,
        height=_RIBBON_HEIGHT,
        left=float(_LEFT),
        right=float(WIDTH - _RIGHT),
        top=2.0,
        bottom=float(_RIBBON_HEIGHT - _BOTTOM),
        segments=segments,
        x_ticks=times(end_s),
    )


def borders(
    width: int, height: int, *, top: float | None, bottom: float | None, left: float | None, right: float | None
) -> Borders:
    """Lay out black bars around a picture.

    Args:
        width: width of the picture.
        height: height of the picture.
        top: height of the bar as a share of the picture, 0 to 1; the others accordingly. None draws none.
        bottom: as above.
        left: width of the bar as a share of the picture.
        right: as above.
    """

    def part(share: float | None, whole: int) -> float:
        return round(min(max(share, 0.0), 1.0) * whole, 2) if share is not None and math.isfinite(share) else 0.0

    above, below = part(top, height), part(bottom, height)
    before, after = part(left, width), part(right, width)
    return Borders(
        width,
        height,
        {
            "top": (0.0, 0.0, float(width), above),
            "bottom": (0.0, round(height - below, 2), float(width), below),
            "left": (0.0, 0.0, before, float(height)),
            "right": (round(width - after, 2), 0.0, after, float(height)),
        },
    )


def _end(end_s: float, time_s: Sequence[float] = ()) -> float:
    """Return a usable end of the time axis: not before the last time, and after 0."""
    end = max(end_s if math.isfinite(end_s) else 0.0, time_s[-1] if time_s else 0.0)
    return end if end > 0 else 1.0


def _across(at: float, end_s: float) -> float:
    share = min(max(at / end_s, 0.0), 1.0)
    return round(_LEFT + share * (WIDTH - _RIGHT - _LEFT), 2)
