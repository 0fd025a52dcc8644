"""Hold-up, retention and days to a share: values computed by hand, and reasons."""

from __future__ import annotations

import math

import pytest

from jobs.trakt.metrics.hold_up import hold_up
from jobs.trakt.metrics.horizon import horizon
from jobs.trakt.metrics.parameters import Parameters
from jobs.trakt.metrics.retention import retention, wilson

FIRST, LAST = [8, 9] * 5, [6, 7] * 5


def held(first: list, last: list, age: object = 400.0, *, marks: list | None = None):
    times = [1.0] * len(first) + [399.0] * len(last)
    return hold_up(times, [*first, *last], marks or [False] * len(times), age)


def test_hold_up_by_hand():
    # Means 8.5 and 6.5; both variances are 10 * 0.25 / 9 = 0.27778, so the standard error is sqrt(0.055556) = 0.235702;
    # Welch's degrees of freedom are 18, t = 2.100922: 2.100922 * 0.235702 = 0.495192.
    found = held(FIRST, LAST)
    assert (found.n, found.n_first, found.n_last, found.value) == (20, 10, 10, -2.0)
    assert (found.low, found.high) == pytest.approx((-2.495192, -1.504808), abs=1e-6)
    assert (found.backfilled, found.is_backfilled, found.reason) == (0, False, None)


def test_hold_up_by_hand_with_unequal_sides():
    # First: 10 ratings 5, 10 ratings 9: mean 7, variance 20 * 4 / 19 = 4.210526, / 20 = 0.2105263.
    # Last: FIRST: 8.5, 0.27778 / 10 = 0.0277778. Sum 0.2383041, root 0.488164.
    # df = 0.2383041^2 / (0.2105263^2 / 19 + 0.0277778^2 / 9) = 0.0567888 / 0.00241847 = 23.4813.
    # t is between those of 23 and 24, 2.068658 and 2.063899: 2.0663 * 0.488164 = 1.00869.
    found = held([5, 9] * 10, FIRST)
    assert found.value == 1.5
    assert found.high - 1.5 == pytest.approx(1.00869, abs=5e-4)


def test_equal_ratings_still_have_an_interval():
    # A rating is rounded: variance 1/12 on each side, so the error is sqrt(2 / 120) = 0.129099, times 2.100922.
    found = held([8] * 10, [8] * 10)
    assert found.value == 0
    assert found.high == pytest.approx(0.271227, abs=1e-5)


@pytest.mark.parametrize(
    ("first", "last", "age", "reason"),
    [
        (FIRST[:9], LAST, 400.0, "TOO_FEW_FIRST"),
        (FIRST, LAST[:9], 400.0, "TOO_FEW_LAST"),
        (FIRST, [*LAST[:9], None], 400.0, "TOO_FEW_LAST"),
        (FIRST, [*LAST[:9], 11], 400.0, "TOO_FEW_LAST"),
        (FIRST, [*LAST[:9], 0], 400.0, "TOO_FEW_LAST"),
        (FIRST, [*LAST[:9], math.nan], 400.0, "TOO_FEW_LAST"),
        ([], [], 400.0, "NO_DATA"),
        (FIRST, LAST, 359.9, "WINDOWS_OVERLAP"),
        (FIRST, LAST, None, "AGE_INVALID"),
        (FIRST, LAST, -1, "AGE_INVALID"),
    ],
)
def test_reasons_of_a_missing_hold_up(first, last, age, reason):
    found = held(first, last, age)
    assert (found.value, found.low, found.reason) == (None, None, reason)


def test_ratings_between_the_windows_count_on_neither_side():
    times = [0.0] * 10 + [180.0, 200.0, 220.0] + [220.1] * 10 + [401.0]
    found = hold_up(times, [8] * 10 + [1] * 3 + [6] * 10 + [1], [False] * 24, 400.0)
    assert (found.n_first, found.n_last, found.value) == (10, 10, -2.0)


def test_a_window_of_exactly_half_the_age_counts_nothing_twice():
    found = hold_up([0.0] * 10 + [180.0] * 5 + [360.0] * 10, [8] * 25, [False] * 25, 360.0)
    assert (found.n_first, found.n_last) == (10, 10)


def test_ratings_first_seen_by_a_backfill_are_marked():
    assert held(FIRST, LAST, marks=[True, False] * 10).backfilled == 10
    assert held(FIRST, LAST, marks=[False] * 19 + [None]).is_backfilled
    # Without marks, it is not known when the ratings were seen.
    assert hold_up([1.0] * 10 + [399.0] * 10, FIRST + LAST, None, 400.0).backfilled == 20


def test_retention_by_hand():
    # 10 of 40 are late. z = 1.959964, z^2 = 3.841459: centre 0.25 + 3.841459 / 80 = 0.298018; half width
    # 1.959964 * sqrt(0.1875 / 40 + 3.841459 / 6400) = 0.142522; both / (1 + 3.841459 / 40) = 1.0960365.
    found = retention([0.0] * 20 + [89.999] * 10 + [90.0] * 5 + [179.999] * 5 + [180.0, 500.0, -1.0], 400.0)
    assert (found.n, found.value) == (40, 0.25)
    assert (found.low, found.high) == pytest.approx((0.141871, 0.401940), abs=1e-6)


@pytest.mark.parametrize(
    ("times", "age", "reason"),
    [
        ([1.0] * 40, 179.0, "TOO_YOUNG"),
        ([1.0] * 19, 400.0, "TOO_FEW"),
        ([200.0] * 40, 400.0, "NO_DATA"),
        (None, 400.0, "NO_DATA"),
        ([1.0] * 40, math.inf, "AGE_INVALID"),
    ],
)
def test_reasons_of_a_missing_retention(times, age, reason):
    assert (retention(times, age).value, retention(times, age).reason) == (None, reason)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [  # Newcombe 1998, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 1 - 0.1170, 1.0),
    ],
)
def test_wilson_intervals_are_the_published_ones(successes, n, low, high):
    assert wilson(successes, n, 0.95) == pytest.approx((low, high), abs=5e-5)


def test_days_to_a_share_by_hand():
    # 100 comments at days 0.5 to 99.5; the horizon of 90 days has 90: the 45th is at 44.5, the 72nd at 71.5.
    # Ranks of the interval at 0.5: 45 -+ 1.96 * sqrt(22.5) = 35.7 and 54.3: the 35th and, one further, the 56th.
    times = [day + 0.5 for day in range(100)]
    half = horizon(times, 400.0, 0.5, 90.0)
    assert (half.n, half.value, half.low, half.high) == (90, 44.5, 34.5, 55.5)
    assert horizon(times, 400.0, 0.8, 90.0).value == 71.5


def test_comments_after_the_horizon_do_not_move_it():
    times = [day * 2.0 for day in range(45)]
    assert horizon(times, 365.0, 0.5, 90.0) == horizon([*times, *[300.0] * 500], 3650.0, 0.5, 90.0)


def test_an_interval_beyond_the_last_comment_ends_at_the_horizon():
    found = horizon([float(day) for day in range(20)], 400.0, 0.95, 90.0)
    assert found.high == 90.0
    assert horizon([float(day) + 1 for day in range(20)], 400.0, 0.05, 90.0).low == 0.0


@pytest.mark.parametrize(
    ("age", "share", "days", "reason"),
    [
        (89.0, 0.5, 90.0, "TOO_YOUNG"),
        (None, 0.5, 90.0, "AGE_INVALID"),
        (400.0, 0.0, 90.0, "SHARE_INVALID"),
        (400.0, None, 90.0, "SHARE_INVALID"),
        (400.0, 0.5, None, "SHARE_INVALID"),
        (400.0, 0.5, 5.0, "TOO_FEW"),
        (400.0, 0.5, 0.5, "NO_DATA"),
    ],
)
def test_reasons_of_missing_days_to_a_share(age, share, days, reason):
    found = horizon([day + 1.0 for day in range(100)], age, share, days)
    assert (found.value, found.reason) == (None, reason)


def test_windows_are_parameters():
    found = retention([1.0] * 10 + [10.0] * 10, 20.0, parameters=Parameters(retention_d=7.0))
    assert found.value == 0.5
