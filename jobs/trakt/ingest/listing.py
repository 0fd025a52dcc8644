"""Read what an answer says about itself: ids, times and subjects of its comments, and the counts of its headers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from jobs.trakt.contract.parse import Unreadable, parse
from jobs.trakt.ingest.sweep import Facts
from jobs.trakt.model import TitleRef

if TYPE_CHECKING:
    from jobs.trakt.api.answer import Answer

__all__ = ["Entry", "Listing", "entries", "read_list", "whole"]

_LARGEST: Final = 2**63


@dataclass(frozen=True, slots=True)
class Entry:
    """A comment on a page.

    Attributes:
        id: its id.
        created: when it was written, as the API writes it; empty if that is not text.
        updated: when it was last edited.
        replies: how many replies it has.
        ref: the movie or show that it is about, if the item says so, also through a season or an episode.
        about: movie, show, season, episode or another type; None for an item without its subject.
    """

    id: int
    created: str
    updated: str
    replies: int
    ref: TitleRef | None
    about: str | None


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of comments.

    Attributes:
        entries: comments with an id.
        rows: items, with and without an id.
        facts: for the planner.
    """

    entries: tuple[Entry, ...]
    rows: int
    facts: Facts

    @property
    def by_update(self) -> Facts:
        """The same facts with the times of the last edits, by which a feed of updates is sorted."""
        return replace(self.facts, created=tuple(each.updated for each in self.entries))


def read_list(answer: Answer) -> Listing:
    """Return the comments and counts of a page.

    Raises:
        Unreadable: the body is not a JSON list.
    """
    items = parse(answer.body).value
    if not isinstance(items, list):
        raise Unreadable("NOT_A_LIST", "the answer is a single value; expected a list")
    found = tuple(entries(items))
    facts = Facts(
        tuple(each.id for each in found),
        page_count=answer.page_count,
        item_count=answer.item_count,
        limit=answer.page_limit or None,
        page=answer.page,
        created=tuple(each.created for each in found),
        at=answer.observed_at,
    )
    return Listing(found, len(items), facts)


def entries(items: list[Any]) -> list[Entry]:
    """Return the comments of a list, bare or wrapped with their subject; items without an id are left out."""
    found = []
    for item in items:
        if not isinstance(item, dict):
            continue
        inner = item.get("comment")
        is_wrapped = isinstance(inner, dict)
        comment: dict[str, Any] = inner if is_wrapped and isinstance(inner, dict) else item
        number = whole(comment.get("id"))
        if number is None:
            continue
        created, updated = comment.get("created_at"), comment.get("updated_at")
        created = created if isinstance(created, str) else ""
        about = item.get("type") if is_wrapped else None
        found.append(
            Entry(
                number,
                created,
                updated if isinstance(updated, str) else created,
                whole(comment.get("replies")) or 0,
                _subject(item) if is_wrapped else None,
                about if isinstance(about, str) else None,
            )
        )
    return found


def _subject(item: dict[str, Any]) -> TitleRef | None:
    for kind in ("movie", "show"):
        title = item.get(kind)
        ids = title.get("ids") if isinstance(title, dict) else None
        number = whole(ids.get("trakt")) if isinstance(ids, dict) else None
        if number:
            return TitleRef("movie" if kind == "movie" else "show", number)
    return None


def whole(value: Any) -> int | None:
    """Return a value if it is a whole number that a 64-bit column can hold, 0 or more; else None."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value < _LARGEST else None
