"""The exponential distribution on (0, 1): density u e^(-ux) / (1 - e^-u), falling for u > 0, rising for u < 0."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["fit", "interval", "log_density", "mean"]

# Below this, the closed forms lose digits to cancellation, and the first terms left out of the series are below 1e-16.
_SMALL: Final = 0.05
# e^-u is 0 as a float.
_LARGE: Final = 700.0
# At u = 50, the term 1 / (e^u - 1) is 1e-20 of the mean.
_SMALL_MEAN: Final = 0.02
_STEPS: Final = 2000
_PRECISION: Final = 1e-13


def mean(u: float) -> float:
    """Return the mean, 1/u - 1/(e^u - 1), between 0 and 1; 1/2 at u = 0.

    Example:
        >>> mean(0.0), round(mean(math.log(2)), 4), mean(1e6), mean(-1e6)
        (0.5, 0.4427, 1e-06, 0.999999)
    """
    if abs(u) < _SMALL:
        return 0.5 - u / 12 + u**3 / 720 - u**5 / 30240
    if u < 0:
        return 1 - mean(-u)
    return 1 / u - (1 / math.expm1(u) if u < _LARGE else 0.0)


def log_density(u: float, at: float) -> float:
    """Return the mean logarithm of the density over observations whose mean is ``at``."""
    return _log_scale(u) - u * at


def _log_scale(u: float) -> float:
    """Return log(u / (1 - e^-u))."""
    if abs(u) < _SMALL:
        return u / 2 - u * u / 24 + u**4 / 2880 - u**6 / 181440
    if u < 0:
        return u + _log_scale(-u)
    return math.log(u) - math.log1p(-math.exp(-u))


def fit(at: float) -> float:
    """Return the u of largest likelihood: the one whose mean is ``at``, strictly between 0 and 1."""
    if at > 0.5:  # noqa: PLR2004 - the mean of a uniform distribution
        return -fit(1 - at)
    if at < _SMALL_MEAN:
        return 1 / at
    # The mean is below 1/u, so u is below 1/at.
    low, high = 0.0, 1 / at
    u = min(12 * (0.5 - at), high)
    for _ in range(_STEPS):
        error = mean(u) - at
        if error > 0:
            low = u
        else:
            high = u
        step = u - error / _slope(u)
        if not low <= step <= high:
            step = (low + high) / 2
        if abs(step - u) <= _PRECISION * u:
            return step
        u = step
    return u


def _slope(u: float) -> float:
    if u < _SMALL:
        return -1 / 12 + u * u / 240
    return -1 / (u * u) + (1 / (2 * math.sinh(u / 2)) ** 2 if u < _LARGE else 0.0)


def interval(at: float, best: float, n: int, limit: float) -> tuple[float, float]:
    """Return the u on both sides of the best one at which 2 n (log likelihood - its largest) is -``limit``."""
    peak = log_density(best, at)

    def excess(u: float) -> float:
        return 2 * n * (peak - log_density(u, at)) - limit

    # About as wide as the normal approximation; doubled until it is outside.
    width = math.sqrt(limit / n) * max(abs(best), 1.0)
    return _crossing(excess, best, -width), _crossing(excess, best, width)


def _crossing(excess: Callable[[float], float], inside: float, step: float) -> float:
    while excess(inside + step) < 0:
        step *= 2
    near, far = 0.0, step
    for _ in range(_STEPS):
        middle = (near + far) / 2
        if excess(inside + middle) < 0:
            near = middle
        else:
            far = middle
        if abs(far - near) <= _PRECISION * max(abs(inside + far), abs(far)):
            break
    return inside + far
