"""Scales: values of an axis to SVG units, linear from 0 or logarithmic, with round ticks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shared.report.chart import Tick, number, round_step

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Scale", "linear", "logarithmic"]

_LABELS: Final = 6
# Up to this many decades, an axis has ticks at 1, 2 and 5.
_FEW_DECADES: Final = 2.1
# A logarithmic axis has no 0: zeros are drawn this far before its start.
_LANE: Final = 24.0
_LEAST: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis.

    Attributes:
        low: value at its start; ``high`` is that at its end.
        start: SVG unit of ``low``; ``end`` is that of ``high``. Vertical axes have ``start > end``.
        is_log: distances are ratios.
        zero: SVG unit of the value 0, if it is drawn in a lane of its own, before ``start``.
    """

    low: float
    high: float
    start: float
    end: float
    is_log: bool = False
    zero: float | None = None

    def at(self, value: float) -> float:
        """Return the SVG unit of a value; values beyond the axis are drawn at its ends."""
        if self.is_log and value <= 0:
            return self.start if self.zero is None else self.zero
        share = (self._moved(value) - self._moved(self.low)) / (self._moved(self.high) - self._moved(self.low))
        return round(self.start + min(max(share, 0.0), 1.0) * (self.end - self.start), 1)

    def many(self, values: Sequence[float]) -> list[float]:
        """Return the SVG units of many values, not rounded; values beyond the axis as :meth:`at` has them."""
        low = self._moved(self.low)
        start, factor = self.start, (self.end - self.start) / (self._moved(self.high) - low)
        if self.is_log:
            zero, log = start if self.zero is None else self.zero, math.log
            found = [start + factor * (log(value) - low) if value > 0 else zero for value in values]
        else:
            found = [start + factor * (value - low) for value in values]
        if values and (max(values) > self.high or min(filter(None, values), default=self.low) < self.low):
            first, last = min(start, self.end), max(start, self.end)
            found = [min(max(at, first), last) if value > 0 else at for at, value in zip(found, values, strict=True)]
        return found

    def is_beyond(self, value: float) -> bool:
        """Return whether a value is above the end of the axis."""
        return value > self.high * (1 + 1e-9)

    def ticks(self) -> list[Tick]:
        """Return round ticks, a 0 in its lane included."""
        if not self.is_log:
            step = round_step(self.high, _LABELS)
            return [
                Tick(self.at(index * step), number(index * step)) for index in range(int(self.high / step + 1e-9) + 1)
            ]
        decades = math.log10(self.high / self.low)
        factors = (1.0, 2.0, 5.0) if decades <= _FEW_DECADES else (1.0,)
        every = max(1, math.ceil(decades / _LABELS))
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        values = [10.0**power * factor for power in range(first, last + 1, every) for factor in factors]
        shown = [value for value in values if self.low * (1 - 1e-9) <= value <= self.high * (1 + 1e-9)]
        zero = [] if self.zero is None else [Tick(self.zero, "0")]
        return zero + [Tick(self.at(value), number(float(f"{value:.3g}"))) for value in shown]

    def _moved(self, value: float) -> float:
        return math.log(max(value, _LEAST)) if self.is_log else value


def linear(top: float, start: float, end: float) -> Scale:
    """Return an axis from 0 to a round number that is not below ``top``.

    Args:
        top: the largest value, finite.
        start: SVG unit of 0.
        end: SVG unit of the end.
    """
    step = round_step(top, _LABELS * 2)
    return Scale(0.0, step * max(1, math.ceil(top / step - 1e-9)), start, end)


def logarithmic(values: Sequence[float], start: float, end: float) -> Scale:
    """Return a logarithmic axis around values of at least 0; if there are zeros, they have a lane of their own.

    Args:
        values: finite values.
        start: SVG unit of the start, or of the zeros.
        end: SVG unit of the end.
    """
    positive = [value for value in values if value > 0]
    low, high = (min(positive), max(positive)) if positive else (1.0, 1.0)
    low, high = _round(low, up=False), _round(high, up=True)
    if high <= low:
        low, high = low / 2, high * 2
    if len(positive) == len(values):
        return Scale(low, high, start, end, is_log=True)
    return Scale(low, high, start + math.copysign(_LANE, end - start), end, is_log=True, zero=start)


def _round(value: float, *, up: bool) -> float:
    """Return the nearest 1, 2 or 5 times a power of ten that is not below, or not above, a positive value."""
    value = max(value, _LEAST)
    power = 10.0 ** math.floor(math.log10(value))
    steps = [power * factor for factor in (1, 2, 5, 10)]
    if up:
        return next((step for step in steps if step >= value * (1 - 1e-9)), steps[-1])
    return next((step for step in reversed(steps) if step <= value * (1 + 1e-9)), steps[0])
