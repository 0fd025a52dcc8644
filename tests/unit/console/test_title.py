"""A title's page: the fitted curve, and words for all codes of the pipeline."""

from __future__ import annotations

import pytest

from jobs.console.pages.trakt.title import fitted
from jobs.console.tables.trakt.meanings import QUADRANTS, REASONS, age_words, reason_words
from jobs.trakt.metrics.half_life import half_life
from jobs.trakt.metrics.parameters import Parameters
from jobs.trakt.metrics.quadrant import QUADRANTS as OF_TRAKT
from jobs.trakt.metrics.reasons import REASONS as REASONS_OF_TRAKT


def test_each_reason_and_quadrant_of_the_pipeline_has_words():
    assert set(REASONS) == set(REASONS_OF_TRAKT)
    assert list(QUADRANTS) == list(OF_TRAKT)
    assert all("{" not in reason_words(code, 20) for code in REASONS)
    assert reason_words("TOO_FEW", None) == "there are too few comments"
    assert reason_words("NEW_{CODE", 20) == "NEW_{CODE"


def test_each_age_band_of_the_pipeline_has_words():
    bands = [Parameters().age_band(days) for days in (1, 31, 91, 400, 4_000)]
    assert [age_words(band or "") for band in bands] == [
        "0 to 30 days old",
        "30 to 90 days old",
        "90 to 365 days old",
        "365 to 1095 days old",
        "1095 days or older",
    ]
    assert age_words("2 to 5 years") == "2 to 5 years"


def test_the_fitted_curve_starts_at_0_ends_at_1_and_halves_its_rate_each_half_life():
    assert fitted(0.0, 30.0, 400.0) == 0
    assert fitted(400.0, 30.0, 400.0) == pytest.approx(1)
    first = fitted(30.0, 30.0, 400.0)
    second = fitted(60.0, 30.0, 400.0) - first
    assert second / first == pytest.approx(0.5)


def test_the_fitted_curve_is_that_of_the_pipelines_estimate():
    # Comments at the quantiles of a half-life of 25 days that is cut off at 100 days.
    days = [day / 100 for day in range(10_000)]
    times, place = [], 0
    for index in range(200):
        while fitted(days[place], 25.0, 100.0) < (index + 0.5) / 200:
            place += 1
        times.append(days[place])
    found = half_life(times, 100.0)
    assert found.value == pytest.approx(25.0, rel=0.01)
