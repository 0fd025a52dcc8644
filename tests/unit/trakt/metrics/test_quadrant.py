"""A title has a quadrant only if it is probably on that side of both medians."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from jobs.trakt.metrics._special import gamma_cdf
from jobs.trakt.metrics.parameters import Parameters
from jobs.trakt.metrics.peers import Peers, peers
from jobs.trakt.metrics.quadrant import QUADRANTS, quadrant

# The prior says 0.3 +- 0.15; the medians are 50 people and 0.25 further comments each.
PEERS = Peers(n=30, titles=40, alpha=4.0, beta=13.3, dispersion=1.0, median_breadth=50.0, median_intensity=0.25)


@pytest.mark.parametrize(
    ("commenters", "comments", "value"),
    [
        (200, 300, "phenomenon"),
        (200, 210, "broad_hit"),
        (20, 40, "cult"),
        (30, 31, "quiet"),
        (200, 251, "borderline"),  # 0.26 is too near to 0.25
        (52, 104, "borderline"),  # 52 is too near to 50
        (10, 19, "insufficient"),
    ],
)
def test_quadrants_of_hand_made_titles(commenters, comments, value):
    found = quadrant(commenters, comments, PEERS)
    assert (found.value, found.n, found.peers) == (value, comments, 30)
    assert (found.reason is None) == (value not in {"borderline", "insufficient"})


def test_probabilities_and_distances_by_hand():
    # Breadth: a gamma distribution of shape 60.5 above 50. Intensity: shape 4 + 12, rate 13.3 + 60 above 0.25.
    found = quadrant(60, 72, PEERS)
    assert found.p_breadth == pytest.approx(1 - gamma_cdf(50.0, 60.5))
    assert found.p_intensity == pytest.approx(1 - gamma_cdf(0.25 * 73.3, 16.0))
    assert (found.breadth_ratio, found.intensity_ratio) == pytest.approx((60 / 50, 16 / 73.3 / 0.25))


def test_a_label_needs_the_probability_on_each_axis():
    found = quadrant(60, 66, PEERS)
    surest = max(found.p_breadth, 1 - found.p_breadth), max(found.p_intensity, 1 - found.p_intensity)
    assert quadrant(60, 66, PEERS, parameters=Parameters(side_probability=min(surest) - 0.001)).value == "broad_hit"
    assert quadrant(60, 66, PEERS, parameters=Parameters(side_probability=min(surest) + 0.001)).value == "borderline"


@pytest.mark.parametrize("commenters", [20, 1000, 10**12])
@pytest.mark.parametrize("further", [0, 1, 7])
def test_titles_that_are_all_equal_are_all_borderline(commenters, further):
    found = peers([commenters] * 25, [commenters + further] * 25)
    verdict = quadrant(commenters, commenters + further, found)
    assert (verdict.value, verdict.reason) == ("borderline", "NEAR_MEDIAN")
    assert verdict.p_intensity == pytest.approx(0.5, abs=0.01)
    assert verdict.p_breadth == pytest.approx(0.5, abs=0.07)


def test_no_more_than_half_of_the_titles_are_on_one_side_although_most_have_no_further_comment():
    commenters = [20 + 3 * place for place in range(60)]
    comments = [people + (place % 6 == 0) * 5 for place, people in enumerate(commenters)]
    found = peers(commenters, comments)
    verdicts = [quadrant(*counts, found) for counts in zip(commenters, comments, strict=True)]
    for side in ("p_breadth", "p_intensity"):
        assert sum(getattr(verdict, side) >= 0.8 for verdict in verdicts) <= 30
        assert sum(getattr(verdict, side) <= 0.2 for verdict in verdicts) <= 30


@pytest.mark.parametrize(
    ("commenters", "comments", "group", "reason"),
    [
        (None, 40, PEERS, "COUNTS_INVALID"),
        (40, 30, PEERS, "COUNTS_INVALID"),
        (0, 40, PEERS, "TOO_FEW"),
        (15, 19, PEERS, "TOO_FEW"),
        (40, 60, replace(PEERS, n=9), "TOO_FEW_PEERS"),
        (40, 60, replace(PEERS, alpha=None), "PEERS_INVALID"),
        (40, 60, replace(PEERS, median_breadth=math.nan), "PEERS_INVALID"),
        (40, 60, replace(PEERS, median_intensity=0.0), "PEERS_INVALID"),
        (40, 60, replace(PEERS, median_breadth=None), "PEERS_INVALID"),
    ],
)
def test_reasons_of_insufficient_evidence(commenters, comments, group, reason):
    found = quadrant(commenters, comments, group)
    assert (found.value, found.reason) == ("insufficient", reason)


def test_every_quadrant_has_a_meaning():
    values = {quadrant(people, total, PEERS).value for people in range(15, 200, 5) for total in range(people, 300, 5)}
    assert values == set(QUADRANTS)
