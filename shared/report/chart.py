"""Layout of a histogram's bars, of ticks and labels, and of areas between lines, in SVG units."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shared.text import number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from shared.report.sections import Histogram

__all__ = ["HEIGHT", "WIDTH", "Bar", "Chart", "Tick", "band_polygons", "chart", "number", "round_step", "short"]

WIDTH: Final = 460
HEIGHT: Final = 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 12, 20, 40
_GAP: Final = 1.5
_X_LABELS: Final = 6
_MOST_NUMBERED: Final = 12
# The distance of ticks is one of these times a power of ten.
_NICE: Final = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True, slots=True)
class Bar:
    """One bin: a rectangle, its count, and its tooltip."""

    x: float
    y: float
    width: float
    height: float
    count: int
    title: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A label at a position on an axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """The geometry of a histogram."""

    width: int
    height: int
    left: float
    right: float
    top: float
    bottom: float
    bars: list[Bar]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    marker: Tick | None
    marker_anchor: str
    numbered: bool
    total: int


def short(value: float) -> str:
    """Return a number for an axis, with a letter for its thousands.

    Example:
        >>> short(250), short(250_000), short(1_500_000)
        ('250', '250k', '1.5M')
    """
    for letter, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= 10 * size or (size > 1e3 and abs(value) >= size):  # noqa: PLR2004 - 2,500 fits
            return f"{number(value / size)}{letter}"
    return number(value)


def round_step(top: float, most: int) -> float:
    """Return a round step that divides 0..top into at most ``most`` parts."""
    if top <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(top / most))
    return next((power * nice for nice in _NICE if top / (power * nice) <= most), power * 10)


def chart(histogram: Histogram) -> Chart:
    """Lay out a histogram; bins of different widths are drawn to scale."""
    low, high = float(histogram.edges[0]), float(histogram.edges[-1])
    span = high - low or 1.0
    left, right, top, bottom = float(_LEFT), float(WIDTH - _RIGHT), float(_TOP), float(HEIGHT - _BOTTOM)

    def across(value: float) -> float:
        return round(left + (value - low) / span * (right - left), 2)

    step = max(1.0, round_step(max(histogram.counts, default=0), 4))
    peak = max(step * math.ceil(max(histogram.counts, default=0) / step), 1.0)
    bars: list[Bar] = []
    for begin, end, count in zip(histogram.edges, histogram.edges[1:], histogram.counts, strict=False):
        height = round(count / peak * (bottom - top), 2)
        room = across(end) - across(begin)
        gap = min(_GAP, room / 4)
        x = round(across(begin) + gap / 2, 2)
        width = max(round(room - gap, 2), 0.5)
        bars.append(Bar(x, bottom - height, width, height, count, f"{number(begin)} to {number(end)}: {count:,}"))
    labels = [float(edge) for edge in histogram.edges]
    if len(labels) > _X_LABELS + 1:
        apart = round_step(span, _X_LABELS)
        labels = [index * apart for index in range(math.ceil(low / apart), math.floor(high / apart + 1e-9) + 1)]
    marker = None
    if histogram.marker is not None and low <= histogram.marker <= high:
        marker = Tick(across(histogram.marker), number(histogram.marker))
    return Chart(
        width=WIDTH,
        height=HEIGHT,
        left=left,
        right=right,
        top=top,
        bottom=bottom,
        bars=bars,
        x_ticks=[Tick(across(label), number(round(label, 9))) for label in labels],
        y_ticks=[
            Tick(round(bottom - index * step / peak * (bottom - top), 2), number(index * step))
            for index in range(1, round(peak / step) + 1)
        ],
        marker=marker,
        marker_anchor="end" if marker is not None and marker.at > (left + right) / 2 else "start",
        numbered=len(bars) <= _MOST_NUMBERED,
        total=sum(histogram.counts),
    )


def band_polygons(
    x: Iterable[float],
    band: tuple[Sequence[float | None], Sequence[float | None]] | None,
    across: Callable[[float], float],
    up: Callable[[float], float],
) -> list[str]:
    """Return the area between two lines as the points of SVG polygons; a missing value interrupts it.

    Args:
        x: position of each value on the horizontal axis.
        band: lower and upper values; none without a band.
        across: position on the horizontal axis -> SVG unit.
        up: value -> SVG unit.
    """
    polygons: list[str] = []
    edge: list[tuple[float, float, float]] = []
    if band is None:
        return polygons
    for at, low, high in [*zip(x, *band, strict=True), (0.0, None, None)]:
        if low is None or high is None or not math.isfinite(low + high):
            if len(edge) > 1:
                above = [f"{left},{upper}" for left, _, upper in edge]
                below = [f"{left},{lower}" for left, lower, _ in reversed(edge)]
                polygons.append(" ".join(above + below))
            edge = []
        else:
            edge.append((across(at), up(low), up(high)))
    return polygons
