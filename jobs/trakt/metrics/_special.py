"""Incomplete gamma and beta functions, and the quantiles of distributions made of them."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["chi2_quantile", "gamma_cdf", "gamma_quantile", "normal_quantile", "t_cdf", "t_quantile"]

_EPSILON: Final = 1e-15
_TINY: Final = 1e-300
# Series and fraction need some 8 sqrt(a) terms. Past this, the approximation of Wilson and Hilferty errs by less than
# 1e-6 in probability, and takes the time of one term.
_LARGE_SHAPE: Final = 1e5
_LARGE_DF: Final = 1e7
_MAX_TERMS: Final = 20_000
_STEPS: Final = 200
_PRECISION: Final = 1e-13


def normal_quantile(probability: float) -> float:
    """Return the quantile of the standard normal distribution."""
    return NormalDist().inv_cdf(probability)


def gamma_cdf(x: float, shape: float) -> float:
    """Return the regularised lower incomplete gamma function P(shape, x).

    Sources: the series of DLMF 8.7.1 for x < shape + 1, else the continued fraction of DLMF 8.9.2 by the method of
    Lentz (Press et al., Numerical Recipes, 2007, 6.2); for large shapes the cube root of Wilson and Hilferty, The
    distribution of chi-square, 1931.
    """
    if x <= 0:
        return 0.0
    if math.isinf(x):
        return 1.0
    if shape > _LARGE_SHAPE:
        return NormalDist().cdf(3 * math.sqrt(shape) * ((x / shape) ** (1 / 3) - 1 + 1 / (9 * shape)))
    scale = shape * math.log(x) - x - math.lgamma(shape)
    if x < shape + 1:
        term = total = 1 / shape
        for step in range(1, _MAX_TERMS):
            term *= x / (shape + step)
            total += term
            if term < total * _EPSILON:
                break
        return min(1.0, total * math.exp(scale)) if scale > -745 else 0.0  # noqa: PLR2004 - exp underflows
    return 1.0 - _upper_gamma(x, shape) * math.exp(max(scale, -745.0))


def _upper_gamma(x: float, shape: float) -> float:
    """Return the continued fraction of Q(shape, x), without its factor x^shape e^-x / Gamma(shape)."""
    b = x + 1 - shape
    c = 1 / _TINY
    d = 1 / b
    fraction = d
    for step in range(1, _MAX_TERMS):
        a = -step * (step - shape)
        b += 2
        d = a * d + b
        d = 1 / (d if abs(d) > _TINY else _TINY)
        c = b + a / c
        c = c if abs(c) > _TINY else _TINY
        fraction *= d * c
        if abs(d * c - 1) < _EPSILON:
            break
    return fraction


def gamma_quantile(probability: float, shape: float) -> float:
    """Return x with P(shape, x) = probability, for a gamma distribution of scale 1."""
    root = 1 - 1 / (9 * shape) + normal_quantile(probability) / (3 * math.sqrt(shape))
    start = shape * max(root, 0.0) ** 3
    # For small shapes, the first term of the series: P = x^a / Gamma(a + 1).
    small = math.exp(min((math.log(probability) + math.lgamma(shape + 1)) / shape, 700.0))
    if shape > _LARGE_SHAPE:
        return start
    start = start if shape >= 1 and root > 0 else small

    def density(x: float) -> float:
        return math.exp(min(max((shape - 1) * math.log(x) - x - math.lgamma(shape), -700.0), 700.0))

    return _root(lambda x: gamma_cdf(x, shape) - probability, density, start)


def chi2_quantile(probability: float, df: float) -> float:
    """Return the quantile of a chi-square distribution with ``df`` degrees of freedom."""
    return 2 * gamma_quantile(probability, df / 2)


def _beta_cdf(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function, by the continued fraction of DLMF 8.17.22."""
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta_cdf(1 - x, b, a)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )  # fmt: skip
    c, d = 1.0, 1 - (a + b) * x / (a + 1)
    d = 1 / (d if abs(d) > _TINY else _TINY)
    fraction = d
    for m in range(1, _MAX_TERMS):
        before = fraction
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 + numerator * d
            d = 1 / (d if abs(d) > _TINY else _TINY)
            c = 1 + numerator / c
            c = c if abs(c) > _TINY else _TINY
            fraction *= c * d
        if abs(fraction - before) < abs(fraction) * _EPSILON:
            break
    return front * fraction / a


def t_cdf(t: float, df: float) -> float:
    """Return the distribution function of Student's t with ``df`` degrees of freedom."""
    if df > _LARGE_DF:
        return NormalDist().cdf(t)
    tail = 0.5 * _beta_cdf(df / (df + t * t), df / 2, 0.5)
    return tail if t < 0 else 1 - tail


def t_quantile(probability: float, df: float) -> float:
    """Return the quantile of Student's t with ``df`` degrees of freedom, for a probability of at least one half."""
    if df > _LARGE_DF:
        return normal_quantile(probability)
    scale = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - 0.5 * math.log(df * math.pi)

    def density(t: float) -> float:
        return math.exp(scale - (df + 1) / 2 * math.log1p(t * t / df))

    return _root(lambda t: t_cdf(t, df) - probability, density, normal_quantile(probability))


def _root(function: Callable[[float], float], slope: Callable[[float], float], start: float) -> float:
    """Return the positive root of an increasing function: Newton's steps, and halves if one leaves the bracket."""
    low, high = 0.0, math.inf
    x = max(start, _TINY)
    for _ in range(_STEPS):
        error = function(x)
        if error < 0:
            low = x
        else:
            high = x
        gradient = slope(x)
        step = x - error / gradient if gradient > 0 else math.nan
        if not low < step < high:
            step = (low + high) / 2 if math.isfinite(high) else x * 2
        if abs(step - x) <= _PRECISION * x or step < _TINY:
            return step
        x = step
    return x
