"""Counts of the pages of a run for its report: what was read, and what is missing from which title."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from jobs.trakt.model import TitleRef
from shared.database.session import transaction

if TYPE_CHECKING:
    from shared.settings.database import DatabaseSettings

__all__ = ["MissingPages", "missing_pages", "page_counts"]


class MissingPages(NamedTuple):
    """Pages of one title, resource and reason that were planned and not read.

    Attributes:
        ref: the title; None for the feed.
        name: its name; empty if it has none yet.
        resource: the resource of the pages.
        reason: why they were not read.
        pages: their number.
    """

    ref: TitleRef | None
    name: str
    resource: str
    reason: str
    pages: int


def page_counts(settings: DatabaseSettings, run_id: str) -> Counter[tuple[str, str, str]]:
    """Return the pages of a run by resource, status and reason; an empty reason stands for none."""
    with transaction(settings) as session:
        rows = session.rows(
            """
            SELECT resource, status, coalesce(reason, '') AS reason, count(*) AS pages FROM trakt.pages
            WHERE run_id = :run_id GROUP BY 1, 2, 3
            """,
            run_id=run_id,
        )
    return Counter({(row.resource, row.status, row.reason): row.pages for row in rows})


def missing_pages(settings: DatabaseSettings, run_id: str, limit: int) -> list[MissingPages]:
    """Return what a run did not read, most pages first.

    Args:
        settings: where the database is.
        run_id: the run.
        limit: the most entries to return.
    """
    with transaction(settings) as session:
        rows = session.rows(
            """
            SELECT kind, trakt_id, coalesce(t.title, t.slug, '') AS name, resource, coalesce(reason, status) AS reason,
                count(*) AS pages
            FROM trakt.pages LEFT JOIN trakt.titles t USING (kind, trakt_id)
            WHERE run_id = :run_id AND status NOT IN ('good', 'good_empty')
            GROUP BY 1, 2, 3, 4, 5 ORDER BY pages DESC, kind, trakt_id, resource, reason LIMIT :limit
            """,
            run_id=run_id,
            limit=limit,
        )
    return [
        MissingPages(
            TitleRef(row.kind, row.trakt_id) if row.kind else None, row.name, row.resource, row.reason, row.pages
        )
        for row in rows
    ]
