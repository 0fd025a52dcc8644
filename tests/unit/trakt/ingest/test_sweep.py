"""The planner of a sweep: no page is lost unseen, and a sweep is complete only if it is."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.trakt.ingest.sweep import Facts, Known, Sweep, Want
from tests.unit.trakt.ingest.listing_site import START, ListingSite, drive, facts

CASES = Path(__file__).parents[3] / "trakt_cases"


def case(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    found = json.loads((CASES / f"{name}.json").read_text(encoding="utf-8"))
    return found["input"], found["right"]


def headers(page: dict[str, str]) -> dict[str, int]:
    names = {"page": "Page", "limit": "Limit", "page_count": "Page-Count", "item_count": "Item-Count"}
    return {ours: int(page[f"X-Pagination-{name}"]) for ours, name in names.items() if f"X-Pagination-{name}" in page}


def read_all(sweep: Sweep, pages: dict[int, Facts]) -> int:
    """Answer each request with the page of its number; return the number of requests."""
    requests = 0
    while (want := sweep.next()) is not None:
        requests += 1
        sweep.landed(want, pages[want.page])
    return requests


def test_an_empty_page_in_the_middle_is_not_the_last():
    given_, right = case("empty-middle-page")
    sweep = Sweep(limit=10, sort="newest")
    pages = {at: facts(page["ids"], **headers(page["headers"])) for at, page in enumerate(given_["pages"], 1)}
    assert read_all(sweep, pages) == right["requests"]
    assert (len(sweep.ids), sweep.complete) == (right["rows"], right["complete"])


def test_a_clamped_limit_decides_the_next_pages():
    given_, right = case("limit-clamped")
    sweep = Sweep(limit=given_["request_limit"])
    stated = headers(given_["response"])
    asked = []
    while (want := sweep.next()) is not None:
        asked.append(want)
        first = (want.page - 1) * 250
        sweep.landed(want, facts(list(range(first, first + 250)), **{**stated, "page": want.page}))
    assert len(asked) == right["requests"]
    assert asked[1] == Want(2, 250)
    assert (len(sweep.ids), sweep.complete) == (1000, True)


def test_a_repeat_after_an_insert_is_counted_and_is_not_an_error():
    given_, right = case("newest-sort-insert")
    sweep = Sweep(limit=given_["limit"], sort=given_["sort"])
    pages = {
        at: facts(ids, page=at, limit=2, page_count=3, item_count=5 if at == 1 else 6)
        for at, ids in enumerate(given_["pages"], 1)
    }
    assert read_all(sweep, pages) == 3
    assert (len(sweep.ids), sweep.duplicates) == (right["distinct_rows"], right["duplicate_rows_counted"])
    assert sweep.complete


def test_expected_pages_are_the_largest_count_that_any_page_states():
    given_, right = case("page-count-grows")
    sweep = Sweep(limit=3, sort=given_["sort"])
    pages = {at: facts(page["ids"], **headers(page["headers"])) for at, page in enumerate(given_["pages"], 1)}
    assert read_all(sweep, pages) == right["requests"]
    assert (len(sweep.ids), sweep.expected, sweep.complete) == (
        right["rows"],
        right["expected_pages"],
        right["complete"],
    )


def test_a_page_without_headers_leaves_the_count_of_the_first():
    given_, right = case("page-headers-absent")
    sweep = Sweep(limit=10)
    pages, first = {}, 0
    for at, page in enumerate(given_["pages"], 1):
        pages[at] = facts(list(range(first, first + page["n"])), **headers(page["headers"]))
        first += page["n"]
    # The border between the two cannot be compared by counts: the first page is read again.
    assert read_all(sweep, pages) == 3
    assert (len(sweep.ids), sweep.complete) == (right["rows"], right["complete"])
    assert right["warning"] in sweep.notes


def test_a_listing_without_any_header_is_read_to_an_empty_page_and_is_not_complete():
    sweep = Sweep(limit=2)
    assert read_all(sweep, {1: facts([1, 2]), 2: facts([3]), 3: facts([])}) >= 3
    assert (sweep.ids, sweep.complete, sweep.reason) == ({1, 2, 3}, False, "PAGE_HEADERS_MISSING")


def test_without_headers_the_sweep_goes_as_far_as_the_last_one_saw_comments():
    sweep = Sweep(limit=2, hint=3)
    read_all(sweep, {1: facts([1, 2]), 2: facts([]), 3: facts([5]), 4: facts([])})
    assert sweep.ids == {1, 2, 5}


def test_an_item_count_that_contradicts_the_page_count_costs_a_request_and_loses_no_page():
    site = ListingSite(list(range(1, 7)), most=3, lies=["pages-low"])
    sweep = Sweep(limit=3)
    drive(site, sweep)
    assert (sweep.ids, sweep.complete, site.requests) == (site.visible(), True, 2)


def test_a_comment_that_a_deletion_moves_to_a_page_that_was_read_is_found():
    site = ListingSite(list(range(1, 10)), most=3)
    sweep = Sweep(limit=3)
    drive(site, sweep, changes=[("", 0), ("delete", 0)])
    assert {4, 7} <= sweep.ids
    assert (sweep.complete, "ITEM_COUNT_FELL" in sweep.notes) == (True, True)
    assert site.requests == 4


def test_a_deletion_that_an_insert_hides_from_the_count_is_found():
    site = ListingSite(list(range(1, 10)), most=3)
    sweep = Sweep(limit=3)
    sweep.started = datetime(2026, 5, 4, tzinfo=UTC)
    want = sweep.next()
    assert want is not None
    sweep.landed(want, site.get(want))
    site.delete(0)
    site.insert()
    drive(site, sweep)
    assert 4 in sweep.ids
    assert "DELETED_MEANWHILE" in sweep.notes


def test_a_deletion_that_an_insert_and_a_later_hidden_one_hide_from_the_count_is_found():
    site = ListingSite(list(range(1, 10)), most=3)
    sweep = Sweep(limit=3)
    sweep.started = START
    changes = {1: ["delete", "insert"], 2: ["hide"]}
    seconds = 0
    while (want := sweep.next()) is not None:
        for change in changes.get(seconds // 10, []):
            if change == "delete":
                site.delete(0)
            else:
                site.insert()
        if "hide" in changes.get(seconds // 10, []):
            site.hidden = frozenset({site.ids[-1]})
        # An inserted comment was written 5 s after the start: after the first answer, and before the second.
        sweep.landed(want, replace(site.get(want), at=START + timedelta(seconds=seconds)))
        seconds += 10
    assert 4 in sweep.ids
    assert "DELETED_MEANWHILE" in sweep.notes
    assert sweep.complete


def test_one_poisoned_comment_costs_only_itself():
    site = ListingSite(list(range(1, 501)), poisoned=frozenset({57}))
    sweep = Sweep()
    drive(site, sweep)
    assert site.visible() - sweep.ids == {57}
    assert (sweep.complete, sweep.failures, sweep.reason) == (False, {1: "SERVER_ERROR"}, "SERVER_ERROR")
    assert sweep.absent({57, 58}) == []
    # The page, five slices of 50, five of 10 in place of one of them, ten of 1 in place of one of these; page 2.
    assert site.requests == 1 + 5 + 5 + 10 + 1


def test_a_page_that_was_read_in_slices_is_compared_as_a_whole():
    site = ListingSite(list(range(1, 251)), stumbles=[True])
    sweep = Sweep()
    drive(site, sweep)
    assert (len(sweep.ids), sweep.complete, sweep.sliced) == (250, True, {1})


def test_an_api_that_fails_everywhere_is_not_asked_forever():
    site = ListingSite(list(range(1, 2_001)), stumbles=[True] * 5_000)
    sweep = Sweep(limit=50)
    drive(site, sweep)
    assert (sweep.complete, sweep.ids) == (False, set())
    assert site.requests == 8


def test_an_absurd_number_of_pages_ends_after_twenty_empty_ones():
    sweep = Sweep(limit=3)
    asked = 0
    while (want := sweep.next()) is not None:
        asked += 1
        sweep.landed(want, facts([1, 2] if want.page == 1 else [], page_count=10**9, item_count=2, limit=3))
    assert asked == 21
    assert (sweep.complete, sweep.reason) == (False, "EMPTY_RUN")


@pytest.mark.parametrize("headers", [{}, {"page_count": 10**9, "item_count": 10**9, "limit": 3}])
def test_an_api_that_returns_the_first_page_for_every_number_is_not_asked_forever(headers):
    sweep = Sweep(limit=3)
    asked = 0
    while (want := sweep.next()) is not None and asked < 100:
        asked += 1
        sweep.landed(want, facts([1, 2, 3], **headers))
    assert asked == 21
    assert (sweep.complete, "EMPTY_RUN" in sweep.notes) == (False, True)


@pytest.mark.parametrize("stated", [{"page_count": 999_999_999, "item_count": 3}, {"item_count": 999_999_999}])
def test_an_absurd_count_plans_some_pages_at_a_time(stated):
    sweep = Sweep()
    sweep.landed(Want(1, 250), facts([1, 2, 3], **{"page_count": 1, **stated}, limit=250, page=1))
    sweep.next()
    assert sweep.open_pages == range(2, 52)


def test_an_answer_for_another_page_is_not_taken():
    sweep = Sweep(limit=3)
    sweep.landed(Want(1, 3), facts([1, 2, 3], page=1, limit=3, page_count=2, item_count=4))
    sweep.landed(Want(2, 3), facts([1, 2, 3], page=1, limit=3, page_count=2, item_count=4))
    assert sweep.next() is None
    assert (sweep.complete, sweep.reason) == (False, "WRONG_PAGE")


def test_a_limit_that_changes_during_a_sweep_starts_it_again():
    sweep = Sweep(limit=4)
    sweep.landed(Want(1, 4), facts([1, 2, 3, 4], limit=4, page_count=2, item_count=6))
    sweep.landed(Want(2, 4), facts([3, 4], limit=2, page_count=3, item_count=6))
    assert (sweep.next(), sweep.reason) == (None, "LIMIT_CHANGED")


SINCE = datetime(2026, 5, 2, tzinfo=UTC)
RECENT, OLDER = "2026-05-03T00:00:00.000Z", "2026-05-01T00:00:00.000Z"


def window(*times: str, **options: Any) -> Sweep:
    """Return a window that has read its first page, of comments of these times; ten pages are stated."""
    sweep = Sweep(limit=len(times), sort="newest", **{"since": SINCE, **options})
    ids = tuple(range(len(times), 0, -1))
    sweep.landed(Want(1, len(times)), Facts(ids, 10, 10 * len(times), len(times), 1, created=times))
    return sweep


def test_a_window_ends_at_its_time_and_is_not_complete():
    sweep = window(RECENT, OLDER, OLDER, OLDER)
    assert (sweep.next(), sweep.reason, sweep.uncovered) == (None, "PARTIAL_WINDOW", None)


@pytest.mark.parametrize(
    "times",
    [
        (RECENT, OLDER, RECENT, RECENT),
        (RECENT, RECENT, RECENT, OLDER),
        (RECENT, RECENT, RECENT, ""),
        (RECENT, RECENT, RECENT, "0001"),
        ("", "", "", ""),
        ("2026-05-01T23:00:00.000-02:00",) * 4,
    ],
)
def test_a_window_continues_after_a_time_that_is_invalid_or_out_of_order(times):
    sweep = window(*times)
    assert (sweep.next(), sweep.uncovered) == (Want(2, 4), "INTERRUPTED")


def test_a_window_ends_at_its_time_in_any_zone():
    assert window(*("2026-05-02T01:00:00.000+02:00",) * 3).next() is None


@pytest.mark.parametrize("time", [RECENT, ""])
def test_the_first_page_alone_is_read_whatever_its_times(time):
    sweep = window(time, time, since=None, first_page=True)
    assert (sweep.next(), sweep.uncovered, sweep.open_pages) == (None, None, range(0))


def test_a_window_longer_than_its_limit_is_not_covered():
    sweep = window(RECENT, RECENT, most=1)
    assert (sweep.next(), sweep.uncovered) == (None, "TOO_LONG")


def test_a_resumed_sweep_reads_its_border_and_then_the_rest():
    known = [Known(1, (1, 2, 3), 3, 8), Known(2, (4, 5, 6), 3, 8)]
    sweep = Sweep(limit=3, known=known)
    assert sweep.next() == Want(2, 3, "border")
    sweep.landed(Want(2, 3, "border"), facts([4, 5, 6], page=2, limit=3, page_count=3, item_count=8))
    assert sweep.next() == Want(3, 3)
    sweep.landed(Want(3, 3), facts([7, 8], page=3, limit=3, page_count=3, item_count=8))
    assert (sweep.next(), sweep.complete, len(sweep.ids)) == (None, True, 8)


def test_a_border_that_moved_while_a_sweep_was_interrupted_starts_it_again():
    sweep = Sweep(limit=3, known=[Known(1, (1, 2, 3), 3, 8), Known(2, (4, 5, 6), 3, 8)])
    sweep.landed(Want(2, 3, "border"), facts([5, 6, 7], page=2, limit=3, page_count=3, item_count=7))
    assert (sweep.next(), sweep.reason) == (None, "BORDER_CHANGED")


def test_a_sweep_that_rechecks_nothing_resumes_at_its_next_page_and_still_notices_a_deletion():
    known = [Known(1, (1, 2, 3), 3, 8), Known(2, (4, 5, 6), 3, 8)]
    sweep = Sweep(limit=3, known=known, rechecks=False)
    assert sweep.next() == Want(3, 3)
    sweep.landed(Want(3, 3), facts([8], page=3, limit=3, page_count=3, item_count=7))
    assert sweep.next() == Want(2, 3, "overlap")
    whole = Sweep(limit=3, known=[*known, Known(3, (7, 8), 3, 8)], rechecks=False)
    assert (whole.next(), whole.complete) == (None, True)


def test_pages_behind_a_hole_are_read_again():
    sweep = Sweep(limit=3, known=[Known(1, (1, 2, 3), 3, 9), Known(3, (7, 8, 9), 3, 9)])
    sweep.landed(Want(1, 3, "border"), facts([1, 2, 3], limit=3, page_count=3, item_count=9))
    assert sweep.next() == Want(2, 3)


CHANGES = st.lists(st.tuples(st.sampled_from(["", "", "insert", "delete"]), st.integers(0, 40)), max_size=30)


@st.composite
def sites(draw: st.DrawFn, *, lies: bool = False) -> ListingSite:
    most = draw(st.integers(4, 6))
    number = draw(st.integers(0, 40))
    ids = list(range(1, number + 1))
    hidden = draw(st.frozensets(st.integers(1, 40), max_size=30))
    names = ["", "missing", "pages-high", "pages-low", "items-high", "items-low"]
    return ListingSite(
        ids,
        most,
        hidden,
        frozenset() if lies else draw(st.frozensets(st.integers(1, 40), max_size=2)),
        draw(st.lists(st.sampled_from(names), max_size=20)) if lies else [],
        draw(st.lists(st.booleans(), max_size=10)),
    )


def few_deletions(changes: list[tuple[str, int]], most: int) -> list[tuple[str, int]]:
    """Keep fewer deletions than a page has places: a comment then passes one border at most."""
    kept, deleted = [], 0
    for kind, place in changes:
        deleted += kind == "delete"
        kept.append(("" if kind == "delete" and deleted >= most else kind, place))
    return kept


@settings(max_examples=120)
@given(sites(), CHANGES)
def test_a_complete_sweep_saw_every_comment_that_was_there_all_along(site, changes):
    before, fails = site.visible(), bool(site.poisoned or any(site.stumbles))
    sweep = Sweep(limit=site.most)
    drive(site, sweep, changes=few_deletions(changes, site.most))
    missed = (before & site.visible()) - sweep.ids
    assert not (sweep.complete and missed)
    assert fails or not missed


@settings(max_examples=120)
@given(sites(lies=True), st.integers(0, 5))
def test_a_lie_in_one_header_never_makes_an_incomplete_sweep_complete(site, inserts):
    before = site.visible()
    sweep = Sweep(limit=site.most)
    drive(site, sweep, changes=[("insert", 0)] * inserts)
    if sweep.complete:
        assert before <= sweep.ids


@settings(max_examples=120)
@given(sites(), CHANGES, CHANGES, st.integers(1, 12), st.integers(0, 3))
def test_a_sweep_that_was_killed_and_resumed_is_complete_only_if_it_is(site, first, second, stop, meanwhile):
    before = site.visible()
    changes = few_deletions([*first[:stop], *[("delete", each) for each in range(meanwhile)], *second], site.most)
    known = drive(site, Sweep(limit=site.most), changes=changes[:stop], stop=stop)
    for kind, place in changes[stop : stop + meanwhile]:
        if kind == "delete":
            site.delete(place)
    sweep = Sweep(limit=site.most, known=known)
    drive(site, sweep, changes=changes[stop + meanwhile :])
    if sweep.complete:
        assert before & site.visible() <= sweep.ids


@pytest.mark.parametrize("constant", [True, False])
def test_the_properties_can_fail(constant):
    """A planner that trusts short pages loses comments of a site with hidden ones."""
    site = ListingSite(list(range(1, 13)), most=4, hidden=frozenset({5, 6, 7, 8}))
    sweep = Sweep(limit=4)
    if constant:
        sweep.landed(Want(1, 4), site.get(Want(1, 4)))
        assert site.visible() - sweep.ids
    else:
        drive(site, sweep)
        assert sweep.ids == site.visible()
