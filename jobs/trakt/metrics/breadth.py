"""Breadth: distinct commenters."""

from __future__ import annotations

from typing import Any

from jobs.trakt.metrics._numbers import count
from jobs.trakt.metrics._special import gamma_quantile
from jobs.trakt.metrics.estimate import Estimate
from jobs.trakt.metrics.parameters import Parameters

__all__ = ["breadth", "breadth_shape"]


def breadth(commenters: Any, *, parameters: Parameters | None = None) -> Estimate:
    """Return the number of distinct commenters with Jeffreys' interval for a Poisson mean.

    The number itself is exact. The interval is for its expectation: how many people would comment if the same audience
    saw the title again. Never add breadth over days or titles: a commenter would count twice.

    Source: Brown, Cai, DasGupta, Interval estimation in exponential families, Statistica Sinica 13, 2003.

    Args:
        commenters: distinct commenters.
        parameters: choices; None takes the defaults.

    Example:
        >>> found = breadth(40)
        >>> found.value, round(found.low, 1), round(found.high, 1)
        (40.0, 29.0, 53.9)
    """
    use = parameters or Parameters()
    people = count(commenters)
    if people is None:
        return Estimate(n=0, reason="COUNTS_INVALID")
    tail = (1 - use.probability) / 2
    shape = breadth_shape(people)
    low = gamma_quantile(tail, shape) if people else 0.0
    return Estimate(n=people, value=float(people), low=low, high=gamma_quantile(1 - tail, shape))


def breadth_shape(commenters: int) -> float:
    """Return the shape of the posterior of the expected breadth: a gamma distribution of rate 1, Jeffreys' prior."""
    return commenters + 0.5
