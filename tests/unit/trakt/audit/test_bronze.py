"""The audit of bronze: rows follow from page objects, each once, and pages are as the ledger states."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from jobs.trakt.audit.bronze import Expected, pages_without_rows, read_rows
from jobs.trakt.audit.model import MOST_NAMED, Check
from jobs.trakt.audit.pages import Ledgered, Loads, read_pages
from jobs.trakt.bronze.commit import commit_load
from jobs.trakt.bronze.erased_items import EMPTY
from jobs.trakt.bronze.pages import ErasedItem, PageRequest
from tests.trakt_answers import comment, encode
from tests.trakt_bronze import comments_page, one_page, plain_place

if TYPE_CHECKING:
    from pathlib import Path

    from tests.trakt_bronze import PlainPlace


@pytest.fixture
def place(tmp_path: Path) -> PlainPlace:
    """A table with an edit, an unchanged comment, likes that fall back, and a comment that is gone."""
    made = plain_place(tmp_path / "bucket")
    pages = {
        "a": [comments_page("a", [comment(id=1), comment(id=2), comment(id=3, likes=9)])],
        "b": [
            comments_page("b", [comment(id=1, comment="edited twice or more"), comment(id=3, likes=4)], minutes=5),
            comments_page("b", [comment(id=2)], page=2, minutes=6),
            one_page(PageRequest("b", "comment", comment_id=7), b"", status=404, minutes=7),
        ],
        "c": [comments_page("c", [comment(id=1), comment(id=3, likes=9)], minutes=9)],
    }
    for load, each in pages.items():
        for page in each:
            made.pages.put(page)
        commit_load(made, load)
    return made


def audit(place: PlainPlace, rows: Any = None, ledger: dict[str, Ledgered] | None = None) -> tuple[Check, Check]:
    of_pages, of_bronze = Check("pages"), Check("bronze")
    expected = Expected(rows or read_rows(place), of_bronze, exact=True)
    keys = {load: sorted(place.pages.keys(load)) for load in "abc"}
    loads = Loads(keys, dict.fromkeys(keys, 1), dict.fromkeys(keys, True), ledger or {})
    for _, contents in read_pages(place, loads, EMPTY, of_pages):
        expected.compare(contents)
    expected.finish()
    return of_pages, of_bronze


def test_rows_that_commits_wrote_follow_from_their_pages(place: PlainPlace):
    pages, bronze = audit(place)
    assert (pages.codes, bronze.codes) == (Counter(), Counter())
    # Three comments, two that changed, two that changed back; one that is gone; five pages.
    assert bronze.checked == 7 + 1 + 5


def test_a_row_that_is_missing_doubled_or_from_nowhere_is_found(place: PlainPlace):
    rows = read_rows(place)
    key = comments_page("a", []).key
    first, second, third = (row for row in list(rows.pages[key]) if row[0] == "comment")
    del rows.pages[key][first]
    rows.pages[key][second] += 1
    rows.pages[key]["comment", 9, 99, "f" * 64] += 1
    rows.pages["pages/z/comments/movie-1/oldest-250-0000001.json.gz"] = Counter([third, second])
    _, bronze = audit(place, rows)
    assert bronze.codes == {"ROW_MISSING": 1, "ROW_TWICE": 1, "ROW_EXTRA": 3}
    assert {each.place for each in bronze.findings} == {key, "pages/z/comments/movie-1/oldest-250-0000001.json.gz"}
    assert any("comment 99 at position 9" in each.message for each in bronze.findings)


def test_a_comment_that_was_stored_although_nothing_changed_is_found(place: PlainPlace):
    rows = read_rows(place)
    key = comments_page("b", [], page=2).key
    unchanged = next(row for row in rows.pages[comments_page("a", []).key] if row[2] == 2)
    rows.pages[key]["comment", 0, 2, unchanged[3]] += 1
    assert audit(place, rows)[1].codes == {"ROW_EXTRA": 1}


def test_pages_are_compared_with_the_ledger(place: PlainPlace):
    right = comments_page("a", []).key
    wrong, damaged, reread = (comments_page("b", [], page=number).key for number in (1, 2, 3))
    place.pages.put(comments_page("b", [comment(id=5)], page=3))
    place.store.put(damaged, b"\x1f\x8b")
    ledger = {
        right: Ledgered((1, 2, 3), 200),
        wrong: Ledgered((1, 4), 200),
        # Comment 4 was there only the first time that the page was read.
        reread: Ledgered((4, 5), 200),
        damaged: Ledgered((2,), 200),
    }
    pages, _ = audit(place, ledger=ledger)
    assert {(each.code, each.place) for each in pages.findings} == {("PAGE_DIFFERS", wrong), ("PAGE_DAMAGED", damaged)}
    differs = next(each for each in pages.findings if each.code == "PAGE_DIFFERS")
    assert differs.message == "it has 2 comments (1, 3); the ledger states 2 comments (1, 4)"


def test_a_good_page_of_a_committed_load_has_a_page_row_whatever_its_page_object_says(place: PlainPlace):
    key, other = comments_page("a", []).key, comments_page("b", [], page=2).key
    lost, waiting = comments_page("a", [], page=9).key, comments_page("z", []).key
    rows = read_rows(place)
    rows.pages[key] = Counter({row: 1 for row in rows.pages[key] if row[0] != "page"})
    ledger = {each: Ledgered(None, 200) for each in (key, other, lost, waiting)}
    loads = Loads({load: sorted(place.pages.keys(load)) for load in "abc"}, dict.fromkeys("abc", 1), {}, ledger)
    check = Check("bronze")
    reported = pages_without_rows(loads, rows, check)
    # The object of one of them is missing as well; the load of another is not in the table yet.
    assert (reported, check.codes) == ({key, lost}, {"PAGE_ROW_MISSING": 2})
    expected = Expected(rows, check, exact=True, reported=reported)
    for _, contents in read_pages(place, loads, EMPTY, Check("pages")):
        expected.compare(contents)
    assert check.codes == {"PAGE_ROW_MISSING": 2}, "it is reported once"


def test_a_page_of_a_feed_without_the_title_of_an_erased_item_follows_from_its_row(tmp_path: Path):
    made = plain_place(tmp_path / "bucket")
    about = {"type": "movie", "movie": {"title": "Harbour", "year": 2024, "ids": {"trakt": 7, "slug": "harbour"}}}
    request = PageRequest("a", "feed", sort="updates", page=1, limit=250)
    page = one_page(request, [{**about, "comment": comment(id=number)} for number in (1, 2)])
    made.pages.put(page)
    commit_load(made, "a")
    rows = read_rows(made)
    sha = next(row[3] for row in rows.pages[page.key] if row[2] == 1)
    body = encode([None, {**about, "comment": comment(id=2)}])
    made.pages.put(page.without(body, (ErasedItem(0, 1, (sha or "")[:16]),)))
    rows.pages[page.key] = Counter({row: 1 for row in rows.pages[page.key] if row[2] != 1})
    check = Check("bronze")
    expected = Expected(rows, check, exact=False)
    for _, contents in read_pages(made, Loads({"a": [page.key]}, {"a": 1}), EMPTY, Check("pages")):
        expected.compare(contents)
    assert check.codes == Counter()


def test_a_check_names_the_first_findings_and_counts_all():
    check = Check("pages")
    for number in range(MOST_NAMED + 5):
        check.add("PAGE_MISSING", str(number), "gone")
    check.add("LOAD_WAITING", "load 1", "not yet")
    assert (len(check.findings), check.wrong, check.stale) == (MOST_NAMED + 1, MOST_NAMED + 5, 1)
    with pytest.raises(KeyError):
        check.add("OTHER", "here", "unknown")
