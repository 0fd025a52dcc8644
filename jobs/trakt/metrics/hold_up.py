"""Hold-up: how late ratings differ from the first ones."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

from jobs.trakt.metrics._numbers import age, number
from jobs.trakt.metrics._special import t_quantile
from jobs.trakt.metrics.estimate import Estimate
from jobs.trakt.metrics.parameters import Parameters

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["HoldUp", "hold_up"]

_RATINGS: Final = (1.0, 10.0)
# A rating is an opinion rounded to a whole number: behind equal ratings, opinions vary uniformly (Sheppard, 1898).
_LEAST_VARIANCE: Final = 1 / 12


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldUp(Estimate):
    """The difference of two mean ratings.

    Attributes:
        n_first: ratings in the first window.
        n_last: ratings in the last window.
        backfilled: ratings of both windows first seen by a backfill, long after they were given: they may have changed.
        is_backfilled: whether there are any.
    """

    n_first: int = 0
    n_last: int = 0
    backfilled: int = 0
    is_backfilled: bool = False


def hold_up(
    times_d: Sequence[Any] | None,
    ratings: Sequence[Any] | None,
    backfilled: Sequence[Any] | None,
    age_d: Any,
    *,
    parameters: Parameters | None = None,
) -> HoldUp:
    """Return the mean rating of the last window minus that of the first, with Welch's interval.

    Each rating is the one first seen with its comment. Trakt shows a user's current rating with all of their comments,
    so a rating read today says what its author thinks today.

    Source: Welch, The generalization of Student's problem when several different population variances are involved,
    Biometrika 34, 1947.

    Args:
        times_d: days from the start to each comment.
        ratings: its author's rating when it was first seen, 1 to 10; None without one.
        backfilled: whether it was first seen by a backfill; None, or missing, counts as yes.
        age_d: days from the start to now.
        parameters: choices; None takes the defaults.

    Returns:
        the estimate; its n is the number of ratings in both windows.
    """
    use = parameters or Parameters()
    old = age(age_d)
    if old is None:
        return HoldUp(n=0, reason="AGE_INVALID")
    window = use.hold_up_window_d
    first: list[float] = []
    last: list[float] = []
    marked = 0
    for time, rating, mark in zip_longest(times_d or (), ratings or (), backfilled or ()):
        day, value = number(time), number(rating)
        if day is None or value is None or not 0 <= day <= old or not _RATINGS[0] <= value <= _RATINGS[1]:
            continue
        in_first, in_last = day < window, day > old - window
        if in_first:
            first.append(value)
        if in_last:
            last.append(value)
        marked += (in_first or in_last) and mark is not False and mark != 0
    found = HoldUp(
        n=len(first) + len(last),
        n_first=len(first),
        n_last=len(last),
        backfilled=marked,
        is_backfilled=marked > 0,
    )
    if old < 2 * window:
        return replace(found, reason="WINDOWS_OVERLAP")
    if not found.n:
        return replace(found, reason="NO_DATA")
    if len(first) < use.ratings_n_min:
        return replace(found, reason="TOO_FEW_FIRST")
    if len(last) < use.ratings_n_min:
        return replace(found, reason="TOO_FEW_LAST")
    value, width = _welch(first, last, use.probability)
    return replace(found, value=value, low=value - width, high=value + width)


def _welch(first: list[float], last: list[float], probability: float) -> tuple[float, float]:
    """Return the difference of the means, and half the width of its interval."""
    means = [math.fsum(each) / len(each) for each in (first, last)]
    errors = [
        max(math.fsum((value - mean) ** 2 for value in each) / (len(each) - 1), _LEAST_VARIANCE) / len(each)
        for each, mean in zip((first, last), means, strict=True)
    ]
    total = sum(errors)
    df = total**2 / (errors[0] ** 2 / (len(first) - 1) + errors[1] ** 2 / (len(last) - 1))
    return means[1] - means[0], t_quantile((1 + probability) / 2, df) * math.sqrt(total)
