"""A metric returns an ordered interval or a reason, and never raises, for any data."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.trakt.metrics.functions import functions
from jobs.trakt.metrics.half_life import half_life
from jobs.trakt.metrics.horizon import horizon
from jobs.trakt.metrics.peers import Peers, peers
from jobs.trakt.metrics.quadrant import QUADRANTS
from jobs.trakt.metrics.reasons import REASONS
from jobs.trakt.metrics.retention import retention

FLOATS = st.one_of(
    st.none(), st.floats(), st.integers(), st.floats(0, 400), st.sampled_from([0.0, -0.0, 5e-324, 1e308, 10**400])
)
TIMES = st.one_of(
    st.none(),
    st.lists(FLOATS, max_size=60),
    st.lists(st.floats(0, 1000), min_size=30, max_size=60),
    st.builds(lambda value, n: [value] * n, FLOATS, st.integers(30, 40)),
)
COUNTS = st.one_of(st.none(), st.integers(-5, 500), st.integers(), st.floats())
FLAGS = st.one_of(st.none(), st.lists(st.one_of(st.none(), st.booleans()), max_size=60))
OF_TYPE = {
    "DOUBLE": FLOATS,
    "DOUBLE[]": TIMES,
    "BIGINT": COUNTS,
    "BIGINT[]": st.one_of(st.none(), st.lists(COUNTS, max_size=40), st.lists(st.integers(1, 90), min_size=20)),
    "BOOLEAN": st.one_of(st.none(), st.booleans()),
    "BOOLEAN[]": FLAGS,
}
CALLS = st.sampled_from([name for name, made in functions().items() if made.returns.startswith("STRUCT")]).flatmap(
    lambda name: st.tuples(st.just(name), *[OF_TYPE[kind] for kind in functions()[name].takes])
)


def check(found: dict[str, Any]) -> None:
    assert isinstance(found["n"], int)
    assert found["n"] >= 0
    assert found["reason"] is None or found["reason"] in REASONS
    assert not any(isinstance(each, float) and math.isnan(each) for each in found.values())
    if isinstance(found.get("value"), str):
        assert found["value"] in QUADRANTS
        assert (found["reason"] is None) == (found["value"] not in {"borderline", "insufficient"})
    elif "low" in found:
        assert (found["value"] is None) == (found["reason"] is not None)
        ends = [each for each in (found["low"], found["value"], found["high"]) if each is not None]
        assert ends == sorted(ends)
        assert found["value"] is None or len(ends) == 3
    else:
        assert (found["alpha"] is None) == (found["reason"] is not None)


@settings(max_examples=150)
@given(CALLS)
def test_any_arguments_have_an_answer(call):
    name, *given_values = call
    check(functions()[name].call(*given_values))


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(1, 300), st.integers(0, 300)), min_size=10, max_size=40))
def test_any_peer_group_places_each_of_its_titles(titles):
    made = functions()
    commenters, comments = [people for people, _ in titles], [people + further for people, further in titles]
    group = made["trakt_peers"].call(commenters, comments, None)
    check(group)
    sides = []
    for people, total in zip(commenters, comments, strict=True):
        prior = (group["alpha"], group["beta"], group["dispersion"])
        check(made["trakt_intensity"].call(people, total, *prior))
        medians = (group["median_breadth"], group["median_intensity"], group["n"])
        placed = made["trakt_quadrant"].call(people, total, *prior, *medians)
        check(placed)
        sides.append(placed["p_intensity"])
    # The median of medians has half of the peers on each side.
    known = [side for side in sides if side is not None]
    assert sum(side > 0.5 + 1e-9 for side in known) <= group["n"] / 2
    assert sum(side < 0.5 - 1e-9 for side in known) <= group["n"] / 2


EVENTS = st.lists(st.floats(0, 100), min_size=30, max_size=80)


@given(EVENTS, st.floats(0.01, 500), st.randoms())
def test_a_half_life_scales_with_its_unit_and_ignores_order(times, factor, draw):
    one, scaled = half_life(times, 100.0), half_life([time * factor for time in times], 100.0 * factor)
    # Times at the very end may round to after the scaled age.
    if scaled.left_out:
        return
    shuffled = draw.sample(times, len(times))
    assert half_life(shuffled, 100.0) == one
    assert (one.reason, one.n) == (scaled.reason, scaled.n)
    if one.value is not None and one.value < 1e4:
        assert math.isclose(scaled.value, one.value * factor, rel_tol=1e-6)
        assert math.isclose(scaled.low, one.low * factor, rel_tol=1e-6)


@given(EVENTS)
def test_a_later_comment_never_shortens_a_half_life(times):
    def length(given_times: list[float]) -> float:
        found = half_life(given_times, 100.0)
        return math.inf if found.reason == "NO_DECAY" else found.value or 0.0

    later = [*sorted(times)[1:], 100.0]
    assert length(later) >= length(times) * (1 - 1e-9)


@given(EVENTS)
def test_days_to_a_larger_share_are_no_fewer(times):
    values = [horizon(times, 400.0, share, 100.0).value for share in (0.1, 0.5, 0.8, 0.95)]
    assert values == sorted(values)


@given(st.lists(st.floats(0, 179.9), min_size=20, max_size=80))
def test_retention_of_the_quarters_swapped_is_its_complement(times):
    swapped = [time + 90 if time < 90 else time - 90 for time in times]
    one, other = retention(times, 400.0), retention(swapped, 400.0)
    # Adding 90 to a time just below it may round up to 180.
    if other.n == one.n:
        assert math.isclose(one.value, 1 - other.value, abs_tol=1e-12)
        assert math.isclose(one.low, 1 - other.high, abs_tol=1e-9)


@given(st.integers(0, 2**53), st.integers(0, 2**53), st.floats(1e-9, 1e15), st.floats(1e-9, 1e15), st.floats(1, 1e15))
@settings(max_examples=200)
def test_a_million_billion_comments_overflow_nothing(people, further, alpha, beta, dispersion):
    made = functions()
    check(made["trakt_breadth"].call(people))
    check(made["trakt_intensity"].call(people, min(people + further, 2**53), alpha, beta, dispersion))
    check(asdict(peers([people] * 12, [min(people + further, 2**53)] * 12)))
    group = Peers(n=30, titles=30, alpha=alpha, beta=beta, dispersion=dispersion, median_breadth=alpha)
    assert group.reason is None
