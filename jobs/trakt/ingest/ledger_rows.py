"""Values that the page ledger takes and returns: listings, documents, sweeps, planned rows, outcomes, loads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from jobs.trakt.ingest.sweep import Known
    from jobs.trakt.model import TitleRef

__all__ = ["Busy", "LeftLoad", "OpenSweep", "Outcome", "Planned", "Single", "Target", "title_columns"]


class Busy(Exception):
    """Another process reads this listing now."""


@dataclass(frozen=True, slots=True)
class Target:
    """A listing: the comments of a title, the replies to a comment, or a feed.

    Attributes:
        resource: ``comments``, ``replies`` or ``feed``.
        ref: the title; None for a feed.
        comment_id: the comment that was replied to.
        sort: sort order; of a feed, its name.
        since: older comments are not asked for.
        first_page: only the first page is asked for.
        most: at most this many pages are asked for; None for all.
    """

    resource: str
    ref: TitleRef | None
    comment_id: int | None = None
    sort: str = "oldest"
    since: datetime | None = None
    first_page: bool = False
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Single:
    """A document that is not a list: a rating, a title or a comment."""

    resource: str
    ref: TitleRef | None
    comment_id: int | None = None


@dataclass(frozen=True, slots=True)
class OpenSweep:
    """A sweep that this process may read.

    Attributes:
        sweep_id: its number.
        known: pages that an interrupted run had read.
        started: time of its first answer.
        hint: the last page with comments in the previous complete sweep.
        keys: page objects of the known pages.
    """

    sweep_id: int
    known: tuple[Known, ...] = ()
    started: datetime | None = None
    hint: int = 0
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Planned:
    """A planned row of a run that has ended; its page object may exist."""

    page_id: int
    load_id: str
    resource: str
    ref: TitleRef | None
    comment_id: int | None
    sort: str | None
    page: int
    page_limit: int
    in_sweep: bool


@dataclass(frozen=True, slots=True)
class LeftLoad:
    """A load whose process ended before all pages that it had planned were settled.

    Attributes:
        load_id: its id.
        is_committed: whether it is in the table; if so, only its planned rows remain to be settled.
    """

    load_id: str
    is_committed: bool


@dataclass(slots=True)
class Outcome:
    """The outcome of a page; the names are those of columns of trakt.pages."""

    page_id: int
    status: str
    load_id: str
    reason: str | None = None
    rows: int | None = None
    bad: int | None = None
    duplicates: int = 0
    bytes: int = 0
    ms: int = 0
    attempts: int = 0
    throttled: int = 0
    http_status: int | None = None
    observed_at: str | None = None
    page_key: str | None = None
    first_id: int | None = None
    last_id: int | None = None
    ids: list[int] | None = field(default=None)
    page_count: int | None = None
    item_count: int | None = None


def title_columns(ref: TitleRef | None) -> dict[str, Any]:
    """Return the columns that name a title, which are NULL without one."""
    return {"kind": ref.kind if ref else None, "trakt_id": ref.trakt_id if ref else None}
