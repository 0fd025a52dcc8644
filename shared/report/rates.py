"""Layout of rates over time: one line per rate on an axis from 0 to 100 %, in SVG units; rates in words."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from shared.report.chart import HEIGHT, WIDTH, Tick
from shared.report.columns import time_ticks

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Dot", "Rate", "RateChart", "Rates", "percent", "rate_lines"]

_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 14, 28
_QUARTERS = (25, 50, 75, 100)


@dataclass(frozen=True, slots=True)
class Rates:
    """Rates over time.

    Attributes:
        title: heading.
        labels: one per point, such as weeks.
        lines: name and one value from 0 to 1 per label; None interrupts the line.
    """

    title: str
    labels: Sequence[str]
    lines: Sequence[tuple[str, Sequence[Decimal | None]]]

    def __post_init__(self) -> None:
        for name, values in self.lines:
            if len(values) != len(self.labels):
                raise ValueError(f"got {len(values)} values for {name!r}; expected {len(self.labels)}")


@dataclass(frozen=True, slots=True)
class Dot:
    """A value: its place and its tooltip."""

    x: float
    y: float
    title: str


@dataclass(frozen=True, slots=True)
class Rate:
    """One line: its name, its dots, and the coordinates of its unbroken parts."""

    name: str
    dots: list[Dot]
    paths: list[str]


@dataclass(frozen=True, slots=True)
class RateChart:
    """The geometry of rates over time."""

    width: int
    height: int
    left: float
    right: float
    bottom: float
    lines: list[Rate]
    x_ticks: list[Tick]
    y_ticks: list[Tick]


def percent(rate: Decimal | None) -> str | None:
    """Return a rate as text; only exact rates are shown as 0 % or 100 %.

    Example:
        >>> percent(Decimal("0.99999")), percent(Decimal(1)), percent(None)
        ('99.9 %', '100 %', None)
    """
    if rate is None:
        return None
    if rate in (0, 1):
        return f"{100 * rate:.0f} %"
    return f"{min(max(100 * rate, Decimal('0.1')), Decimal('99.9')):.1f} %"


def rate_lines(section: Rates) -> RateChart:
    """Lay out rates; values outside of 0 to 1 are drawn at the border."""
    left, right, top, bottom = float(_LEFT), float(WIDTH - _RIGHT), float(_TOP), float(HEIGHT - _BOTTOM)
    room = (right - left) / max(len(section.labels), 1)

    def up(value: float) -> float:
        return round(bottom - min(max(value, 0.0), 1.0) * (bottom - top), 2)

    lines = []
    for name, values in section.lines:
        dots: list[Dot] = []
        parts: list[list[Dot]] = [[]]
        for index, (label, value) in enumerate(zip(section.labels, values, strict=True)):
            if value is None:
                parts.append([])
                continue
            dot = Dot(round(left + (index + 0.5) * room, 2), up(float(value)), f"{label}, {name}: {percent(value)}")
            dots.append(dot)
            parts[-1].append(dot)
        lines.append(
            Rate(name, dots, [" ".join(f"{dot.x},{dot.y}" for dot in part) for part in parts if len(part) > 1])
        )
    return RateChart(
        width=WIDTH,
        height=HEIGHT,
        left=left,
        right=right,
        bottom=bottom,
        lines=lines,
        x_ticks=time_ticks(section.labels, left, right),
        y_ticks=[Tick(up(value / 100), f"{value} %") for value in _QUARTERS],
    )
