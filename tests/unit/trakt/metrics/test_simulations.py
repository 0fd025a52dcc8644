"""On simulated titles, estimates are near the truth and intervals cover it as often as they say."""

from __future__ import annotations

import math
import random
import statistics

import pytest

from jobs.trakt.metrics.half_life import half_life
from jobs.trakt.metrics.hold_up import hold_up
from jobs.trakt.metrics.horizon import horizon
from jobs.trakt.metrics.intensity import intensity
from jobs.trakt.metrics.peers import peers
from jobs.trakt.metrics.quadrant import quadrant
from jobs.trakt.metrics.retention import retention
from tests.trakt_titles import Group, exponential_times, rating

HALF_LIFE = 60.0
SIDES = {"phenomenon": (True, True), "broad_hit": (True, False), "cult": (False, True), "quiet": (False, False)}


@pytest.mark.parametrize(("n", "titles"), [(40, 700), (200, 250)])
@pytest.mark.parametrize("ages", [1.0, 1.5, 2.0, 3.0, 5.0, 10.0])
def test_median_half_life_is_near_the_truth_at_any_age(n, titles, ages):
    """A title without a value counts as one whose half-life is too long to be seen, as its reason says.

    Leaving these out would keep only titles that happen to have early comments: see the second median.
    """
    draw = random.Random(round(n * ages))
    age = ages * HALF_LIFE
    found = [half_life(exponential_times(draw, n, HALF_LIFE, age), age) for _ in range(titles)]
    known = [each.value for each in found if each.value is not None]
    median = statistics.median(math.inf if each.value is None else each.value for each in found)
    covered = sum(each.low is not None and each.low <= HALF_LIFE <= each.high for each in found) / titles
    print(
        f"{n} comments at {ages:g} half-lives: median {median:.1f} of {HALF_LIFE:g} days, of those with a value "
        f"{statistics.median(known):.1f}; NULL {1 - len(known) / titles:.1%}; covered {covered:.1%}"
    )
    assert median == pytest.approx(HALF_LIFE, rel=0.1)
    assert covered >= 0.9
    assert {each.reason for each in found} <= {None, "NO_DECAY"}
    assert len(known) >= 0.85 * titles


def test_half_lives_from_the_first_comment_are_near_the_truth():
    draw = random.Random(11)
    found = []
    for _ in range(400):
        times = exponential_times(draw, 41, HALF_LIFE, 300.0)
        found.append(half_life([time - min(times) for time in times], 300.0 - min(times), True))
    covered = sum(each.low <= HALF_LIFE <= each.high for each in found) / len(found)
    assert statistics.median(each.value for each in found) == pytest.approx(HALF_LIFE, rel=0.1)
    assert covered >= 0.9


@pytest.mark.parametrize("titles", [12, 40, 200])
@pytest.mark.parametrize("habit", [None, 1.0], ids=["alike", "some comment more"])
def test_intervals_of_intensity_cover_the_truth(titles, habit):
    draw = random.Random(titles)
    covered = total = 0
    for _ in range(720 // titles):
        truth = Group.of(draw, titles)
        drawn = truth.draw(draw, habit=habit)
        group = peers(drawn.commenters, drawn.comments, drawn.squares)
        for people, comments, true in zip(drawn.commenters, drawn.comments, truth.intensities, strict=True):
            found = intensity(people, comments, group)
            covered += found.low <= true <= found.high
            total += 1
    print(f"{titles} peers: covered {covered / total:.1%} of {total}")
    assert covered / total >= 0.9


@pytest.mark.parametrize(("first", "last"), [(10, 10), (10, 30), (100, 100)])
@pytest.mark.parametrize("levels", [(7.5, 7.5), (9.2, 6.0), (9.7, 9.5)])
def test_intervals_of_hold_up_cover_the_truth(first, last, levels):
    draw = random.Random(first + last)
    means = [statistics.fmean(rating(draw, level) for _ in range(8000)) for level in levels]
    times = [1.0] * first + [399.0] * last
    covered = 0
    for _ in range(300):
        ratings = [rating(draw, levels[0]) for _ in range(first)] + [rating(draw, levels[1]) for _ in range(last)]
        found = hold_up(times, ratings, [False] * len(times), 400.0)
        covered += found.low <= means[1] - means[0] <= found.high
    print(f"{first} and {last} ratings at {levels}: covered {covered / 300:.1%}")
    assert covered / 300 >= 0.9


@pytest.mark.parametrize("n", [20, 40, 200])
@pytest.mark.parametrize("share", [0.03, 0.2, 0.5])
def test_intervals_of_retention_cover_the_truth(n, share):
    draw = random.Random(n)
    found = [retention([100.0 if draw.random() < share else 1.0 for _ in range(n)], 400.0) for _ in range(600)]
    covered = sum(each.low <= share <= each.high for each in found) / len(found)
    print(f"{n} comments, {share:.0%} late: covered {covered:.1%}")
    assert covered >= 0.9


@pytest.mark.parametrize("share", [0.5, 0.8])
def test_intervals_of_days_to_a_share_cover_the_truth(share):
    draw = random.Random(9)
    rate = math.log(2) / HALF_LIFE
    true = -math.log1p(share * math.expm1(-rate * 90)) / rate
    found = [horizon(exponential_times(draw, 40, HALF_LIFE, 90.0), 400.0, share, 90.0) for _ in range(400)]
    assert sum(each.low <= true <= each.high for each in found) / len(found) >= 0.9
    assert statistics.median(each.value for each in found) == pytest.approx(true, rel=0.1)


def test_quadrants_rarely_change_between_two_equal_draws():
    draw = random.Random(21)
    changed = both = labelled = wrong = raw_changed = total = 0
    for _ in range(4):
        truth = Group.of(draw, 200, shape=4.0)
        lines = statistics.median(truth.breadths), statistics.median(truth.intensities)
        placed, raw = [], []
        for _ in range(2):
            drawn = truth.draw(draw)
            group = peers(drawn.commenters, drawn.comments, drawn.squares)
            counts = list(zip(drawn.commenters, drawn.comments, strict=True))
            placed.append([quadrant(*each, group).value for each in counts])
            middle = statistics.median(drawn.commenters), statistics.median(total / people for people, total in counts)
            raw.append([(people >= middle[0], total / people >= middle[1]) for people, total in counts])
        raw_changed += sum(one != other for one, other in zip(*raw, strict=True))
        for one, other, breadth, true in zip(*placed, truth.breadths, truth.intensities, strict=True):
            total += 1
            if one in SIDES:
                labelled += 1
                wrong += SIDES[one] != (breadth > lines[0], true > lines[1])
                if other in SIDES:
                    both += 1
                    changed += one != other
    print(
        f"labels changed: {changed / both:.1%}, split at raw medians: {raw_changed / total:.1%}; "
        f"labelled {labelled / total:.0%}, of these wrong {wrong / labelled:.1%}"
    )
    assert raw_changed / total > 0.2
    assert changed / both < 0.06
    assert wrong / labelled < 0.1
    assert 0.4 < labelled / total < 0.7
