"""Layout of a scatter plot that two lines divide into quadrants, in SVG units: dots, or cells with counts.

Few points are drawn one by one. Many are counted in the cells of a grid, each drawn as a circle whose area is its
count, because 20,000 circles are 3 MB. The lines are borders of cells, so no cell is on two sides.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shared.report.chart import Tick, number
from shared.report.scale import Scale, linear, logarithmic

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["HEIGHT", "MOST_DOTS", "WIDTH", "Cell", "Dot", "Label", "Scatter", "farthest", "labels", "scatter"]

WIDTH: Final = 920
HEIGHT: Final = 480
MOST_DOTS: Final = 400
"""More points are counted in cells."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 14, 14, 40
_CELL: Final = 20.0
_LEAST_RADIUS: Final = 1.4
# A linear axis ends at this share of the values if the largest is much larger: otherwise, all others are in a corner.
_USUAL: Final = 0.98
_MUCH: Final = 1.5
# Size of a label in SVG units: a mean character of 11 units, and a line.
_CHARACTER: Final = 5.9
_LINE: Final = 13.0
_MOST_CHARACTERS: Final = 26


@dataclass(frozen=True, slots=True)
class Dot:
    """A point: its place in the input, its position, and whether a value is beyond the end of its axis."""

    index: int
    x: float
    y: float
    is_beyond: bool


@dataclass(frozen=True, slots=True)
class Cell:
    """The points of a cell: centre, radius, number, and numbers by state, the largest first."""

    x: float
    y: float
    radius: float
    count: int
    states: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Label:
    """A text next to a point."""

    x: float
    y: float
    anchor: str
    text: str


@dataclass(frozen=True, slots=True)
class Scatter:
    """The geometry of a scatter plot.

    Attributes:
        width: width of the figure; ``left``, ``right``, ``top`` and ``bottom`` are the edges of the plot.
        x: the horizontal axis; ``y`` is the vertical one.
        x_line: the vertical line; ``y_line`` is the horizontal one; None without one.
        dots: points that are drawn one by one; empty if there are cells.
        cells: cells with points.
        beyond: number of points beyond the end of an axis, drawn at its edge.
    """

    width: int
    height: int
    left: float
    right: float
    top: float
    bottom: float
    x: Scale
    y: Scale
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    x_line: Tick | None
    y_line: Tick | None
    dots: list[Dot]
    cells: list[Cell]
    beyond: int


def scatter(
    x: Sequence[float],
    y: Sequence[float],
    states: Sequence[str],
    *,
    lines: tuple[float | None, float | None] = (None, None),
    log: bool = False,
) -> Scatter:
    """Lay out points.

    Args:
        x: finite values of at least 0.
        y: one per point, likewise.
        states: one word per point.
        lines: values of the vertical and the horizontal line; None draws none.
        log: both axes are logarithmic; zeros are drawn in a lane before the axis.
    """
    left, right, top, bottom = float(_LEFT), float(WIDTH - _RIGHT), float(_TOP), float(HEIGHT - _BOTTOM)
    across, up = _scale(x, lines[0], left, right, log=log), _scale(y, lines[1], bottom, top, log=log)
    x_line = _line(across, lines[0])
    y_line = _line(up, lines[1])
    dots: list[Dot] = []
    cells: list[Cell] = []
    if len(x) <= MOST_DOTS:
        dots = [
            Dot(index, across.at(one), up.at(other), across.is_beyond(one) or up.is_beyond(other))
            for index, (one, other) in enumerate(zip(x, y, strict=True))
        ]
    else:
        # Not the rounded positions of the drawn lines: values between would be counted on the wrong side.
        origin = (
            across.many([lines[0]])[0] if x_line and lines[0] is not None else left,
            up.many([lines[1]])[0] if y_line and lines[1] is not None else bottom,
        )
        cells = _cells(across.many(x), up.many(y), states, origin)
    ends = across.high * (1 + 1e-9), up.high * (1 + 1e-9)
    beyond = sum(one > ends[0] or other > ends[1] for one, other in zip(x, y, strict=True))
    return Scatter(
        width=WIDTH,
        height=HEIGHT,
        left=left,
        right=right,
        top=top,
        bottom=bottom,
        x=across,
        y=up,
        x_ticks=across.ticks(),
        y_ticks=up.ticks(),
        x_line=x_line,
        y_line=y_line,
        dots=dots,
        cells=cells,
        beyond=beyond,
    )


def _scale(values: Sequence[float], line: float | None, start: float, end: float, *, log: bool) -> Scale:
    line = line if line is not None and line > 0 else None
    if log:
        return logarithmic([*values, line] if line is not None else values, start, end)
    ordered = sorted(values)
    most = ordered[-1] if ordered else 1.0
    usual = ordered[math.ceil(_USUAL * len(ordered)) - 1] if ordered else 1.0
    highest = most if most <= _MUCH * usual else usual
    return linear(max(highest, 1.2 * line if line is not None else 0.0), start, end)


def _line(scale: Scale, value: float | None) -> Tick | None:
    if value is None or not math.isfinite(value) or (scale.is_log and value <= 0):
        return None
    return Tick(scale.at(value), number(float(f"{value:.3g}")))


def _cells(x: Sequence[float], y: Sequence[float], states: Sequence[str], origin: tuple[float, float]) -> list[Cell]:
    ceil, (left, bottom) = math.ceil, origin
    # Larger x is right, larger values of y are up: a point on a line belongs to the side below.
    columns = [ceil((one - left) / _CELL) for one in x]
    rows = [ceil((bottom - other) / _CELL) for other in y]
    found: dict[tuple[int, int], Counter[str]] = {}
    for (column, row, state), count in Counter(zip(columns, rows, states, strict=True)).items():
        found.setdefault((column, row), Counter())[state] = count
    most = max((counts.total() for counts in found.values()), default=1)
    return [
        Cell(
            round(left + (column - 0.5) * _CELL, 1),
            round(bottom - (row - 0.5) * _CELL, 1),
            round(max(_CELL / 2 * math.sqrt(counts.total() / most), _LEAST_RADIUS), 1),
            counts.total(),
            tuple(counts.most_common()),
        )
        for (column, row), counts in sorted(found.items())
    ]


def farthest(x: Sequence[float], y: Sequence[float], most: int) -> list[int]:
    """Return the places of the points farthest from 1 and 1, the farthest first.

    Distances are logarithms, each axis divided by their root mean square, so that neither axis decides alone. Points
    with a value of 0 or less have no distance, and are left out.

    Args:
        x: ratios to a centre.
        y: one per point, likewise.
        most: number of points to return.
    """
    log = math.log
    across = [log(one) ** 2 if one > 0 else -1.0 for one in x]
    up = [log(other) ** 2 if other > 0 else -1.0 for other in y]
    kept = [index for index, (one, other) in enumerate(zip(across, up, strict=True)) if one >= 0 and other >= 0]
    wide = sum(across[index] for index in kept) / max(len(kept), 1) or 1.0
    high = sum(up[index] for index in kept) / max(len(kept), 1) or 1.0
    return heapq.nsmallest(most, kept, key=lambda index: (-(across[index] / wide + up[index] / high), index))


def labels(
    points: Sequence[tuple[float, float, str]], figure: Scatter, *, corners: tuple[float, float] = (0.0, 0.0)
) -> list[Label]:
    """Return labels that overlap neither each other nor the edges of the plot; a point without room has its number.

    Args:
        points: SVG position and text of each point, the most important first.
        figure: the plot.
        corners: width and height of a box in each corner of the plot, which stays free.
    """
    taken: list[tuple[float, float, float, float]] = [(x - 4, y - 4, x + 4, y + 4) for x, y, _ in points]
    taken += [
        (x, y, x + corners[0], y + corners[1])
        for x in (figure.left, figure.right - corners[0])
        for y in (figure.top, figure.bottom - corners[1])
    ]
    found: list[Label] = []
    for place, (x, y, text) in enumerate(points, 1):
        short = text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}…"
        for words in (short, str(place)):
            wide = _CHARACTER * len(words)
            options = [(x + 8, y + 4, "start"), (x - 8, y + 4, "end"), (x, y - 8, "middle"), (x, y + 17, "middle")]
            fits = next((each for each in options if _has_room(each, wide, taken, figure)), None)
            if fits is not None:
                taken.append(_box(fits, wide))
                found.append(Label(round(fits[0], 1), round(fits[1], 1), fits[2], words))
                break
    return found


def _box(place: tuple[float, float, str], wide: float) -> tuple[float, float, float, float]:
    x, y, anchor = place
    begin = x - {"start": 0.0, "middle": wide / 2, "end": wide}[anchor]
    return begin, y - _LINE + 3, begin + wide, y + 3


def _has_room(
    place: tuple[float, float, str], wide: float, taken: list[tuple[float, float, float, float]], figure: Scatter
) -> bool:
    left, top, right, bottom = _box(place, wide)
    if left < figure.left or right > figure.right or top < figure.top or bottom > figure.bottom:
        return False
    return all(right <= one[0] or left >= one[2] or bottom <= one[1] or top >= one[3] for one in taken)
