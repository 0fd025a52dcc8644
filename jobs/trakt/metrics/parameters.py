"""The choices behind each metric, with their reasons."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["METRICS", "Parameters"]

METRICS: Final = ("breadth", "intensity", "quadrant", "half_life", "horizon", "hold_up", "retention")
"""The metrics that parameters belong to."""


def _choice(default: Any, reason: str, *metrics: str) -> Any:
    return field(default=default, metadata={"reason": reason, "metrics": metrics})


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """The choices that every figure depends on; :meth:`described` has their reasons.

    Raises:
        ValueError: a parameter is out of its range.

    Example:
        >>> Parameters().printed("retention")
        'probability 0.95, replies off, n_min 20, retention_d 90'
        >>> Parameters(n_min=0)
        Traceback (most recent call last):
        ...
        ValueError: n_min is 0; expected a whole number of at least 1
    """

    probability: float = _choice(
        0.95, "the convention; simulated intervals cover at least 90 % at 40 comments", *METRICS
    )
    replies: bool = _choice(
        False,
        "replies are part of a conversation, and only --replies loads them, so titles would not be comparable",
        *METRICS,
    )
    n_min: int = _choice(
        20,
        "with 20 comments, the interval of a share of one half is 0.40 wide; below, it says nothing",
        *("quadrant", "horizon", "retention"),
    )
    half_life_n_min: int = _choice(
        30,
        "at an age of 3 half-lives, the interval spans a factor of 4 with 30 comments, and a factor of 8 with 20",
        "half_life",
    )
    power_law_offset_d: float = _choice(
        1.0, "a power law is infinite at time 0; release dates are known to the day", "half_life"
    )
    ratings_n_min: int = _choice(
        10,
        "Welch's interval needs a standard deviation on each side, whose own error is 24 % at 10 ratings",
        "hold_up",
    )
    hold_up_window_d: float = _choice(
        180.0,
        "half a year at both ends: shorter windows have few ratings; longer ones leave younger titles without a value",
        "hold_up",
    )
    retention_d: float = _choice(
        90.0,
        "a quarter: two of them have passed for every title that is half a year old",
        "retention",
    )
    horizons_d: tuple[float, ...] = _choice(
        (90.0, 365.0), "the same horizon for each title: days to half of the comments so far grow with age", "horizon"
    )
    shares: tuple[float, ...] = _choice((0.5, 0.8), "half, and most, of the comments within a horizon", "horizon")
    age_bands_d: tuple[float, ...] = _choice(
        (30.0, 90.0, 365.0, 1095.0),
        "breadth grows with age, so peers have a similar one: month, quarter, year, three years, older",
        *("intensity", "quadrant"),
    )
    peers_min: int = _choice(
        10, "fewer peers cannot show how much titles differ; a median of 10 lies between two of them", "intensity",
        "quadrant",
    )  # fmt: skip
    side_probability: float = _choice(
        0.8, "4 % of labels change between two equal draws; with a split at the raw medians, 25 % do", "quadrant"
    )

    def __post_init__(self) -> None:
        for name, (is_valid, expected) in _EXPECTED.items():
            value = getattr(self, name)
            if not is_valid(value):
                raise ValueError(f"{name} is {value!r}; expected {expected}")

    def described(self) -> list[tuple[str, str, str]]:
        """Return each parameter's name, value as text, and reason."""
        return [(choice.name, self._text(choice.name), choice.metadata["reason"]) for choice in fields(self)]

    def printed(self, metric: str) -> str:
        """Return the parameters of a metric in one line, to print next to its figures.

        Raises:
            KeyError: the metric is not in :data:`METRICS`.
        """
        if metric not in METRICS:
            raise KeyError(metric)
        names = [choice.name for choice in fields(self) if metric in choice.metadata["metrics"]]
        return ", ".join(f"{name} {self._text(name)}" for name in names)

    def age_band(self, age_d: float | None) -> str | None:
        """Return the band of an age in days, such as ``90-365``, or ``1095-``; None if the age is unknown or negative.

        Example:
            >>> [Parameters().age_band(age) for age in (0, 90, 5000, None)]
            ['0-30', '90-365', '1095-', None]
        """
        if not _is_number(age_d) or age_d < 0:
            return None
        edges = (0.0, *self.age_bands_d)
        place = sum(edge <= age_d for edge in edges)
        return f"{edges[place - 1]:g}-" + (f"{edges[place]:g}" if place < len(edges) else "")

    def _text(self, name: str) -> str:
        value = getattr(self, name)
        if isinstance(value, bool):
            return "on" if value else "off"
        if isinstance(value, tuple):
            return "/".join(f"{each:g}" for each in value)
        return f"{value:g}"


def _is_number(value: object) -> TypeGuard[float]:
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an int beyond any float
        return False


def _is_count(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_positive(value: object) -> bool:
    return _is_number(value) and value > 0


def _is_ascending(value: object) -> bool:
    return (
        isinstance(value, tuple)
        and bool(value)
        and all(map(_is_positive, value))
        and all(one < next_one for one, next_one in pairwise(value))
    )


def _is_between(value: object, least: float) -> bool:
    return _is_number(value) and least < value < 1


_COUNT: Final = (lambda value: _is_count(value, 1), "a whole number of at least 1")
_DAYS: Final = (_is_positive, "a positive number of days")
_EDGES: Final = (_is_ascending, "a tuple of positive numbers of days, ascending")
_EXPECTED: Final[dict[str, tuple[Callable[[object], bool], str]]] = {
    "probability": (lambda value: _is_between(value, 0), "a number between 0 and 1"),
    "replies": (lambda value: isinstance(value, bool), "true or false"),
    "n_min": _COUNT,
    "half_life_n_min": _COUNT,
    "peers_min": _COUNT,
    "ratings_n_min": (lambda value: _is_count(value, 2), "a whole number of at least 2"),
    "power_law_offset_d": _DAYS,
    "hold_up_window_d": _DAYS,
    "retention_d": _DAYS,
    "horizons_d": _EDGES,
    "age_bands_d": _EDGES,
    "shares": (
        lambda value: isinstance(value, tuple) and bool(value) and all(_is_between(share, 0) for share in value),
        "a tuple of numbers between 0 and 1",
    ),
    "side_probability": (lambda value: _is_between(value, 0.5), "a number between 0.5 and 1"),
}
