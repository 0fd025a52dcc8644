"""Intensity is shrunk to the peers by a prior fitted to them; values by hand, and an independent fit."""

from __future__ import annotations

import math
import random
import statistics

import pytest

from jobs.trakt.metrics._special import gamma_cdf
from jobs.trakt.metrics.breadth import breadth
from jobs.trakt.metrics.intensity import intensity
from jobs.trakt.metrics.parameters import Parameters
from jobs.trakt.metrics.peers import Peers, peers
from tests.trakt_titles import Group


def group(alpha: float | None = 2.0, beta: float | None = 10.0, dispersion: float | None = None) -> Peers:
    return Peers(n=30, titles=30, alpha=alpha, beta=beta, dispersion=dispersion)


def test_the_posterior_mean_equals_the_one_computed_by_hand():
    # 10 people wrote 16 comments: 6 further ones. (2 + 6) / (10 + 10) = 0.4, between the peers' 0.2 and the raw 0.6.
    found = intensity(10, 16, group())
    assert (found.n, found.value, found.raw, found.is_shrunk, found.reason) == (16, 0.4, 0.6, True, None)


def test_dispersion_weakens_the_evidence():
    # Counts are divided by 2: (2 + 3) / (10 + 5) = 1/3.
    assert intensity(10, 16, group(dispersion=2.0)).value == pytest.approx(1 / 3)


def test_few_comments_are_shrunk_more_than_many():
    # Both have a raw intensity of 1; the peers' mean is 0.2.
    few, many = intensity(5, 10, group()).value, intensity(500, 1000, group()).value
    assert few == pytest.approx(7 / 15)
    assert many == pytest.approx(502 / 510)


def test_without_peers_nothing_is_shrunk():
    # Jeffreys' prior: (1/2 + 6) / 10.
    for found in (intensity(10, 16), intensity(10, 16, group(None, None))):
        assert (found.value, found.is_shrunk) == (0.65, False)


def test_credible_interval_has_its_probability():
    # The posterior is a gamma distribution of shape 8 and rate 20.
    found = intensity(10, 16, group())
    assert gamma_cdf(found.low * 20, 8.0) == pytest.approx(0.025)
    assert gamma_cdf(found.high * 20, 8.0) == pytest.approx(0.975)
    narrow = intensity(10, 16, group(), parameters=Parameters(probability=0.5))
    assert found.low < narrow.low < found.value < narrow.high < found.high


@pytest.mark.parametrize(
    ("commenters", "comments", "of", "reason"),
    [
        (0, 0, group(), "NO_DATA"),
        (0, 3, group(), "COUNTS_INVALID"),
        (5, 4, group(), "COUNTS_INVALID"),
        (-1, 4, group(), "COUNTS_INVALID"),
        (1.5, 4, group(), "COUNTS_INVALID"),
        (None, 4, group(), "COUNTS_INVALID"),
        (5, math.nan, group(), "COUNTS_INVALID"),
        (5, 10**400, group(), "COUNTS_INVALID"),
        (5, 8, group(0.0), "PEERS_INVALID"),
        (5, 8, group(beta=math.inf), "PEERS_INVALID"),
        (5, 8, group(beta=None), "PEERS_INVALID"),
        (5, 8, group(dispersion=0.5), "PEERS_INVALID"),
    ],
)
def test_reasons_of_a_missing_intensity(commenters, comments, of, reason):
    found = intensity(commenters, comments, of)
    assert (found.value, found.reason) == (None, reason)


def marginal(drawn, alpha: float, mean: float) -> float:
    """Negative binomial log-likelihood from its definition, times the coefficient of variation."""
    beta = alpha / mean
    total = -0.5 * math.log(alpha)
    for people, comments in zip(drawn.commenters, drawn.comments, strict=True):
        x = comments - people
        total += math.lgamma(alpha + x) - math.lgamma(alpha) - math.lgamma(x + 1)
        total += alpha * math.log(beta / (beta + people)) + x * math.log(people / (beta + people))
    return total


def test_prior_agrees_with_a_search_over_the_likelihood():
    draw = random.Random(1)
    drawn = Group.of(draw, 40).draw(draw)
    found = peers(drawn.commenters, drawn.comments)
    grid = [(0.5 * 1.03**i, 0.15 * 1.01**j) for i in range(120) for j in range(170)]
    alpha, mean = max(grid, key=lambda at: marginal(drawn, *at))
    assert found.alpha == pytest.approx(alpha, rel=0.03)
    assert found.alpha / found.beta == pytest.approx(mean, rel=0.015)
    assert marginal(drawn, found.alpha, found.alpha / found.beta) >= marginal(drawn, alpha, mean)


def test_prior_recovers_what_the_titles_were_drawn_from():
    draw = random.Random(2)
    drawn = Group.of(draw, 600, mean=0.4, shape=3.0).draw(draw)
    found = peers(drawn.commenters, drawn.comments, drawn.squares)
    assert found.alpha == pytest.approx(3.0, rel=0.2)
    assert found.alpha / found.beta == pytest.approx(0.4, rel=0.1)
    assert found.dispersion == pytest.approx(1.0, abs=0.05)


def test_dispersion_is_that_of_people_who_comment_more_than_others():
    # Gamma-Poisson counts of mean m and habit k have variance m + m^2 / k: variance / mean is 1 + m / k, 2 for m = 1.
    draw = random.Random(3)
    drawn = Group([200.0] * 60, [1.0] * 60).draw(draw, habit=1.0)
    assert peers(drawn.commenters, drawn.comments, drawn.squares).dispersion == pytest.approx(2.0, rel=0.05)
    assert peers(drawn.commenters, drawn.comments).dispersion == 1.0


def test_dispersion_by_hand():
    # Two people with 0 and 4 further comments: mean 2, squares about it 16 - 16 / 2 = 8, one degree of freedom times
    # the mean = 2: 8 / 2 = 4.
    found = peers([2] * 12, [6] * 12, [16.0] * 12, parameters=Parameters(n_min=1))
    assert found.dispersion == 4.0


@pytest.mark.parametrize("squares", [[math.nan] * 12, [3.0] * 12, [], None, [-1.0] * 12])
def test_impossible_squares_are_ignored(squares):
    # The least sum of squares of 4 further comments of 2 people is 8.
    assert peers([2] * 12, [6] * 12, squares, parameters=Parameters(n_min=1)).dispersion == 1.0


def test_medians_are_of_titles_with_enough_comments():
    found = peers([20, 40, 60, *[1] * 50], [30, 60, 90, *[1] * 50], parameters=Parameters(peers_min=3))
    assert (found.n, found.titles, found.median_breadth) == (3, 53, 40.0)


@pytest.mark.parametrize(
    ("commenters", "comments"), [(None, None), ([], []), ([30] * 9, [40] * 9), ([5] * 50, [6] * 50), ([None], [3])]
)
def test_too_few_peers_have_no_prior(commenters, comments):
    found = peers(commenters, comments)
    assert (found.alpha, found.beta, found.median_breadth, found.reason) == (None, None, None, "TOO_FEW_PEERS")


def test_titles_with_invalid_counts_are_not_peers():
    valid = peers([30, 40, 50] * 10, [50, 44, 90] * 10)
    mixed = peers([30, 40, 50] * 10 + [3, -1, None, 0], [50, 44, 90] * 10 + [2, 4, 4, 0])
    assert mixed == valid


def test_a_group_without_any_further_comment_has_a_prior():
    found = peers([30] * 20, [30] * 20)
    assert found.reason is None
    assert 0 < found.alpha / found.beta == pytest.approx(0.5 / 600)


def test_equal_titles_still_have_a_variation_between_them():
    # The penalty keeps a variation between them, so that the interval of a further one is not a point.
    found = peers([50] * 20, [60] * 20)
    estimate = intensity(50, 60, found)
    assert estimate.low < 0.19
    assert estimate.high > 0.21


def test_breadth_is_exact_and_its_interval_is_of_the_expectation():
    # Jeffreys' interval of a Poisson mean at 10: from quantiles of chi-square with 21 degrees of freedom,
    # 10.28290 / 2 and 35.47888 / 2.
    found = breadth(10)
    assert (found.n, found.value) == (10, 10.0)
    assert (found.low, found.high) == pytest.approx((5.14145, 17.73944), abs=1e-5)


@pytest.mark.parametrize(("commenters", "reason"), [(None, "COUNTS_INVALID"), (-1, "COUNTS_INVALID"), (0, None)])
def test_breadth_of_no_commenters_is_a_value_but_invalid_counts_have_none(commenters, reason):
    assert breadth(commenters).reason == reason


def test_shrinking_halves_the_error_of_titles_with_few_comments():
    draw = random.Random(4)
    truth = Group([25.0] * 400, [draw.gammavariate(4.0, 0.1) for _ in range(400)])
    drawn = truth.draw(draw)
    found = peers(drawn.commenters, drawn.comments)
    estimates = [intensity(*counts, found) for counts in zip(drawn.commenters, drawn.comments, strict=True)]
    shrunk = statistics.mean((e.value - x) ** 2 for e, x in zip(estimates, truth.intensities, strict=True))
    raw = statistics.mean((e.raw - x) ** 2 for e, x in zip(estimates, truth.intensities, strict=True))
    print(f"mean squared error: {shrunk:.4f} shrunk, {raw:.4f} raw")
    assert shrunk < 0.75 * raw
