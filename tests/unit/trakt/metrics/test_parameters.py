"""Parameters have reasons, refuse nonsense, and are printed next to the figures of their metric."""

from __future__ import annotations

import math
from dataclasses import fields

import pytest

from jobs.trakt.metrics.parameters import METRICS, Parameters


def test_every_parameter_has_a_reason_and_a_metric():
    described = Parameters().described()
    assert [name for name, _, _ in described] == [choice.name for choice in fields(Parameters)]
    assert all(len(reason) > 20 for _, _, reason in described)
    assert all(set(choice.metadata["metrics"]) <= set(METRICS) for choice in fields(Parameters))


def test_parameters_are_printed_next_to_a_figure():
    use = Parameters(n_min=25, replies=True, horizons_d=(30.0, 90.0))
    assert use.printed("horizon") == "probability 0.95, replies on, n_min 25, horizons_d 30/90, shares 0.5/0.8"
    assert use.printed("half_life") == "probability 0.95, replies on, half_life_n_min 30, power_law_offset_d 1"
    with pytest.raises(KeyError):
        use.printed("mood")


@pytest.mark.parametrize(
    ("age", "band"),
    [(0, "0-30"), (29.99, "0-30"), (30, "30-90"), (1094, "365-1095"), (1095, "1095-"), (1e9, "1095-")],
)
def test_age_bands_begin_at_their_edges(age, band):
    assert Parameters().age_band(age) == band


@pytest.mark.parametrize("age", [None, -1, math.nan, math.inf, 10**400])
def test_an_unknown_age_has_no_band(age):
    assert Parameters().age_band(age) is None


@pytest.mark.parametrize(
    "wrong",
    [
        *[{name: value} for name in ("n_min", "half_life_n_min", "peers_min") for value in (0, -3, 2.0, True, None)],
        *[{"ratings_n_min": value} for value in (1, 0)],
        *[{"probability": value} for value in (0, 1, -0.1, math.nan, None, "0.95")],
        *[{"side_probability": value} for value in (0.5, 1, math.nan)],
        *[{"retention_d": value} for value in (0, -1, math.inf, math.nan, None, 10**400)],
        *[{"hold_up_window_d": value} for value in (0, math.nan)],
        {"power_law_offset_d": 0.0},
        *[{"age_bands_d": value} for value in ((), (30.0, 30.0), (90.0, 30.0), (0.0, 30.0), [30.0], (math.nan,))],
        *[{"shares": value} for value in ((), (0.0,), (1.0,), (0.5, math.nan))],
        {"horizons_d": (math.inf,)},
        {"replies": 1},
    ],
    ids=str,
)
def test_invalid_parameters_are_refused_by_name(wrong):
    with pytest.raises(ValueError, match=f"^{next(iter(wrong))} is .*; expected "):
        Parameters(**wrong)
