"""Paths of the API, built from ids and our own literals; names from outside are percent-encoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from jobs.trakt.model import TitleKind, TitleRef

__all__ = [
    "LIMIT",
    "comment",
    "feed",
    "lookup",
    "ratings",
    "replies",
    "summary",
    "title_comments",
]

LIMIT: Final = 250
"""The most rows per page that the API returns; it clamps a larger limit instead of refusing it."""

_FOLDERS: Final[dict[TitleKind, str]] = {"movie": "movies", "show": "shows"}


def title_comments(ref: TitleRef, sort: str = "oldest") -> str:
    """Return the path of a title's top-level comments.

    >>> from jobs.trakt.model import TitleRef
    >>> title_comments(TitleRef("movie", 1001))
    '/movies/1001/comments/oldest'
    """
    return f"{_title(ref)}/comments/{_word(sort)}"


def ratings(ref: TitleRef) -> str:
    """Return the path of a title's ratings."""
    return f"{_title(ref)}/ratings"


def summary(ref: TitleRef) -> str:
    """Return the path of a title; query it with ``extended=full``."""
    return _title(ref)


def lookup(kind: TitleKind, name: str) -> str:
    """Return the path of a title by a slug or an IMDb id (untrusted text).

    The API takes a slug of digits for an id: compare the answer's ``ids.slug``.

    Raises:
        ValueError: the name is empty, longer than 200 characters, or only dots.
    """
    if not name.strip(". ") or len(name) > 200:  # noqa: PLR2004 - the longest slugs have some 120
        raise ValueError("not a slug; expected one such as dune-2021")
    return f"/{_FOLDERS[kind]}/{quote(name, safe='')}"


def comment(comment_id: int) -> str:
    """Return the path of one comment."""
    return f"/comments/{int(comment_id)}"


def replies(comment_id: int) -> str:
    """Return the path of the replies to a comment."""
    return f"/comments/{int(comment_id)}/replies"


def feed(name: str = "updates", comments: str = "all", subjects: str = "all") -> str:
    """Return the path of a feed: recent, updates or trending comments of all titles.

    >>> feed("updates")
    '/comments/updates/all/all'
    """
    return f"/comments/{_word(name)}/{_word(comments)}/{_word(subjects)}"


def _title(ref: TitleRef) -> str:
    return f"/{_FOLDERS[ref.kind]}/{int(ref.trakt_id)}"


def _word(text: str) -> str:
    if not (text.isascii() and text.replace("_", "").isalnum()):
        raise ValueError(f"{text!r} is not a path segment; expected a word such as oldest")
    return text
