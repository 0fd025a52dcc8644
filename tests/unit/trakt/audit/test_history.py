"""The history of a comment, from its sightings."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple

from jobs.trakt.audit.history import NO_TITLE, State, Title, history_of
from tests.trakt_bronze import NOON

FILM: Title = ("movie", 1, None, None)
EPISODE: Title = ("show", 2, 1, 3)
TEXT = {"body": "a text", "is_spoiler": False, "is_review": False, "likes": 5, "replies": 0, "user_rating": 8.0}
VALUES: dict[str, dict[str, Any]] = {
    "a": TEXT,
    "likes": {**TEXT, "likes": 3},
    "text": {**TEXT, "body": "another text", "likes": 4},
    "other": {**TEXT, "language": "fr"},
    "unknown": {**TEXT, "likes": None},
}


class Seen(NamedTuple):
    at: Any
    sha: str
    title: Title | None


def seen(minute: int, sha: str, title: Title | None = FILM) -> Seen:
    return Seen(NOON + timedelta(minutes=minute), sha, title)


def history(*sightings: Seen, gone: tuple[int, ...] = ()) -> list[State]:
    return history_of(sightings, [NOON + timedelta(minutes=minute) for minute in gone], VALUES)


def changes(*sightings: Seen, gone: tuple[int, ...] = ()) -> list[tuple[str, int, int | None]]:
    """Return each change with its minute and its change of likes."""
    return [
        (row.change, (row.valid_from - NOON) // timedelta(minutes=1), row.likes_change)
        for row in history(*sightings, gone=gone)
    ]


def test_only_changes_have_a_row():
    assert changes(seen(1, "a"), seen(2, "a"), seen(3, "likes"), seen(4, "likes"), seen(5, "text")) == [
        ("first", 1, None),
        ("counted", 3, -2),
        ("edited", 5, 1),
    ]
    assert changes(seen(1, "a"), seen(2, "other")) == [("first", 1, None), ("other", 2, 0)]


def test_a_state_ends_when_the_next_one_begins():
    rows = history(seen(1, "a"), seen(5, "likes"), gone=(7,))
    assert [row.valid_to for row in rows] == [rows[1].valid_from, rows[2].valid_from, None]
    assert (rows[2].payload_sha, rows[2].likes, rows[2].title_id_trakt) == (None, None, 1)


def test_a_comment_is_asked_for_after_it_was_seen_and_may_return():
    assert changes(seen(1, "a"), seen(4, "likes"), gone=(1, 2)) == [
        ("first", 1, None),
        ("deleted", 1, None),
        ("returned", 4, -2),
    ]


def test_a_move_has_its_own_name_and_a_title_that_is_not_told_is_the_last_one():
    rows = history(
        seen(1, "a", None), seen(2, "a"), seen(3, "likes", EPISODE), seen(4, "a", None), seen(5, "a", NO_TITLE)
    )
    assert [row.change for row in rows] == ["first", "moved", "counted", "moved"]
    titles = [(row.title_kind, row.title_id_trakt, row.season, row.episode) for row in rows]
    assert titles == [FILM, EPISODE, EPISODE, NO_TITLE]


def test_likes_that_are_unknown_are_compared_with_the_last_known():
    assert changes(seen(1, "a"), seen(2, "unknown"), seen(3, "likes")) == [
        ("first", 1, None),
        ("counted", 2, None),
        ("counted", 3, -2),
    ]


def test_a_comment_that_was_never_seen_in_a_title_has_none():
    (row,) = history(seen(1, "a", None))
    assert (row.title_kind, row.title_id_trakt, row.season, row.episode) == NO_TITLE
