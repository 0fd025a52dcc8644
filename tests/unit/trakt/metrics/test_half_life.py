"""Half-lives by maximum likelihood: values computed by hand, an independent maximum, NULLs with their reasons."""

from __future__ import annotations

import math
import random

import pytest

from jobs.trakt.metrics import _truncated
from jobs.trakt.metrics.half_life import half_life
from jobs.trakt.metrics.parameters import Parameters
from tests.trakt_titles import exponential_times, power_law_times


def around(mean: float, spread: float = 10.0, n: int = 40) -> list[float]:
    return [mean - spread, mean + spread] * (n // 2)


@pytest.mark.parametrize(
    ("age", "mean"),
    [
        # Half-life 60: l = ln 2 / 60, 1/l = 86.5617025. After one half-life, e^(lA) = 2: 86.5617025 - 60 / 1.
        (60.0, 26.5617025),
        # After two, e^(lA) = 4: 86.5617025 - 120 / 3.
        (120.0, 46.5617025),
        # After ten, 1024: 86.5617025 - 600 / 1023.
        (600.0, 85.9751922),
    ],
)
def test_the_mean_decides_the_half_life(age, mean):
    found = half_life(around(mean), age)
    assert (found.n, found.reason) == (40, None)
    assert found.value == pytest.approx(60.0, rel=1e-6)


def test_the_interval_of_a_title_far_older_than_its_half_life_has_its_closed_form():
    # Untruncated in effect: -2 log ratio is 2n (s - 1 - ln s) with s = l / best; at n = 50 it is 3.8415 where
    # s - 1 - ln s = 0.0384146: s = 0.7478 and s = 1.3033. With a mean of 100, the half-life is 69.3147:
    # 69.3147 / 1.3033 = 53.18 and 69.3147 / 0.7478 = 92.69.
    found = half_life(around(100.0, n=50), 20_000.0)
    assert found.value == pytest.approx(69.3147, rel=1e-5)
    assert found.low == pytest.approx(53.18, abs=0.02)
    assert found.high == pytest.approx(92.69, abs=0.02)


def log_likelihood(times: list[float], age: float, half: float) -> float:
    """The definition, without the code's shortcuts."""
    rate = math.log(2) / half
    return sum(math.log(rate) - rate * time for time in times) - len(times) * math.log(1 - math.exp(-rate * age))


def test_estimate_and_interval_agree_with_a_search_over_the_likelihood():
    times = exponential_times(random.Random(3), 80, 40.0, 100.0)
    found = half_life(times, 100.0)
    grid = [10 * 1.0005**step for step in range(8000)]
    heights = [log_likelihood(times, 100.0, half) for half in grid]
    peak = max(heights)
    inside = [half for half, height in zip(grid, heights, strict=True) if 2 * (peak - height) <= 3.841458820694124]
    assert found.value == pytest.approx(grid[heights.index(peak)], rel=1e-3)
    assert (found.low, found.high) == pytest.approx((inside[0], inside[-1]), rel=1e-3)
    assert found.aic == pytest.approx(2 - 2 * peak, rel=1e-6)


def test_aic_of_the_power_law_agrees_with_a_search_over_its_likelihood():
    times = power_law_times(random.Random(5), 80, 1.4, 365.0)
    found = half_life(times, 365.0)

    def height(exponent: float) -> float:
        power = 1 - exponent
        area = (366.0**power - 1) / power
        return -exponent * sum(math.log(time + 1) for time in times) - len(times) * math.log(area)

    best = max((0.0005 + step / 1000 for step in range(4000)), key=height)
    assert found.exponent == pytest.approx(best, abs=1e-3)
    assert found.aic_power_law == pytest.approx(2 - 2 * height(best), abs=1e-3)


def test_aic_tells_an_exponential_from_a_power_law():
    draw = random.Random(7)
    assert half_life(power_law_times(draw, 200, 1.4, 365.0), 365.0).better == "power_law"
    assert half_life(exponential_times(draw, 200, 60.0, 365.0), 365.0).better == "exponential"


def test_the_law_with_smaller_aic_is_undecided_within_a_difference_of_2():
    found = half_life(around(20.0, 15.0), 60.0, parameters=Parameters(power_law_offset_d=1000.0))
    assert abs(found.aic - found.aic_power_law) < 2
    assert found.better == "undecided"


def test_a_power_law_does_not_rise():
    found = half_life(around(29.0, 1.0), 60.0)
    assert found.value is not None
    assert found.exponent >= 0


def test_evenly_spaced_times_show_no_decay_and_leave_the_upper_end_open():
    even = half_life([day + 0.5 for day in range(60)], 60.0)
    assert (even.value, even.reason, even.high) == (None, "NO_DECAY", math.inf)
    # The limit is at 3.84: 2 n log-likelihood of u = lA near 0 is -n u^2 / 12, so u = sqrt(12 * 3.8415 / 60) =
    # 0.877 (0.88 with the next term), and the half-life is at least 60 * 0.6931 / 0.88 = 47.4.
    assert even.low == pytest.approx(47.4, abs=0.5)


def test_slow_decay_has_a_value_and_no_upper_end():
    found = half_life(around(28.0), 60.0)
    assert found.value is not None
    assert found.high == math.inf


def test_rising_times_exclude_any_decay():
    found = half_life([59.0] * 50, 60.0)
    assert (found.value, found.low, found.high, found.reason) == (None, None, None, "NO_DECAY")


@pytest.mark.parametrize(
    ("times", "age", "n", "reason"),
    [
        (None, 100.0, 0, "NO_DATA"),
        ([], 100.0, 0, "NO_DATA"),
        ([1.0] * 29, 100.0, 29, "TOO_FEW"),
        ([0.0] * 40, 100.0, 40, "ALL_AT_START"),
        ([5e-324] * 40, 100.0, 40, "ALL_AT_START"),
        ([100.0] * 40, 100.0, 40, "NO_DECAY"),
        ([1.0] * 40, None, 0, "AGE_INVALID"),
        ([1.0] * 40, 0.0, 0, "AGE_INVALID"),
        ([1.0] * 40, math.nan, 0, "AGE_INVALID"),
        ([1.0] * 40, 10**400, 0, "AGE_INVALID"),
        ([1.0] * 40 + [-1.0] * 41, 100.0, 40, "MOSTLY_OUTSIDE"),
        ([math.nan] * 40, 100.0, 0, "MOSTLY_OUTSIDE"),
    ],
)
def test_reasons_of_a_missing_half_life(times, age, n, reason):
    found = half_life(times, age)
    assert (found.n, found.value, found.reason) == (n, None, reason)


def test_times_outside_are_left_out_and_counted():
    inside = around(26.5617025)
    found = half_life([*inside, -3.0, 61.0, math.nan, math.inf, None], 60.0)
    assert (found.n, found.left_out) == (40, 5)
    assert found.value == half_life(inside, 60.0).value


def test_from_the_first_comment_the_first_is_no_evidence():
    # The result is as if the others were counted from a release on the day of the first comment.
    others = around(26.5617025)
    found = half_life([0.0, *others], 60.0, True)
    assert (found.n, found.from_first) == (40, True)
    assert found.value == pytest.approx(60.0, rel=1e-6)
    # Counted from any other day, it is the same.
    assert half_life([5.0, *(time + 5 for time in others)], 65.0, True).value == pytest.approx(60.0, rel=1e-6)


def test_from_a_first_comment_as_old_as_the_last_look_there_is_no_age():
    found = half_life([1.0] * 41, 1.0, True)
    assert (found.n, found.reason) == (40, "AGE_INVALID")


def test_times_of_a_thousandth_of_the_age_do_not_overflow():
    found = half_life([1e-3] * 20 + [3e-3] * 20, 100_000.0)
    assert found.value == pytest.approx(2e-3 * math.log(2), rel=1e-9)


@pytest.mark.parametrize("u", [-800.0, -3.0, -0.051, -0.049, -1e-9, 0.0, 1e-9, 0.049, 0.051, 3.0, 800.0, 1e12])
def test_the_mean_of_the_truncated_exponential_is_inverted(u):
    at = _truncated.mean(u)
    assert _truncated.fit(at) == pytest.approx(u, rel=1e-6, abs=1e-12)
    # The slope of the log density in u is 0 at its maximum.
    if 0.01 < abs(u) < 100:
        step = abs(u) * 1e-4
        sides = [_truncated.log_density(u + way * step, at) - _truncated.log_density(u, at) for way in (-1, 1)]
        assert max(sides) <= 1e-15


@pytest.mark.parametrize("u", [0.0499999, 0.05])
def test_series_and_closed_form_meet(u):
    assert _truncated.mean(u) == pytest.approx(1 / u - 1 / math.expm1(u), abs=1e-13)
    assert _truncated.log_density(u, 0.0) == pytest.approx(math.log(u / -math.expm1(-u)), abs=1e-14)
