"""Retention: the second quarter's share of the comments of both quarters."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from jobs.trakt.metrics._numbers import age, split_times
from jobs.trakt.metrics._special import normal_quantile
from jobs.trakt.metrics.estimate import Estimate
from jobs.trakt.metrics.parameters import Parameters

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["retention", "wilson"]


def retention(times_d: Iterable[Any] | None, age_d: Any, *, parameters: Parameters | None = None) -> Estimate:
    """Return n(days 91 to 180) / n(days 1 to 180), with Wilson's interval.

    Day 1 begins at time 0, so days 91 to 180 are the times from 90 to 180. The denominator includes the numerator, so
    the result is a share between 0 and 1, unlike the ratio of the two quarters. One half means no decay.

    Args:
        times_d: days from the start to each comment, in any order.
        age_d: days from the start to now; at least twice ``retention_d``.
        parameters: choices; None takes the defaults.

    Returns:
        the estimate; its n is the number of comments of days 1 to 180.

    Example:
        >>> found = retention([10.0] * 30 + [100.0] * 10, 200)
        >>> found.n, found.value, round(found.low, 3), round(found.high, 3)
        (40, 0.25, 0.142, 0.402)
    """
    use = parameters or Parameters()
    old = age(age_d)
    if old is None:
        return Estimate(n=0, reason="AGE_INVALID")
    end = 2 * use.retention_d
    times, _ = split_times(times_d, end)
    times = [time for time in times if time < end]
    n = len(times)
    if old < end:
        return Estimate(n=n, reason="TOO_YOUNG")
    if n < use.n_min:
        return Estimate(n=n, reason="TOO_FEW" if n else "NO_DATA")
    late = sum(time >= use.retention_d for time in times)
    low, high = wilson(late, n, use.probability)
    return Estimate(n=n, value=late / n, low=low, high=high)


def wilson(successes: int, n: int, probability: float) -> tuple[float, float]:
    """Return Wilson's interval of a share.

    Source: Wilson, Probable inference, the law of succession, and statistical inference, JASA 22, 1927; recommended by
    Newcombe, Two-sided confidence intervals for the single proportion, Statistics in Medicine 17, 1998.

    Args:
        successes: 0 to n.
        n: at least 1.
        probability: nominal coverage, such as 0.95.

    Example:
        >>> [round(end, 4) for end in wilson(81, 263, 0.95)]  # Newcombe's first example
        [0.2553, 0.3662]
    """
    z = normal_quantile((1 + probability) / 2)
    share = successes / n
    centre = share + z * z / (2 * n)
    width = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low = (centre - width) / scale if successes else 0.0
    high = (centre + width) / scale if successes < n else 1.0
    return max(low, 0.0), min(high, 1.0)
