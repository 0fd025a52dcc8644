"""Incomplete gamma and beta functions agree with closed forms, published tables and numeric integration."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest

from jobs.trakt.metrics._special import (
    chi2_quantile,
    gamma_cdf,
    gamma_quantile,
    normal_quantile,
    t_cdf,
    t_quantile,
)


def integral(function, low: float, high: float, steps: int = 4000) -> float:
    """Simpson's rule."""
    width = (high - low) / steps
    inner = sum((4 if place % 2 else 2) * function(low + place * width) for place in range(1, steps))
    return (function(low) + inner + function(high)) * width / 3


@pytest.mark.parametrize("x", [1e-12, 0.01, 0.5, 1.0, 1.9, 2.1, 10.0, 40.0, 700.0])
def test_gamma_distribution_has_its_closed_forms(x):
    assert gamma_cdf(x, 1.0) == pytest.approx(-math.expm1(-x), rel=1e-12)
    assert gamma_cdf(x, 0.5) == pytest.approx(math.erf(math.sqrt(x)), rel=1e-12)
    assert gamma_cdf(x, 2.0) == pytest.approx(-math.expm1(-x) - x * math.exp(-x), rel=1e-9, abs=1e-15)


@pytest.mark.parametrize(("shape", "x"), [(5, 2.0), (5, 9.0), (40, 30.0), (40, 55.0), (300, 290.0), (300, 340.0)])
def test_gamma_distribution_of_a_whole_shape_is_a_sum_of_poisson_probabilities(shape, x):
    upper = math.fsum(math.exp(k * math.log(x) - x - math.lgamma(k + 1)) for k in range(shape))
    assert gamma_cdf(x, shape) == pytest.approx(1 - upper, abs=1e-12)


@pytest.mark.parametrize("shape", [1.7, 7.3, 88.6])
def test_gamma_distribution_is_the_integral_of_its_density(shape):
    def density(t: float) -> float:
        return math.exp((shape - 1) * math.log(t) - t - math.lgamma(shape)) if t else 0.0

    for x in (shape / 2, shape, shape * 1.4):
        assert gamma_cdf(x, shape) == pytest.approx(integral(density, 0.0, x), abs=1e-6)


def test_gamma_distribution_ends_at_0_and_1():
    assert [gamma_cdf(x, 3.0) for x in (-1.0, 0.0, math.inf)] == [0.0, 0.0, 1.0]
    assert gamma_cdf(1e-300, 30.0) == 0.0
    assert gamma_cdf(1e9, 30.0) == 1.0


def test_the_approximation_for_large_shapes_continues_the_exact_values():
    for sigmas in (-3, -1, -0.1, 0, 0.1, 1, 3):
        x = 1e5 + sigmas * math.sqrt(1e5)
        assert gamma_cdf(x, 1e5 * (1 + 1e-12)) == pytest.approx(gamma_cdf(x, 1e5), abs=1e-6)
        p = NormalDist().cdf(sigmas)
        assert gamma_quantile(p, 1e5 * (1 + 1e-12)) == pytest.approx(gamma_quantile(p, 1e5), rel=1e-8)


@pytest.mark.parametrize("shape", [0.01, 0.11, 0.5, 1.0, 3.3, 40.5, 1234.5, 99_999.0, 1e9, 1e15])
@pytest.mark.parametrize("p", [1e-6, 0.025, 0.2, 0.5, 0.9, 0.975, 1 - 1e-9])
def test_quantiles_of_the_gamma_distribution_invert_it(shape, p):
    x = gamma_quantile(p, shape)
    if x > 1e-290:  # the lowest quantiles of the smallest shape are below any float
        assert gamma_cdf(x, shape) == pytest.approx(p, rel=1e-6)


@pytest.mark.parametrize(
    ("p", "df", "x"),
    [
        (0.95, 1, 3.841458820694124),
        (0.5, 1, 0.454936423119572),
        (0.95, 10, 18.307038053275146),
        (0.025, 2, -2 * math.log(0.975)),
        (0.99, 4, 13.276704135987622),
    ],
)
def test_quantiles_of_chi_square_are_those_of_the_tables(p, df, x):
    assert chi2_quantile(p, df) == pytest.approx(x, rel=1e-10)


@pytest.mark.parametrize(
    ("p", "df", "t"),
    [
        (0.975, 1, math.tan(math.pi * 0.475)),
        (0.975, 2, 0.95 / math.sqrt(2 * 0.975 * 0.025)),
        (0.975, 10, 2.2281388519649385),
        (0.975, 18, 2.10092204024096),
        (0.975, 30, 2.0422724563012373),
        (0.95, 5, 2.015048372669157),
        (0.5, 7, 0.0),
    ],
)
def test_quantiles_of_students_t_are_those_of_the_tables(p, df, t):
    assert t_quantile(p, df) == pytest.approx(t, rel=1e-9, abs=1e-12)


def test_students_t_with_fractional_degrees_of_freedom_is_the_integral_of_its_density():
    df = 11.37
    scale = math.exp(math.lgamma((df + 1) / 2) - math.lgamma(df / 2)) / math.sqrt(df * math.pi)
    half = integral(lambda t: scale * (1 + t * t / df) ** (-(df + 1) / 2), 0.0, 2.0)
    assert t_cdf(2.0, df) == pytest.approx(0.5 + half, abs=1e-12)
    assert t_cdf(-2.0, df) == pytest.approx(0.5 - half, abs=1e-12)


def test_students_t_approaches_the_normal_distribution():
    assert t_quantile(0.975, 1e6) == pytest.approx(normal_quantile(0.975), rel=1e-5)
    assert t_quantile(0.975, 1e9) == normal_quantile(0.975) == pytest.approx(1.959963984540054)
    assert t_cdf(1.0, 1e9) == NormalDist().cdf(1.0)
