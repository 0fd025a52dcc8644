"""Decide what a run asks for: which titles are swept, and whose ratings are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.trakt.ingest.sweep import LIMIT
from jobs.trakt.model import TitleRef

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from jobs.trakt.ingest.titles import Title
    from shared.database.session import DatabaseSession

__all__ = ["Work", "estimate", "fresh", "pages_of", "unrated", "works"]


@dataclass(frozen=True, slots=True)
class Work:
    """The requests for one title.

    Attributes:
        ref: the title.
        sweep: whether all its comments are read.
        rating: whether its ratings are read.
        summary: whether the title itself is read.
        replies: comments whose replies a killed run had planned to read.
    """

    ref: TitleRef
    sweep: bool
    rating: bool
    summary: bool
    replies: tuple[int, ...] = ()


def works(
    titles: Iterable[Title],
    *,
    due: Collection[TitleRef],
    rated: Collection[TitleRef] = (),
    all_ratings: bool = False,
    owed: Mapping[TitleRef, Sequence[int]] | None = None,
) -> list[Work]:
    """Return what is asked for, sweeps first: they take longest, and other connections read the rest meanwhile.

    Args:
        titles: the watch list.
        due: titles to be swept besides those whose time has come.
        rated: titles whose ratings are read besides those that are swept.
        all_ratings: whether all ratings are read.
        owed: comments whose replies a killed run had planned to read.
    """
    found = {}
    for title in titles:
        sweep = title.is_due or title.ref in due
        rating = sweep or ((all_ratings or title.ref in rated) and title.state != "gone")
        replies = tuple((owed or {}).get(title.ref, ()))
        if sweep or rating or replies:
            found[title.ref] = Work(title.ref, sweep, rating, sweep and not title.is_fresh, replies)
    sizes = {title.ref: pages_of(title) for title in titles}
    return sorted(found.values(), key=lambda each: (not each.sweep, -sizes[each.ref], each.ref))


def pages_of(title: Title) -> int:
    """Return the pages that a sweep of a title is expected to have, at least 1."""
    stated = -(-(title.comments or 0) // LIMIT)
    return max(stated if title.last_pages is None else title.last_pages, 1)


def estimate(titles: Iterable[Title], plan: Iterable[Work]) -> int:
    """Return the requests that a plan is expected to need, without retries."""
    sizes = {title.ref: pages_of(title) for title in titles}
    return sum((sizes[each.ref] if each.sweep else 0) + each.rating + each.summary + len(each.replies) for each in plan)


def unrated(session: DatabaseSession) -> set[TitleRef]:
    """Return titles whose ratings are owed: in the last 7 days, the feed named them, or a read failed or was skipped.

    A run that is killed after reading the feed or a listing leaves such titles, and the next read does not name them.
    """
    rows = session.rows(
        """
        SELECT n.kind, n.trakt_id FROM trakt.named_titles n
        JOIN trakt.sweeps s ON s.sweep_id = n.sweep_id AND s.resource = 'feed'
        WHERE named_at > now() - interval '7 days'
        GROUP BY n.kind, n.trakt_id
        HAVING NOT EXISTS (
            SELECT 1 FROM trakt.pages p
            WHERE p.resource = 'rating' AND p.kind = n.kind AND p.trakt_id = n.trakt_id AND p.status = 'good'
                AND p.planned_at >= max(n.named_at)
        )
        UNION
        SELECT kind, trakt_id FROM (
            SELECT DISTINCT ON (kind, trakt_id) kind, trakt_id, status, reason FROM trakt.pages
            WHERE resource = 'rating' AND planned_at > now() - interval '7 days' ORDER BY kind, trakt_id, page_id DESC
        ) AS last
        WHERE status IN ('failed', 'skipped') AND reason NOT IN ('BUSY', 'NOT_FOUND')
        """
    )
    return {TitleRef(row.kind, row.trakt_id) for row in rows}


def fresh(session: DatabaseSession, hours: float, since: datetime | None) -> set[TitleRef]:
    """Return the titles that were read completely in the last hours, or as completely as ``since`` allows."""
    rows = session.rows(
        """
        SELECT DISTINCT kind, trakt_id FROM trakt.sweeps
        WHERE resource = 'comments' AND ended_at > now() - make_interval(secs => :seconds)
            AND (complete OR (reason = 'PARTIAL_WINDOW' AND since = CAST(:since AS timestamptz)))
        """,
        seconds=hours * 3600,
        since=since,
    )
    return {TitleRef(row.kind, row.trakt_id) for row in rows}
