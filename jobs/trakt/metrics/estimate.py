"""The result of a metric: n, value, interval, and a reason if there is no value."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Estimate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A figure with its interval.

    Attributes:
        n: observations behind it.
        value: the figure; None with a reason.
        low: lower end of its interval.
        high: upper end of its interval, ``math.inf`` if the data set none.
        reason: a code of :data:`~jobs.trakt.metrics.reasons.REASONS`; None if there is a value.
    """

    n: int
    value: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str | None = None
