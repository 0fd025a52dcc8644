"""The plan of a run."""

from __future__ import annotations

from jobs.trakt.ingest.plan import Work, estimate, works
from jobs.trakt.ingest.titles import Title
from jobs.trakt.model import TitleRef

REFS = [TitleRef("movie", number) for number in range(5)]


def title(
    number: int, *, due: bool = False, fresh: bool = False, pages: int | None = 1, state: str = "tracked"
) -> Title:
    return Title(REFS[number], state, due, fresh, 600, pages)


def test_a_due_title_is_swept_and_a_named_one_is_rated():
    found = works([title(0, due=True), title(1), title(2)], due=(), rated={REFS[1]})
    assert found == [Work(REFS[0], True, True, True), Work(REFS[1], False, True, False)]


def test_a_title_that_was_just_resolved_is_not_asked_for_again():
    assert works([title(0, due=True, fresh=True)], due=()) == [Work(REFS[0], True, True, False)]


def test_a_gone_title_is_not_rated_until_its_sweep_is_due():
    gone = title(0, state="gone")
    assert works([gone], due=(), rated={REFS[0]}, all_ratings=True) == []


def test_the_largest_titles_come_first():
    found = works([title(0, due=True), title(1, due=True, pages=9), title(2)], due={REFS[2]}, all_ratings=True)
    assert [each.ref for each in found] == [REFS[1], REFS[0], REFS[2]]


def test_requests_are_estimated_from_the_last_sweep_or_from_the_stated_comments():
    titles = [title(0, due=True, pages=4), title(1, due=True, pages=None, fresh=True), title(2)]
    # 4 pages and two documents; 3 pages for 600 comments and ratings; ratings.
    assert estimate(titles, works(titles, due=(), rated={REFS[2]})) == 6 + 4 + 1
