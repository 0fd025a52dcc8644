"""Layout of a strip of days: a column per day, divided by status, in SVG units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

__all__ = ["COLUMN", "HEIGHT", "Column", "Segment", "Strip", "strip"]

HEIGHT: Final = 100
COLUMN: Final = 20
# One failure among thousands of runs is still visible.
_LEAST: Final = 4.0


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a column: its status, how many it counts, its top and its height."""

    status: str
    count: int
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Column:
    """A day: its place, its total, and its segments from the bottom up."""

    day: date
    x: int
    total: int
    segments: list[Segment]


@dataclass(frozen=True, slots=True)
class Strip:
    """The geometry of a strip; ``peak`` is the total of its highest column."""

    width: int
    columns: list[Column]
    peak: int


def strip(days: Sequence[tuple[date, Mapping[str, int]]], order: Sequence[str]) -> Strip:
    """Lay out days; the highest column has the full height.

    Args:
        days: each with its counts by status.
        order: the statuses from the bottom up; others follow in alphabetical order.
    """
    peak = max((sum(counts.values()) for _, counts in days), default=0)
    columns = []
    for index, (day, counts) in enumerate(days):
        ranked = [*(name for name in order if name in counts), *sorted(set(counts) - set(order))]
        present = [(name, counts[name]) for name in ranked if counts[name] > 0]
        heights = [max(_LEAST, HEIGHT * count / peak) for _, count in present]
        # Segments below the least height are enlarged, so that all of them together may need to shrink.
        scale = min(1.0, HEIGHT / sum(heights)) if heights else 1.0
        segments, top = [], float(HEIGHT)
        for (name, count), height in zip(present, heights, strict=True):
            top -= height * scale
            segments.append(Segment(name, count, round(top, 2), round(height * scale, 2)))
        columns.append(Column(day, index * COLUMN, sum(counts.values()), segments))
    return Strip(len(days) * COLUMN, columns, peak)
