"""Bronze against what its writers do not expect: kills in an erasure, deleted accounts, pages that come late."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from jobs.trakt.bronze import erase
from jobs.trakt.bronze.commit import commit_load
from jobs.trakt.bronze.erase import erase_user
from jobs.trakt.bronze.place import BronzePlace
from jobs.trakt.settings import BronzeSettings
from tests.postgres_server import database, postgres  # noqa: F401 - fixtures
from tests.trakt_answers import comment
from tests.trakt_bronze import SALT, TABLES, comments_page, rows, sightings

if TYPE_CHECKING:
    from pathlib import Path

    from tests.postgres_server import Database

ANN = {"username": "Ann B", "ids": {"slug": "ann-b"}}
FORMER = {"username": "old-ann"}
# The name under which all deleted accounts are shown.
NOBODY = {"username": "gone", "private": True, "deleted": True, "name": None, "ids": {"slug": None}}


@pytest.fixture
def place(database: Database, tmp_path: Path) -> BronzePlace:
    database.rows(TABLES)
    return BronzePlace(
        BronzeSettings(bucket=str(tmp_path / "trakt"), database_url=database.url, user_salt=SecretStr(SALT))
    )


def load(place: BronzePlace, *pages: Any) -> Any:
    for page in pages:
        place.pages.put(page)
    return commit_load(place, pages[0].request.load_id)


def text_of(place: BronzePlace) -> str:
    """Return all that page objects and live rows say."""
    bodies = [place.pages.get(key).body.decode(errors="replace") for key in place.pages.all_keys()]
    return "\n".join([*bodies, *(str(row) for row in rows(place))])


def test_an_erasure_that_is_killed_after_the_table_is_completed_by_the_next_one(
    place: BronzePlace, monkeypatch: pytest.MonkeyPatch
):
    load(place, comments_page("load-1", [comment(id=1, user=FORMER), comment(id=2)]))
    load(place, comments_page("load-2", [comment(id=1, user=ANN)], minutes=1))
    with monkeypatch.context() as patched:
        patched.setattr(erase, "_erase_pages", kill)
        with pytest.raises(KeyboardInterrupt):
            erase_user(place, "ann-b", run_id="run-1")
    erase_user(place, "ann-b", run_id="run-2")
    assert "old-ann" not in text_of(place), "the table, which joined both names, is already without them"


def kill(*_: Any) -> None:
    raise KeyboardInterrupt


def test_a_user_who_deleted_the_account_is_erased_and_other_deleted_users_stay(place: BronzePlace):
    load(place, comments_page("load-1", [comment(id=1, user=ANN), comment(id=2, comment="of another", user=NOBODY)]))
    load(place, comments_page("load-2", [comment(id=1, comment="of Ann", user=NOBODY)], minutes=1))
    erase_user(place, "ann-b", run_id="run-1")
    assert [row["comment_id"] for row in rows(place, "comment")] == [2]
    assert "of Ann" not in text_of(place)
    assert "of another" in text_of(place)

    load(
        place,
        comments_page("load-3", [comment(id=1, comment="of Ann", user=NOBODY), comment(id=3, user=NOBODY)], minutes=2),
    )
    assert [row["comment_id"] for row in rows(place, "comment")] == [2, 3]
    assert "of Ann" not in text_of(place)


def test_an_erasure_keeps_the_comments_of_others_on_a_page_with_invalid_text(place: BronzePlace):
    body = json.dumps([comment(id=1, user=ANN), comment(id=2, comment="half CUT text")]).encode()
    page = comments_page("load-1", [])
    place.pages.put(page.without(body.replace(b"CUT", b"\xff"), ()))
    erase_user(place, "ann-b", run_id="run-1")
    assert "ann-b" not in text_of(place)
    commit_load(place, "load-1")
    assert [row["comment_id"] for row in rows(place, "comment")] == [2]


def test_a_page_that_is_put_after_its_load_was_committed_is_not_lost(place: BronzePlace):
    """A process that lost its lock is taken for dead: its load is committed by another one, and it continues."""
    load(place, comments_page("load-1", [comment(id=1)]))
    late = comments_page("load-1", [comment(id=2)], page=2)
    place.pages.put(late)
    report = commit_load(place, "load-1")
    assert [row["comment_id"] for row in rows(place, "comment")] == [1, 2]
    assert late.key in sightings(place)
    assert report.was_committed
    before = rows(place)
    commit_load(place, "load-1")
    assert rows(place) == before
