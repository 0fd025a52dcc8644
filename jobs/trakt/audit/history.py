"""Compute the history of a comment from its sightings, in plain Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

__all__ = ["NO_TITLE", "Sighting", "State", "Title", "history_of"]

Title = tuple[str | None, int | None, int | None, int | None]
"""Kind, Trakt id, season and episode."""

NO_TITLE: Final[Title] = (None, None, None, None)
"""The title of a comment on something that is not a title of ours, such as a list."""

_TEXT: Final = ("body", "is_spoiler", "is_review")
_COUNTS: Final = ("likes", "replies", "user_rating")


class Sighting(Protocol):
    """A payload of a comment that was seen.

    Attributes:
        at: when.
        sha: digits of the payload's hash.
        title: where it was seen; None if that is unknown.
    """

    @property
    def at(self) -> datetime: ...  # noqa: D102 - see the class
    @property
    def sha(self) -> str: ...  # noqa: D102 - see the class
    @property
    def title(self) -> Title | None: ...  # noqa: D102 - see the class


class State(NamedTuple):
    """A state of a comment, from one change to the next; a tuple, since a dictionary takes 320 bytes more.

    Attributes:
        valid_from: when it was first seen so.
        valid_to: when the next state was seen; None for the last one.
        change: first, edited, counted, moved, deleted, returned or other.
        payload_sha: digits of the payload's hash; None if it was gone.
        title_kind: movie or show.
        title_id_trakt: Trakt's id of the title.
        season: number of the season.
        episode: number of the episode.
        likes: number of likes.
        replies: number of replies.
        likes_change: likes minus those that were known before.
    """

    valid_from: datetime
    valid_to: datetime | None
    change: str
    payload_sha: str | None
    title_kind: str | None
    title_id_trakt: int | None
    season: int | None
    episode: int | None
    likes: int | None
    replies: int | None
    likes_change: int | None


def history_of(
    seen: Iterable[Sighting], gone: Iterable[datetime], values: Mapping[str, Mapping[str, Any]]
) -> list[State]:
    """Return the states of a comment, one each time that its payload or title changed or that it was gone.

    Args:
        seen: the sighting that counts at each instant, oldest first.
        gone: when it was asked for and was not there.
        values: digits of a payload's hash -> its text, flags, counts and rating.
    """
    moments: list[tuple[datetime, bool, Sighting | None]] = [(each.at, False, each) for each in seen]
    # At most one of each per instant, so two sightings are never compared. A comment is asked for after it was seen.
    moments += [(at, True, None) for at in set(gone)]
    moments.sort(key=lambda moment: moment[:2])
    # Before a title is known, it was that one too.
    title = next((one.title for _, _, one in moments if one is not None and one.title is not None), None)
    states: list[State] = []
    # The last known value of each field.
    known: dict[str, Any] = {}
    state: tuple[str | None, Title | None] | None = None
    for at, _, one in moments:
        before, last_title = state, title
        if one is not None:
            title = one.title or title
        state = (None if one is None else one.sha, title)
        if state == before:
            continue
        if states:
            states[-1] = states[-1]._replace(valid_to=at)
        now = {} if one is None else values[one.sha]
        likes, likes_before = now.get("likes"), known.get("likes")
        states.append(
            State(
                at,
                None,
                "deleted" if one is None else _change(now, known, before, is_moved=title != last_title),
                state[0],
                *(title or NO_TITLE),
                likes,
                now.get("replies"),
                None if likes is None or likes_before is None else likes - likes_before,
            )
        )
        known |= {name: value for name, value in now.items() if value is not None}
    return states


def _change(
    now: Mapping[str, Any], known: Mapping[str, Any], before: tuple[str | None, Title | None] | None, *, is_moved: bool
) -> str:
    if before is None:
        return "first"
    if before[0] is None and known.get("body") is not None:
        return "returned"
    if is_moved:
        return "moved"
    if any(now[name] != known.get(name) for name in _TEXT):
        return "edited"
    return "counted" if any(now[name] != known.get(name) for name in _COUNTS) else "other"
