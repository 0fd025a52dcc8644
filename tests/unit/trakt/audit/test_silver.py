"""The audit of silver: what plain Python makes of bronze, compared with a build."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.trakt.audit import silver
from jobs.trakt.audit.model import Check
from jobs.trakt.bronze.commit import commit_load
from jobs.trakt.bronze.pages import PageRequest
from jobs.trakt.modelling.silver import HISTORY
from jobs.trakt.settings import VerifySettings
from tests.trakt_answers import comment
from tests.trakt_bronze import FERRY, NOON, SALT, comments_page, one_page, plain_place

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.trakt_bronze import PlainPlace

CREATED = "2026-05-02T08:04:11.000Z"


def gone(load: str, number: int, minutes: float, read: int = 1) -> Any:
    return one_page(PageRequest(load, "comment", comment_id=number, read=read), b"", status=404, minutes=minutes)


@pytest.fixture
def place(tmp_path: Path) -> PlainPlace:
    """A table whose later load was committed first."""
    made = plain_place(tmp_path / "bucket")
    likes = {number: comment(id=number, likes=9 - number, created_at=CREATED) for number in (1, 2, 3)}
    for page in (
        comments_page("b", [likes[1], likes[2], comment(id=4, comment="late one in the tie")], minutes=10),
        gone("b", 3, 11),
        gone("b", 3, 12, read=2),
        gone("b", 1, 5),
        comments_page("a", [comment(id=1, likes=50, created_at=CREATED), likes[3]], minutes=1),
        comments_page("a", [comment(id=4, comment="early", updated_at="2026-01-01T00:00:00.000Z")], page=2, minutes=10),
    ):
        made.pages.put(page)
    for load in ("b", "a"):
        commit_load(made, load)
    return made


@pytest.fixture
def compare(place: PlainPlace, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Check]:
    """A function that compares the table with rows that stand for a build."""

    def run(change: Callable[[dict[int, dict[str, Any]]], object] = lambda _: None, **build: Any) -> Check:
        settings = VerifySettings(user_salt=SALT)
        found = silver.snapshot(place)
        rows = dict(silver._expected(place, found, settings, Check("")))
        for row in rows.values():
            row["history"] = [state._asdict() for state in row["history"]]
        change(rows)

        def export(_: VerifySettings, target: Path) -> Any:
            pq.write_table(pa.Table.from_pylist(list(rows.values())), target)
            return SimpleNamespace(**{"table": place.uri, "version": found.version, "build_id": "b1", **build})

        monkeypatch.setattr(silver, "export_silver", export)
        check = Check("silver")
        silver.check_silver(settings, place, check)
        return check

    return run


def test_a_comment_that_left_its_title_for_an_episode_has_none(place: PlainPlace):
    before = expected(place)[2]
    moved = comment(id=2, likes=7, created_at=CREATED)
    headers = {"x-item-type": "episode", "x-item-id": "12"}
    place.pages.put(one_page(PageRequest("c", "comment", comment_id=2), moved, headers=headers, minutes=20))
    commit_load(place, "c")
    after = expected(place)[2]
    assert (before["title_kind"], before["title_id_trakt"]) == (FERRY.kind, FERRY.trakt_id)
    assert (after["title_kind"], after["title_id_trakt"], after["is_deleted"]) == (None, None, False)


def expected(place: PlainPlace) -> dict[int, dict[str, Any]]:
    return dict(silver._expected(place, silver.snapshot(place), VerifySettings(user_salt=SALT), Check("")))


def test_the_newest_observation_wins_whichever_load_was_committed_last(place: PlainPlace):
    rows = expected(place)
    assert sorted(rows) == [1, 2, 3, 4]
    # The 404 at minute 5 was before the last sighting.
    assert (rows[1]["likes"], rows[1]["is_deleted"]) == (8, False)
    assert rows[1]["first_seen_at"] == NOON + timedelta(minutes=1)
    assert rows[3]["deleted_at"] == NOON + timedelta(minutes=11)
    # Two states in one second: that which was changed last.
    assert rows[4]["body"] == "late one in the tie"
    assert (rows[2]["title_kind"], rows[2]["title_id_trakt"]) == (FERRY.kind, FERRY.trakt_id)
    slug = comment(id=2)["user"]["ids"]["slug"]
    assert rows[2]["user_key"] == hashlib.sha256(f"{SALT}:slug:{slug}".encode()).hexdigest()


def test_equal_rows_have_no_finding(compare: Callable[..., Check]):
    check = compare()
    assert (check.checked, check.codes.total()) == (4, 0)


def test_a_comment_that_differs_is_missing_or_from_nowhere_is_found(compare: Callable[..., Check]):
    def change(rows: dict[int, dict[str, Any]]) -> None:
        rows[1]["likes"] += 1
        rows[9] = {**rows.pop(2), "comment_id": 9}

    check = compare(change)
    assert {(each.code, each.place) for each in check.findings} == {
        ("SILVER_DIFFERS", "comment 1"),
        ("SILVER_EXTRA", "comment 9"),
        ("SILVER_MISSING", "comment 2"),
    }
    assert "differs from bronze in likes" in [each.message for each in check.findings]


def test_every_column_is_compared(compare: Callable[..., Check]):
    wrong = {
        **dict.fromkeys(("is_reply", "is_spoiler", "is_review", "is_backfilled", "is_time_out_of_range"), True),
        **dict.fromkeys(("is_private", "is_user_deleted", "is_vip"), True),
        **dict.fromkeys(("likes", "replies", "play_count", "completed_count", "title_id_trakt", "season"), 9_999),
        "day": None,
        "is_edited": None,
        "changed_at": NOON,
        "language": "xx",
        "history": None,
    }
    for column, value in wrong.items():
        check = compare(lambda rows, change=(column, value): rows[2].update([change]))
        assert [(one.code, one.place, one.message) for one in check.findings] == [
            ("SILVER_DIFFERS", "comment 2", f"differs from bronze in {column}")
        ]


def test_every_column_of_the_history_is_compared(compare: Callable[..., Check]):
    wrong = {
        **dict.fromkeys(("valid_from", "valid_to"), NOON - timedelta(days=9)),
        "change": "other",
        "payload_sha": "0" * 16,
        "title_kind": "show",
        **dict.fromkeys(("title_id_trakt", "season", "episode", "likes", "replies", "likes_change"), 99),
    }
    assert wrong.keys() == set(HISTORY)
    for column, value in wrong.items():
        # Comment 3 was deleted, and has two states.
        check = compare(lambda rows, change=(column, value): rows[3]["history"][0].update([change]))
        assert [(one.code, one.place, one.message) for one in check.findings] == [
            ("SILVER_DIFFERS", "comment 3", "differs from bronze in history")
        ], column


def test_a_state_that_is_missing_in_another_place_or_there_twice_is_found(compare: Callable[..., Check]):
    for change in (list.clear, list.pop, list.reverse, lambda states: states.append(states[0])):
        assert compare(lambda rows, change=change: change(rows[3]["history"])).codes == {"SILVER_DIFFERS": 1}


def test_a_build_of_an_older_version_is_compared_with_that_version(compare: Callable[..., Check], place: PlainPlace):
    check = compare(lambda rows: rows.clear(), version=0)
    assert check.codes == {"SILVER_STALE": 1}
    assert silver.snapshot(place).version == 2


def test_a_build_of_another_table_is_not_compared(compare: Callable[..., Check]):
    assert compare(table="file:///other").codes == {"SILVER_ABSENT": 1}


def test_a_share_chooses_the_same_comments_each_time():
    chosen = [number for number in range(1_000) if silver.is_chosen(number, 0.1)]
    assert 80 <= len(chosen) <= 120
    assert all(silver.is_chosen(number, 0.2) for number in chosen)
    assert all(silver.is_chosen(number, 1.0) for number in range(1_000))
