"""Floors under the matcher's precision and recall, over seeds that no rule was tuned on.

`python -m tests.benchmarks viewership:accuracy` scores more rows, alongside the original's buckets and plain RapidFuzz.
"""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jobs.viewership.matching import fuzzy
from jobs.viewership.matching.model import RULES, MatchRules
from tests.matching.baselines import constant, original, plain_rapidfuzz, title_only
from tests.matching.noise import KINDS, labelled
from tests.matching.ours import answers, matches
from tests.matching.score import Score, score
from tests.matching.world import world
from tests.postgres_server import database, postgres  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.matching.noise import Labelled
    from tests.matching.score import Answer
    from tests.matching.world import World
    from tests.postgres_server import Database

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

HELD_OUT = 1000
SERIES, ROWS = 80, 2500


def setting(seed: int) -> tuple[World, list[Labelled]]:
    made = world(seed, series=SERIES)
    return made, labelled(made, seed, ROWS)


def misses(found: Score) -> list[str]:
    """Return the floors that a score is below."""
    floors = {
        "exact buckets are right": found.exact_precision >= 0.999,
        "what is accepted is right": found.precision >= 0.998,
        "rows with one right answer get it": found.recall >= 0.95,
        "episodes that the catalogue lacks are left": found.share("lacking") <= 0.003,
        "placeholders are left": found.taken["placeholder"] == 0,
        "inactive series are left": found.taken["inactive"] == 0,
        "conflicts are left": found.taken["conflict"] == 0,
        "every kind is found": all(found.missed[kind] <= 0.8 * count for kind, count in found.kinds.items()),
    }
    return [name for name, held in floors.items() if not held]


def ours(database: Database, seed: int) -> Score:
    made, rows = setting(seed)
    return score(rows, answers(matches(database.settings(), made, rows)))


def test_our_matcher_is_above_the_floors(database: Database):
    found = Score()
    for seed in range(HELD_OUT, HELD_OUT + 4):
        made, rows = setting(seed)
        score(rows, answers(matches(database.settings(), made, rows)), found)
    assert misses(found) == [], (found.mistakes, found.missed)
    assert set(found.kinds) == set(KINDS), "every kind of noise has rows"
    assert found.groups["lacking"] > 500
    assert found.groups["placeholder"] > 300


@pytest.mark.parametrize("way", [original, plain_rapidfuzz, title_only, constant])
def test_other_matchers_are_below_the_floors(way: Callable[[World, Iterable[Labelled]], dict[int, Answer]]):
    made, rows = setting(HELD_OUT)
    assert misses(score(rows, way(made, rows)))
    assert misses(score(rows, {})), "a matcher that accepts nothing"


def test_a_matcher_without_similar_titles_misses_rows(database: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(RULES, "standard-1", MatchRules("strict", cut=101.0, truncated=1000))
    assert misses(ours(database, HELD_OUT)) == ["rows with one right answer get it", "every kind is found"]


def test_a_matcher_without_guards_takes_siblings(database: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(RULES, "standard-1", MatchRules("loose", cut=70.0, margin=3.0))
    monkeypatch.setattr(fuzzy, "aligned", lambda *words: True)
    assert "episodes that the catalogue lacks are left" in misses(ours(database, HELD_OUT))


def test_results_say_why(database: Database):
    made, rows = setting(HELD_OUT)
    result = matches(database.settings(), made, rows)
    assert [one.key for one in result.matches] == [row.key.key for row in rows]
    assert all(one.reasons for one in result.matches)
    assert result.rules == "standard-1"
    assert result.catalog_version == 1
    accepted = [one for one in result.matches if one.episode_id is not None]
    assert all(one.candidates[0].episode_id == one.episode_id and one.ref_id for one in accepted)
    assert all(0.8 < one.confidence < 1 for one in accepted)
