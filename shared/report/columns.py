"""Layout of stacked columns over time: segments, ticks and labels, in SVG units."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shared.report.chart import HEIGHT, WIDTH, Tick, number, round_step, short

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from shared.report.sections import Part

__all__ = ["Column", "ColumnChart", "Columns", "Piece", "stacked", "time_ticks"]

_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 14, 28
_Y_LABELS: Final = 4
_X_LABELS: Final = 6
# Share of a column's room that stays empty, and the widest column.
_GAP: Final = 0.2
_WIDEST: Final = 40.0
# A few rows among millions are still visible.
_LEAST: Final = 1.0


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns over time, each divided into parts.

    Attributes:
        title: heading.
        unit: unit of the values, such as ``hours``.
        parts: from the bottom up; a part without any value is left out of the legend.
        labels: one per column, such as weeks; the last and some before it are shown.
        columns: per label one value per part; negative values count as 0.
    """

    title: str
    unit: str
    parts: Sequence[Part]
    labels: Sequence[str]
    columns: Sequence[Sequence[float | Decimal]]

    def __post_init__(self) -> None:
        if len(self.columns) != len(self.labels):
            raise ValueError(f"got {len(self.columns)} columns for {len(self.labels)} labels")
        for label, values in zip(self.labels, self.columns, strict=True):
            if len(values) != len(self.parts):
                raise ValueError(f"got {len(values)} values for {label!r}; expected {len(self.parts)}")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of one column: its colour, its top and its height."""

    tone: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its place, its tooltip, and its pieces from the bottom up."""

    x: float
    width: float
    title: str
    pieces: list[Piece]


@dataclass(frozen=True, slots=True)
class ColumnChart:
    """The geometry of stacked columns, and the parts that occur in them."""

    width: int
    height: int
    left: float
    right: float
    bottom: float
    columns: list[Column]
    parts: list[Part]
    x_ticks: list[Tick]
    y_ticks: list[Tick]


def time_ticks(labels: Sequence[str], left: float, right: float) -> list[Tick]:
    """Return at most six of the labels with their places, counted from the last one."""
    every = max(1, math.ceil(len(labels) / _X_LABELS))
    shown = sorted(range(len(labels) - 1, -1, -every))
    room = (right - left) / max(len(labels), 1)
    return [Tick(round(left + (index + 0.5) * room, 2), labels[index]) for index in shown]


def _heights(values: Sequence[float], scale: float) -> list[float]:
    """Return the heights of a column's parts, each visible; what small ones have too much, the largest lacks."""
    heights = [round(max(value * scale, _LEAST), 2) if value else 0.0 for value in values]
    excess = sum(heights) - sum(values) * scale
    largest = max(range(len(heights)), key=heights.__getitem__, default=0)
    if heights and heights[largest] - excess >= _LEAST:
        heights[largest] = round(heights[largest] - excess, 2)
    return heights


def stacked(section: Columns) -> ColumnChart:
    """Lay out columns; the axis begins at 0, and all pieces of a column together have its height."""
    left, right, top, bottom = float(_LEFT), float(WIDTH - _RIGHT), float(_TOP), float(HEIGHT - _BOTTOM)
    columns = [[max(float(value), 0.0) for value in values] for values in section.columns]
    most = max(map(sum, columns), default=0.0)
    apart = round_step(most, _Y_LABELS)
    peak = apart * max(1, math.ceil(most / apart - 1e-9))
    room = (right - left) / max(len(columns), 1)
    width = round(min(room * (1 - _GAP), _WIDEST), 2)
    present = set()
    laid = []
    for index, (label, values) in enumerate(zip(section.labels, columns, strict=True)):
        pieces = []
        words = [f"{label}: {number(sum(values))} {section.unit}"]
        heights = _heights(values, (bottom - top) / peak)
        y = bottom
        for place, (part, value, height) in enumerate(zip(section.parts, values, heights, strict=True)):
            if not value:
                continue
            present.add(place)
            y = round(y - height, 2)
            pieces.append(Piece(part.tone, y, height))
            words.append(f"{part.name} {number(value)}")
        laid.append(Column(round(left + (index + 0.5) * room - width / 2, 2), width, ", ".join(words), pieces))
    return ColumnChart(
        width=WIDTH,
        height=HEIGHT,
        left=left,
        right=right,
        bottom=bottom,
        columns=laid,
        parts=[part for place, part in enumerate(section.parts) if place in present],
        x_ticks=time_ticks(section.labels, left, right),
        y_ticks=[
            Tick(round(bottom - index * apart / peak * (bottom - top), 2), short(index * apart))
            for index in range(1, round(peak / apart) + 1)
        ],
    )
