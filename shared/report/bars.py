"""Layout of horizontal bars of time over a common axis, in SVG units: several bars per row, such as seen and heard.

Each row is an SVG of its own without text, which a table can stretch to the width of its column, as in a Gantt chart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shared.report.series import clock
from shared.report.timeline import WIDTH

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Bars", "bars"]

_PARTS: Final = 4
# Steps of the axis in seconds that a clock shows without a remainder; from there, round numbers of days.
_STEPS_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400)
# A second in an episode of an hour is still visible.
_LEAST: Final = 2.0


@dataclass(frozen=True, slots=True)
class Bars:
    """The geometry of bars.

    Attributes:
        rows: widths of each row's bars in units of :data:`shared.report.timeline.WIDTH`; None for an unknown time.
        grid: places of the lines between the parts of the axis.
        labels: time where each part begins.
    """

    rows: list[list[float | None]]
    grid: list[float]
    labels: list[str]


def bars(rows: Sequence[Sequence[float | None]]) -> Bars:
    """Lay out rows of bars that start at zero.

    Args:
        rows: seconds of each bar; None or a non-finite number if unknown. Negative ones count as zero.

    >>> bars([[90.0, None], [30.0, 0.0]])
    Bars(rows=[[1000.0, None], [333.3, 0.0]], grid=[333.3, 666.7], labels=['0:00', '0:30', '1:00'])
    """
    known = [[_seconds(value) for value in row] for row in rows]
    top = max((value for row in known for value in row if value is not None), default=0.0)
    step = next((float(each) for each in _STEPS_S if top / each <= _PARTS), 0.0)
    if not step:
        step = _STEPS_S[-1] * math.ceil(top / _STEPS_S[-1] / _PARTS)
    parts = max(1, math.ceil(top / step - 1e-9))
    axis = parts * step

    def width(value: float | None) -> float | None:
        if not value:
            return value
        return round(min(float(WIDTH), max(_LEAST, value / axis * WIDTH)), 1)

    return Bars(
        rows=[[width(value) for value in row] for row in known],
        grid=[round(index * WIDTH / parts, 1) for index in range(1, parts)],
        labels=[clock(index * step) for index in range(parts)],
    )


def _seconds(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else max(0.0, float(value))
