"""Layout of a line over time: points, ticks and labels, in SVG units."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shared.report.chart import HEIGHT, WIDTH, Tick, number, round_step

if TYPE_CHECKING:
    from shared.report.sections import Trend

__all__ = ["Drawn", "Point", "drawn"]

_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 22, 20, 40
_X_LABELS: Final = 6
_Y_LABELS: Final = 4


@dataclass(frozen=True, slots=True)
class Point:
    """A value: its place and its tooltip."""

    x: float
    y: float
    title: str


@dataclass(frozen=True, slots=True)
class Drawn:
    """The geometry of a line; ``lines`` are the coordinates of its unbroken parts."""

    width: int
    height: int
    left: float
    right: float
    bottom: float
    points: list[Point]
    lines: list[str]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    limit: Tick | None


def drawn(trend: Trend) -> Drawn:
    """Lay out a line; its axis begins at 0 and contains the limit."""
    left, right, top, bottom = float(_LEFT), float(WIDTH - _RIGHT), float(_TOP), float(HEIGHT - _BOTTOM)
    known = [value for value in trend.values if value is not None and math.isfinite(value)]
    most = max([*known, trend.limit or 0.0, 0.0])
    apart = round_step(most, _Y_LABELS)
    peak = apart * max(1, math.ceil(most / apart - 1e-9))
    places = len(trend.labels)

    def across(index: int) -> float:
        return round(left + (index + 0.5) / max(places, 1) * (right - left), 2)

    def up(value: float) -> float:
        return round(bottom - max(value, 0.0) / peak * (bottom - top), 2)

    points: list[Point] = []
    parts: list[list[Point]] = [[]]
    for index, (label, value) in enumerate(zip(trend.labels, trend.values, strict=True)):
        if value is None or not math.isfinite(value):
            parts.append([])
            continue
        point = Point(across(index), up(value), f"{label}: {number(value)} {trend.unit}")
        points.append(point)
        parts[-1].append(point)
    every = max(1, math.ceil(places / _X_LABELS))
    # Counted from the end: the last label is always shown.
    shown = range(places - 1, -1, -every)
    return Drawn(
        width=WIDTH,
        height=HEIGHT,
        left=left,
        right=right,
        bottom=bottom,
        points=points,
        lines=[" ".join(f"{point.x},{point.y}" for point in part) for part in parts if len(part) > 1],
        x_ticks=[Tick(across(index), trend.labels[index]) for index in sorted(shown)],
        y_ticks=[Tick(up(index * apart), number(index * apart)) for index in range(1, round(peak / apart) + 1)],
        limit=None if trend.limit is None else Tick(up(trend.limit), number(trend.limit)),
    )
