"""A load is one commit, made at most once; of equal payloads, one is stored, and every item is seen."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.trakt.bronze import commit, data_files, table
from jobs.trakt.bronze.batches import KindRows
from jobs.trakt.bronze.commit import commit_load
from jobs.trakt.bronze.live_files import snapshot
from jobs.trakt.bronze.pages import PageRequest
from jobs.trakt.bronze.schema import SCHEMA
from jobs.trakt.bronze.table import TableMoved, open_table
from jobs.trakt.model import TitleRef
from shared.errors import DataError, IntegrityError, StoreUnavailable
from tests.trakt_answers import comment, example, feed_item
from tests.trakt_bronze import FERRY, NOON, comments_page, one_page, plain_place, rows, sightings

if TYPE_CHECKING:
    from jobs.trakt.bronze.pages import Page
    from tests.trakt_bronze import PlainPlace

CASES = Path(__file__).parents[3] / "trakt_cases"


@pytest.fixture
def place(tmp_path: Path) -> PlainPlace:
    return plain_place(tmp_path / "trakt")


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table.time, "sleep", lambda _: None)


def load(place: PlainPlace, *pages: Page) -> Any:
    for page in pages:
        place.pages.put(page)
    return commit_load(place, pages[0].request.load_id)


def log(place: PlainPlace) -> list[list[dict[str, Any]]]:
    """Return the actions of each version."""
    folder = Path(place.location) / "_delta_log"
    return [[json.loads(line) for line in path.read_text().splitlines()] for path in sorted(folder.glob("*.json"))]


def test_a_load_is_one_version_with_all_kinds(place: PlainPlace):
    report = load(
        place,
        comments_page("load-1", [comment(id=1), comment(id=2), {"id": 0}]),
        one_page(PageRequest("load-1", "rating", FERRY), example("rating")),
        one_page(PageRequest("load-1", "title", FERRY), example("title")),
        one_page(PageRequest("load-1", "tmdb", FERRY), {"id": 1}),
        one_page(PageRequest("load-1", "comment", comment_id=9), b"", status=404),
        one_page(PageRequest("load-1", "title", TitleRef("show", 8)), b"", status=404),
    )
    written = Counter(row["resource_kind"] for row in rows(place))
    assert written == {"comment": 2, "rating": 1, "title": 1, "tmdb": 1, "comment_gone": 1, "title_gone": 1, "page": 6}
    assert {kind: count for kind, count in report.rows.items() if count} == written
    assert (report.version, report.was_committed, report.pages, report.items) == (1, False, 6, 5)
    assert dict(report.bad) == {"FIELD_MISSING": 1}
    created, committed = log(place)
    assert not any("add" in action for action in created)
    (info,) = [action["commitInfo"] for action in committed if "commitInfo" in action]
    assert (info["load_id"], info["pages"], info["rows"]["comment"]) == ("load-1", 6, 2)
    assert [action["txn"] for action in committed if "txn" in action] == [
        {"appId": "telecine trakt load load-1", "version": 1}
    ]


def test_a_row_has_every_column_of_the_page_and_its_answer(place: PlainPlace):
    request = PageRequest("load-1", "comments", FERRY, sort="oldest", page=3, limit=250, season=1, episode=2)
    headers = {
        "x-pagination-limit": "200",
        "x-pagination-page-count": "9",
        "x-pagination-item-count": "1700",
        "x-trakt-server": "rails",
        "etag": 'W/"x"',
    }
    load(place, one_page(request, [{"id": 0}, comment(id=5)], headers=headers))
    (row,) = rows(place, "comment")
    payload = row.pop("payload")
    assert json.loads(payload) == comment(id=5)
    assert len(row.pop("payload_sha256")) == 64
    assert row.pop("fetched_at") > row["observed_at"]
    assert row == {
        "resource_kind": "comment",
        "title_kind": "movie",
        "title_id_trakt": 612345,
        "page": 3,
        "observed_at": NOON,
        "comment_id": 5,
        "title_slug": None,
        "season": 1,
        "episode": 2,
        "sort": "oldest",
        "item_index": 1,
        "page_limit": 200,
        "page_count": 9,
        "item_count_header": 1700,
        "server_header": "rails",
        "http_status": 200,
        "etag": 'W/"x"',
        "page_key": request.key,
        "load_id": "load-1",
        "run_id": "run-1",
        "attempt": 1,
        "source_system": "replay",
        "is_synthetic": True,
        "schema_version": 1,
    }
    assert list(SCHEMA.names) == ["resource_kind", *data_files.FILE_SCHEMA.names]


def test_counts_in_headers_that_no_column_holds_are_dropped(place: PlainPlace):
    headers = {"x-pagination-page-count": str(2**31), "x-pagination-limit": "99999999999"}
    load(place, one_page(PageRequest("load-1", "feed", sort="updates", page=1), [comment(id=5)], headers=headers))
    (row,) = rows(place, "comment")
    assert (row["page_count"], row["page_limit"]) == (None, None)


def test_the_same_load_again_changes_nothing_and_hands_over_the_same_dead_letters(place: PlainPlace):
    page = comments_page("load-1", [comment(id=1), {"id": 0}, {"id": "x"}])
    first = load(place, page)
    before = rows(place)
    taken: list[Any] = []
    again = commit_load(place, "load-1", take=taken.extend)
    assert (again.was_committed, again.version) == (True, first.version)
    assert (rows(place), open_table(place).version()) == (before, 1)  # type: ignore[union-attr]
    assert taken == first.dead_letters
    assert (len(taken), again.dead_letters) == (2, [])
    assert (again.rows["comment"], again.rows["page"], again.items, again.bytes) == (1, 1, 1, first.bytes)


def test_an_equal_payload_is_stored_once_and_seen_each_time(place: PlainPlace):
    first = load(place, comments_page("load-1", [comment(id=1), comment(id=2)]))
    second = load(place, comments_page("load-2", [comment(id=1), comment(id=2, likes=0)], minutes=10))
    assert (first.unchanged, second.unchanged) == (0, 1)
    assert [(row["comment_id"], row["load_id"]) for row in rows(place, "comment")] == [
        (1, "load-1"),
        (2, "load-1"),
        (2, "load-2"),
    ]
    seen = sightings(place)
    assert [[number for number, _ in items] for items in seen.values()] == [[1, 2], [1, 2]]
    hashes = {(row["comment_id"], row["payload_sha256"][:16]) for row in rows(place, "comment")}
    assert {item for items in seen.values() for item in items} == hashes


def test_an_old_comment_is_a_late_arrival_if_its_title_had_been_read_before(place: PlainPlace):
    week_ago, older = "2026-04-25T12:00:00.000Z", "2026-04-25T11:59:59.999Z"
    known = comment(id=1, created_at=older)
    place.pages.put(comments_page("load-1", [known]))
    assert commit_load(place, "load-1", read_before=()).late_arrivals == 0, "the first read of a title"
    late = [comment(id=2, created_at=older), comment(id=3, created_at=older)]
    page = comments_page(
        "load-2",
        [
            *(known, {**known, "likes": 0}, *late, late[0]),
            comment(id=4, created_at=week_ago),
            comment(id=5, created_at=older, parent_id=1),
        ],
    )
    other = comments_page("load-2", [comment(id=6, created_at=older)], title=TitleRef("movie", 9))
    wrapped = feed_item("episode", comment=comment(id=7, created_at=older))
    again = feed_item("movie", movie={"title": "Night Ferry", "ids": {"trakt": FERRY.trakt_id}}, comment=late[1])
    feed = PageRequest("load-2", "feed", sort="updates", page=1, limit=250)
    for each in (page, other, one_page(feed, [wrapped, again])):
        place.pages.put(each)
    report = commit_load(place, "load-2", read_before={FERRY, TitleRef("show", 7001)})
    assert report.late_arrivals == 2
    # Committed, but not recorded: the commit itself says what was new.
    lost = commit_load(place, "load-2", read_before={FERRY})
    assert (lost.was_committed, lost.late_arrivals, lost.unchanged) == (True, 2, report.unchanged)
    assert report.unchanged > 0
    assert load(place, comments_page("load-3", late)).late_arrivals is None


def test_a_payload_that_comes_back_is_stored_again(place: PlainPlace):
    for number, likes in enumerate((1, 2, 1)):
        load(place, comments_page(f"load-{number}", [comment(id=1, likes=likes)], minutes=number))
    assert [json.loads(row["payload"])["likes"] for row in rows(place, "comment")] == [1, 2, 1]


def test_a_comment_that_moved_is_stored_again_although_its_payload_is_equal(place: PlainPlace):
    other = TitleRef("show", 8)
    load(place, comments_page("load-1", [comment(id=1)]))
    load(place, comments_page("load-2", [comment(id=1)], title=other, minutes=1))
    # An answer that names no title says nothing about a move.
    load(place, one_page(PageRequest("load-3", "comment", comment_id=1), comment(id=1), minutes=2))
    found = [(row["title_kind"], row["title_id_trakt"]) for row in rows(place, "comment")]
    assert found == [("movie", 612345), ("show", 8)]


def test_a_comment_of_a_feed_equals_that_of_a_list(place: PlainPlace):
    item = feed_item("movie", comment=comment(id=1))
    load(place, comments_page("load-1", [comment(id=1)], title=TitleRef("movie", 7001)))
    report = load(place, one_page(PageRequest("load-2", "feed", sort="updates", page=1), [item], minutes=1))
    assert (report.unchanged, len(rows(place, "comment"))) == (1, 1)


def test_ratings_and_titles_are_stored_at_each_observation_and_tmdb_only_if_it_changed(place: PlainPlace):
    for number, tmdb in enumerate(({"id": 7, "new": 1}, {"new": 1, "id": 7}, {"id": 7, "new": 2})):
        load_id = f"load-{number}"
        load(
            place,
            one_page(PageRequest(load_id, "rating", FERRY), example("rating"), minutes=number),
            one_page(PageRequest(load_id, "title", FERRY), example("title"), minutes=number),
            one_page(PageRequest(load_id, "tmdb", FERRY), tmdb, minutes=number),
            one_page(PageRequest(load_id, "tmdb", TitleRef("show", 612345)), {"id": 7, "new": 1}, minutes=number),
        )
    written = Counter(row["resource_kind"] for row in rows(place))
    assert written == {"rating": 3, "title": 3, "tmdb": 3, "page": 12}


def test_case_edited_comment_both_versions_are_stored(place: PlainPlace):
    case = json.loads((CASES / "edited-comment.json").read_text())
    for number, version in enumerate(case["input"]["versions"]):
        load(place, comments_page(f"load-{number}", [version], minutes=number))
    stored = [json.loads(row["payload"]) for row in rows(place, "comment")]
    assert stored == case["input"]["versions"]
    assert len(stored) == case["right"]["history_rows"]


@pytest.mark.parametrize("late", [False, True])
def test_case_likes_fall_the_newest_observation_is_stored_in_whatever_order(place: PlainPlace, late: bool):
    case = json.loads((CASES / "likes-fall.json").read_text())
    minutes = (0, 24 * 60)
    pages = [
        comments_page(f"load-{number}", [comment(id=1, likes=sweep["likes"])], minutes=minutes[number])
        for number, sweep in enumerate(case["input"]["sweeps"])
    ]
    assert case["input"]["late_commit_of_first"] is True
    for page in reversed(pages) if late else pages:
        load(place, page)
    newest = max(rows(place, "comment"), key=lambda row: row["observed_at"])
    assert json.loads(newest["payload"])["likes"] == case["right"]["silver_likes"]
    # The same payload as the newest observation is not stored again, whichever was committed last.
    again = load(place, comments_page("load-9", [comment(id=1, likes=12)], minutes=3_000))
    assert again.unchanged == 1


def test_case_nul_in_text_is_stored_as_received(place: PlainPlace):
    case = json.loads((CASES / "nul-in-text.json").read_text())
    load(place, comments_page("load-1", [comment(id=1, comment=case["input"]["comment"])]))
    (row,) = rows(place, "comment")
    assert json.loads(row["payload"])["comment"] == case["input"]["comment"]
    assert "\0" not in row["payload"]


def test_only_named_pages_are_committed(place: PlainPlace):
    keys = [place.pages.put(comments_page("load-1", [comment(id=number)], page=number)) for number in (1, 2)]
    assert commit_load(place, "load-1", page_keys=keys[1:]).pages == 1
    assert [row["comment_id"] for row in rows(place, "comment")] == [2]


def test_a_load_without_pages_is_committed_too(place: PlainPlace):
    assert commit_load(place, "load-1").version == 1
    assert commit_load(place, "load-1").was_committed
    assert rows(place) == []


def test_an_id_that_cannot_be_part_of_a_key_is_refused(place: PlainPlace):
    with pytest.raises(DataError):
        commit_load(place, "../load")


def test_a_damaged_page_object_commits_nothing(place: PlainPlace):
    key = place.pages.put(comments_page("load-1", [comment(id=1)]))
    place.store.put(key, b"damaged")
    with pytest.raises(IntegrityError):
        commit_load(place, "load-1")
    assert rows(place) == []


def test_many_rows_become_several_files_of_several_groups(place: PlainPlace, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(data_files, "_GROUP_ROWS", 40)
    monkeypatch.setattr(data_files, "_FILE_BYTES", 20_000)
    monkeypatch.setattr(commit, "_BATCH", 7)
    monkeypatch.setattr("jobs.trakt.bronze.batches._ROWS", 30)
    pages = [
        comments_page(
            "load-1", [comment(id=20 * page + at, comment=f"{page} {at} " * 40) for at in range(1, 21)], page=page
        )
        for page in range(30)
    ]
    report = load(place, *pages)
    assert [row["comment_id"] for row in rows(place, "comment")] == list(range(1, 601))
    files = [file for file in snapshot(place).files if file.kind == "comment"]
    assert (len(files) > 2, sum(file.rows for file in files), report.files) == (True, 600, len(snapshot(place).files))
    again = load(place, *[comments_page("load-2", [comment(id=5)], minutes=1)])
    assert again.rows["comment"] == 1
    assert load(place, comments_page("load-3", [comment(id=5)], minutes=2)).unchanged == 1


# --- what goes wrong at the commit --------------------------------------------------------------------------------


def test_a_commit_whose_answer_is_lost_duplicates_nothing(place: PlainPlace, monkeypatch: pytest.MonkeyPatch):
    commit_ = table._commit
    asked = []

    def lost(*args: Any) -> None:
        asked.append(1)
        commit_(*args)
        raise OSError("connection reset by peer")

    monkeypatch.setattr(table, "_commit", lost)
    report = load(place, comments_page("load-1", [comment(id=1)]))
    assert (report.version, len(asked), len(rows(place, "comment"))) == (1, 1, 1)
    assert commit_load(place, "load-1").was_committed


def test_a_commit_that_fails_is_tried_again_a_few_times(place: PlainPlace, monkeypatch: pytest.MonkeyPatch):
    commit_ = table._commit
    failures = [OSError("slow down")] * 4

    def flaky(*args: Any) -> None:
        if failures:
            raise failures.pop()
        commit_(*args)

    monkeypatch.setattr(table, "_commit", flaky)
    assert load(place, comments_page("load-1", [comment(id=1)])).version == 1
    failures += [OSError("slow down")] * 5
    with pytest.raises(StoreUnavailable, match=r"cannot commit to .* after 5 attempts: slow down; try again") as caught:
        load(place, comments_page("load-2", [comment(id=2)]))
    assert caught.value.exit_code == 75
    assert len(rows(place, "comment")) == 1
    assert load(place, comments_page("load-2", [comment(id=2)])).version == 2


def test_a_writer_that_ignores_the_lock_is_noticed_and_the_load_is_made_again(
    place: PlainPlace, monkeypatch: pytest.MonkeyPatch
):
    load(place, comments_page("load-1", [comment(id=1)]))
    place.pages.put(comments_page("load-2", [comment(id=1), comment(id=2), {"id": 0}], minutes=2))
    place.pages.put(comments_page("load-3", [comment(id=2)], minutes=1))
    finish = data_files.DataFiles.finish
    intruders = [plain_place(place.settings.bucket)]

    def late(files: data_files.DataFiles) -> Any:
        if intruders:
            commit_load(intruders.pop(), "load-3")
        return finish(files)

    monkeypatch.setattr(data_files.DataFiles, "finish", late)
    taken: list[Any] = []
    report = commit_load(place, "load-2", take=taken.extend)
    assert (report.version, report.unchanged, len(taken)) == (3, 2, 1)
    assert [(row["comment_id"], row["load_id"]) for row in rows(place, "comment")] == [(1, "load-1"), (2, "load-3")]


def test_writers_that_keep_ignoring_the_lock_end_the_commit(place: PlainPlace, monkeypatch: pytest.MonkeyPatch):
    load(place, comments_page("load-1", [comment(id=1)]))
    finish = data_files.DataFiles.finish
    numbers = iter(range(100))
    inside: list[int] = []

    def late(files: data_files.DataFiles) -> Any:
        if not inside:
            inside.append(1)
            commit_load(plain_place(place.settings.bucket), f"intruder-{next(numbers)}")
            inside.clear()
        return finish(files)

    monkeypatch.setattr(data_files.DataFiles, "finish", late)
    with pytest.raises(TableMoved, match="without telecine's lock"):
        load(place, comments_page("load-2", [comment(id=2)]))


def test_two_writers_of_one_load_without_a_lock_store_it_once(place: PlainPlace):
    """The log itself refuses the second: a lock may be lost with its connection."""
    place.pages.put(comments_page("load-1", [comment(id=number) for number in range(1, 50)]))
    places = [plain_place(place.settings.bucket) for _ in range(4)]
    reports: list[Any] = []
    threads = [Thread(target=lambda one=one: reports.append(commit_load(one, "load-1"))) for one in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reports) == 4
    assert {report.version for report in reports} == {1}
    assert len(rows(place, "comment")) == 49
    assert DeltaTable(place.location).version() == 1


# --- the rule, for any history ---------------------------------------------------------------------------------------

SIGHTING = st.tuples(st.integers(1, 3), st.integers(0, 2), st.sampled_from([FERRY, TitleRef("show", 8)]))
LOADS = st.lists(st.lists(SIGHTING, min_size=1, max_size=4), min_size=1, max_size=4)


@settings(max_examples=8)
@given(LOADS, st.data())
def test_any_order_of_loads_with_repeats_and_lost_answers_stores_what_the_rule_says(loads, data):
    order = data.draw(st.permutations([*range(len(loads)), *data.draw(st.lists(st.integers(0, len(loads) - 1)))]))
    lost = data.draw(st.sets(st.integers(0, len(order))))
    last: dict[int, tuple[int, str, int]] = {}
    expected: list[tuple[int, str, int]] = []
    done: set[int] = set()
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(table.time, "sleep", lambda _: None)
        place = plain_place(folder)
        for number, items in enumerate(loads):
            for page, (comment_id, likes, title) in enumerate(items, start=1):
                minutes = 7 * number % 5 + page
                body = [comment(id=comment_id, likes=likes)]
                place.pages.put(comments_page(f"load-{number}", body, page=page, title=title, minutes=minutes))
        commit_ = table._commit
        for turn, number in enumerate(order):

            def maybe_lost(*args: Any, turn: int = turn) -> None:
                commit_(*args)
                if turn in lost:
                    raise OSError("lost")

            patch.setattr(table, "_commit", maybe_lost)
            commit_load(place, f"load-{number}")
            if number in done:
                continue
            done.add(number)
            for key in place.pages.keys(f"load-{number}"):
                page_ = place.pages.get(key)
                row = json.loads(page_.body)[0]
                sha = _sha(row)
                state = (round(page_.observed_at.timestamp()), sha, str(page_.request.title))
                known = last.get(row["id"])
                if known is None or known[1:] != state[1:]:
                    expected.append((row["id"], key, row["likes"]))
                    last[row["id"]] = state if known is None else max(known, state)
        found = [
            (row["comment_id"], row["page_key"], json.loads(row["payload"])["likes"]) for row in rows(place, "comment")
        ]
        assert sorted(found) == sorted(expected)
        assert sorted(sightings(place)) == sorted(place.pages.all_keys())
        hashes = {(row["comment_id"], row["payload_sha256"][:16]) for row in rows(place, "comment")}
        assert {item for items in sightings(place).values() for item in items} == hashes


def _sha(item: dict[str, Any]) -> str:
    import hashlib

    text = json.dumps(item, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def test_rows_that_wait_do_not_hold_the_bodies_of_their_pages(place: PlainPlace):
    """4,000 pages of a million comments have 600 MB."""
    files = data_files.DataFiles(place.store, "page", "part-load-1")
    waiting = KindRows(files)
    page = comments_page("load-1", []).without(bytes(10**6), ())
    waiting.add_page(page, "{}")
    assert len(pickle.dumps([waiting._pages, waiting._seen])) < 10_000
