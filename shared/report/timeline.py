"""Layout of a Gantt chart: one bar per row over a common axis of time, in SVG units.

Each row is an SVG of its own without text, which a table can stretch to the width of its column.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from shared.report.chart import round_step
from shared.report.format import duration

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from shared.report.sections import Spans

__all__ = ["HEIGHT", "WIDTH", "Bar", "Timeline", "spans", "timeline"]

WIDTH: Final = 1000
HEIGHT: Final = 18
_PARTS: Final = 4
_MINUTE: Final = 60
# Steps of an axis from a minute on, in seconds, up to a day; from there, round numbers of days.
_STEPS: Final = (60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400)
# A stage of milliseconds in a run of hours is still visible.
_LEAST: Final = 4.0


@dataclass(frozen=True, slots=True)
class Bar:
    """The bar of one row: its place and width in units of :data:`WIDTH`."""

    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """The geometry of a Gantt chart.

    Attributes:
        bars: one per row; None for a row that has not started.
        grid: places of the lines between the parts of the axis.
        labels: time since the start of the axis, where each part begins.
    """

    bars: list[Bar | None]
    grid: list[float]
    labels: list[str]


def timeline(spans: Sequence[tuple[datetime | None, datetime | None]]) -> Timeline:
    """Lay out rows; the axis begins with the first of them.

    Args:
        spans: start and end of each row. Without a start, a row has no bar; an end before its start, as clocks that are
            set back produce, counts as the start.
    """
    known = [(begin, max(begin, end or begin)) for begin, end in spans if begin is not None]
    if not known:
        return Timeline([None] * len(spans), [], [])
    first = min(begin for begin, _ in known)
    total = max((end - first).total_seconds() for _, end in known)
    step = _step(total)
    parts = max(1, math.ceil(total / step - 1e-9))
    axis = parts * step

    def bar(begin: datetime | None, end: datetime | None) -> Bar | None:
        if begin is None:
            return None
        seconds = (max(begin, end or begin) - begin).total_seconds()
        width = min(WIDTH, max(_LEAST, seconds / axis * WIDTH))
        return Bar(round(min((begin - first).total_seconds() / axis * WIDTH, WIDTH - width), 1), round(width, 1))

    return Timeline(
        bars=[bar(begin, end) for begin, end in spans],
        grid=[round(index * WIDTH / parts, 1) for index in range(1, parts)],
        labels=[_label(index * step) for index in range(parts)],
    )


def spans(section: Spans) -> Timeline:
    """Lay out the stages of a section of a report."""
    ends = [(each.begin, each.begin and each.begin + timedelta(seconds=each.seconds)) for each in section.spans]
    return timeline(ends)


def _step(total: float) -> float:
    """Return a round time that divides an axis into at most four parts."""
    if total <= _PARTS * _STEPS[0] / 2:
        return round_step(total, _PARTS)
    day = _STEPS[-1]
    return next((step for step in _STEPS if total / step <= _PARTS), day * math.ceil(total / day / _PARTS))


def _label(seconds: float) -> str:
    """Return a time of the axis without units that are zero."""
    return duration(seconds).removesuffix(" 0 s").removesuffix(" 0 min") if seconds else "0"
