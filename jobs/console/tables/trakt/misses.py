"""Missed title-days: what counts as missed by an objective, and the misses of one day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from datetime import date, datetime

    from jobs.console.tables.trakt.objectives import Objective
    from shared.database.session import DatabaseSession

__all__ = ["MISSED", "REASONS_OF_PAGES", "SOURCE", "first_misses", "fresh_again", "groups"]

MISSED: Final = {"trakt-freshness": "NOT t.is_fresh", "trakt-pages": "t.pages_landed < t.pages_planned"}
"""Objective -> condition of a missed row of ``gold.trakt_slo_titles t``; each has a partial index."""

SOURCE: Final = (
    "gold.trakt_slo_titles t LEFT JOIN gold.trakt_titles n"
    " ON n.title_kind = t.title_kind AND n.title_id_trakt = t.title_id_trakt"
)
"""FROM clause of title-days with the names of their titles."""

REASONS_OF_PAGES: Final = (
    "ARRAY(SELECT DISTINCT p.reason FROM trakt.day_pages p WHERE p.day = t.day AND p.kind = t.title_kind"
    " AND p.trakt_id = t.title_id_trakt AND NOT p.landed ORDER BY 1)"
)
"""SQL for the reasons of the missing pages of a title-day; for the rows of a page only, not for a whole list."""


def groups(database: DatabaseSession, where: str, values: dict[str, Any], most: int) -> list[Any]:
    """Return the numbers of missed title-days by day, kind and reason, over the first ones found.

    One pass for all facets: three with 10,000 rows each took longer than the rest of the page.

    Args:
        database: an open transaction.
        where: WHERE clause on ``gold.trakt_slo_titles t``: trusted SQL.
        values: its values.
        most: rows to count.
    """
    return database.rows(
        "SELECT day, title_kind AS kind, reason, count(*) AS number"  # noqa: S608
        f" FROM (SELECT t.day, t.title_kind, t.reason FROM gold.trakt_slo_titles t {where} LIMIT :rows_wanted) AS found"
        " GROUP BY day, title_kind, reason",
        **values,
        rows_wanted=most,
    )


def first_misses(database: DatabaseSession, objective: Objective, day: date, most: int) -> list[Any]:
    """Return the first missed titles of a day: kind, id, title, minutes late and reasons.

    Args:
        database: an open transaction.
        objective: the objective.
        day: the day.
        most: the most titles to return.
    """
    reasons = "ARRAY[t.reason]" if objective.has_budget else REASONS_OF_PAGES
    return database.rows(
        f"SELECT t.title_kind, t.title_id_trakt, n.title, t.minutes_late, {reasons} AS reasons FROM {SOURCE}"  # noqa: S608
        f" WHERE {MISSED[objective.name]} AND t.day = CAST(:day AS date)"
        " ORDER BY t.title_kind, t.title_id_trakt LIMIT :most",
        day=day,
        most=most,
    )


def fresh_again(database: DatabaseSession, day: date) -> datetime | None:
    """Return when the last missed title of a day became fresh on it; None if some did not."""
    (row,) = database.rows(
        "SELECT max(fresh_at) AS fresh_at, bool_and(fresh_at IS NOT NULL) AS is_each"
        " FROM gold.trakt_slo_titles WHERE NOT is_fresh AND day = CAST(:day AS date)",
        day=day,
    )
    return row.fresh_at if row.is_each else None
