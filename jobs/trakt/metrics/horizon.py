"""Days to a share of the comments within a fixed horizon, such as t50 of the first 90 days."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from jobs.trakt.metrics._numbers import age, number, split_times
from jobs.trakt.metrics._special import normal_quantile
from jobs.trakt.metrics.estimate import Estimate
from jobs.trakt.metrics.parameters import Parameters

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["horizon"]


def horizon(
    times_d: Iterable[Any] | None,
    age_d: Any,
    share: Any,
    horizon_d: Any,
    *,
    parameters: Parameters | None = None,
) -> Estimate:
    """Return the days to a share of the comments of the first ``horizon_d`` days.

    The title must be at least that old: days to half of the comments *so far* grow with age. The interval lies between
    two order statistics and assumes no distribution; an end beyond the first or last comment is 0 or the horizon.

    Source: David, Nagaraja, Order Statistics, 2003, 7.1.

    Args:
        times_d: days from the start to each comment, in any order.
        age_d: days from the start to now.
        share: share of the comments, such as 0.5.
        horizon_d: days of the horizon.
        parameters: choices; None takes the defaults.

    Returns:
        the estimate; its n is the number of comments within the horizon.

    Example:
        >>> found = horizon(range(1, 101), 400, 0.5, 90)
        >>> found.n, found.value, found.low, found.high
        (90, 45.0, 35.0, 56.0)
    """
    use = parameters or Parameters()
    end, part, old = age(horizon_d), number(share), age(age_d)
    if end is None or part is None or not 0 < part < 1:
        return Estimate(n=0, reason="SHARE_INVALID")
    if old is None:
        return Estimate(n=0, reason="AGE_INVALID")
    times, _ = split_times(times_d, end)
    n = len(times)
    if old < end:
        return Estimate(n=n, reason="TOO_YOUNG")
    if n < use.n_min:
        return Estimate(n=n, reason="TOO_FEW" if n else "NO_DATA")
    spread = normal_quantile((1 + use.probability) / 2) * math.sqrt(n * part * (1 - part))
    first, last = math.floor(n * part - spread), math.ceil(n * part + spread) + 1
    return Estimate(
        n=n,
        # A product that should be whole may be slightly larger as a float, such as 32.00000000000001.
        value=times[max(math.ceil(n * part - 1e-9), 1) - 1],
        low=times[first - 1] if first >= 1 else 0.0,
        high=times[last - 1] if last <= n else end,
    )
