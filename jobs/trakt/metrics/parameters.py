"""The choices behind each metric, with their reasons."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any, Final

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
        >>> Parameters().beside("retention")
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
        "a reply is part of a conversation of two, and only --replies loads them, so titles would not be comparable",
        *METRICS,
    )
    n_min: int = _choice(
        20,
        "with 20 comments, the interval of a share of one half is 0.40 wide; below, it says nothing",
        *("quadrant", "horizon", "retention"),
    )
    half_life_n_min: int = _choice(
        30, "with 30 comments at an age of 3 half-lives, the interval is a factor of 2.4 wide", "half_life"
    )
    power_law_offset_d: float = _choice(
        1.0, "a power law is infinite at time 0; release dates are known to the day", "half_life"
    )
    ratings_n_min: int = _choice(
        10, "Welch's interval needs a variance for each side, whose own error is 24 % at 10 ratings", "hold_up"
    )
    hold_up_window_d: float = _choice(
        180.0, "half a year at both ends: shorter ones have too few ratings, longer ones overlap for years", "hold_up"
    )
    retention_d: float = _choice(
        90.0, "a quarter: most titles of a watch list have half of their comments within one", "retention"
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
        0.8, "4 % of labels change between two equal draws; with a split at the raw medians, 26 % do", "quadrant"
    )

    def __post_init__(self) -> None:
        for name in ("n_min", "half_life_n_min", "ratings_n_min", "peers_min"):
            least = 2 if name == "ratings_n_min" else 1
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(f"{name} is {value}; expected a whole number of at least {least}")
        for name in ("power_law_offset_d", "hold_up_window_d", "retention_d"):
            if not _is_positive(getattr(self, name)):
                raise ValueError(f"{name} is {getattr(self, name)}; expected a positive number of days")
        for name in ("horizons_d", "age_bands_d"):
            value = getattr(self, name)
            if not value or not all(map(_is_positive, value)) or list(value) != sorted(set(value)):
                raise ValueError(f"{name} is {value}; expected positive numbers of days, ascending")
        if not self.shares or not all(_is_number(share) and 0 < share < 1 for share in self.shares):
            raise ValueError(f"shares is {self.shares}; expected numbers between 0 and 1")
        if not _is_number(self.probability) or not 0 < self.probability < 1:
            raise ValueError(f"probability is {self.probability}; expected a number between 0 and 1")
        if not _is_number(self.side_probability) or not 0.5 < self.side_probability < 1:  # noqa: PLR2004 - a coin
            raise ValueError(f"side_probability is {self.side_probability}; expected a number between 0.5 and 1")
        if not isinstance(self.replies, bool):
            raise ValueError(f"replies is {self.replies!r}; expected true or false")  # noqa: TRY004 - as the others

    def described(self) -> list[tuple[str, str, str]]:
        """Return name, value as text, and reason of each parameter."""
        return [(choice.name, self._text(choice.name), choice.metadata["reason"]) for choice in fields(self)]

    def beside(self, metric: str) -> str:
        """Return the parameters of a metric in one line, to print beside its figures.

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


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_positive(value: object) -> bool:
    return _is_number(value) and value > 0  # type: ignore[operator]
