"""One Trakt title in gold: metrics with intervals, quadrants over time, and where they come from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jobs.console.tables.trakt.meanings import METRICS, WINDOWS

if TYPE_CHECKING:
    from datetime import date

    from shared.database.session import DatabaseSession

__all__ = [
    "Figure",
    "comments_by_day",
    "figures",
    "metrics",
    "over_time",
    "title",
    "versions",
    "watched",
    "windows",
]

_TABLE: Final = "gold.trakt_quadrants_daily"
_MOST_VERSIONS: Final = 8
# About three years of days.
_MOST_DAYS: Final = 1_100


@dataclass(frozen=True, slots=True)
class Figure:
    """A metric with the number of observations, its interval, and the reason if it has no value."""

    name: str
    n: int | None
    value: float | None
    low: float | None
    high: float | None
    reason: str | None


def title(database: DatabaseSession, kind: str, number: int) -> Any | None:
    """Return a title as last observed, or None."""
    rows = database.rows(
        "SELECT * FROM gold.trakt_titles WHERE title_kind = :kind AND title_id_trakt = :number",
        kind=kind,
        number=number,
    )
    return rows[0] if rows else None


def metrics(database: DatabaseSession, kind: str, number: int, as_of: date | None) -> Any | None:
    """Return the metrics of a title as of a day, or of its last one; None without any."""
    rows = database.rows(
        "SELECT * FROM gold.trakt_metrics_daily WHERE title_kind = :kind AND title_id_trakt = :number"
        " AND as_of <= coalesce(CAST(:as_of AS date), 'infinity') ORDER BY as_of DESC LIMIT 1",
        kind=kind,
        number=number,
        as_of=as_of,
    )
    return rows[0] if rows else None


def figures(row: Any) -> dict[str, Figure]:
    """Return the metrics of a row of :func:`metrics` by name."""
    parts = ("_n", "", "_low", "_high", "_reason")
    return {name: Figure(name, *(_finite(getattr(row, f"{name}{part}")) for part in parts)) for name in METRICS}


def windows(database: DatabaseSession, kind: str, number: int, as_of: date) -> list[Any]:
    """Return quadrant and engagement of a title as of a day, one row per period, the shortest first."""
    return database.rows(
        f"SELECT q.*, e.comments, e.replies, e.reviews, e.spoilers, e.likes, e.rating_mean FROM {_TABLE} q"  # noqa: S608
        " LEFT JOIN gold.trakt_engagement_daily e USING (title_kind, title_id_trakt, as_of, period)"
        " WHERE q.title_kind = :kind AND q.title_id_trakt = :number AND q.as_of = :as_of"
        " ORDER BY array_position(CAST(:windows AS text[]), q.period)",
        kind=kind,
        number=number,
        as_of=as_of,
        windows=list(WINDOWS),
    )


def over_time(database: DatabaseSession, kind: str, number: int, window: str) -> list[Any]:
    """Return the quadrants of a title over one window, for its last 1,100 days, in order."""
    return database.rows(
        "SELECT as_of, age_band, quadrant, reason, n, peers, breadth, breadth_median, intensity, intensity_low,"  # noqa: S608
        f" intensity_high, intensity_median FROM (SELECT * FROM {_TABLE} WHERE title_kind = :kind"
        " AND title_id_trakt = :number AND period = :window ORDER BY as_of DESC LIMIT :most) last ORDER BY as_of",
        kind=kind,
        number=number,
        window=window,
        most=_MOST_DAYS,
    )


def comments_by_day(database: DatabaseSession, kind: str, number: int, until: date) -> list[tuple[date, int]]:
    """Return the days with comments on a title up to a day, and their numbers; replies are left out."""
    rows = database.rows(
        "SELECT day, comments FROM gold.trakt_comments_daily WHERE title_kind = :kind AND title_id_trakt = :number"
        " AND day <= :until AND comments > 0 ORDER BY day",
        kind=kind,
        number=number,
        until=until,
    )
    return [(row.day, row.comments) for row in rows]


def versions(database: DatabaseSession) -> list[Any]:
    """Return the last published versions, the newest first, and whether the ledger still has their runs."""
    return database.rows(
        "SELECT version_id, bronze_version, project_hash, as_of, build_id, source_system, run_id, published_at,"
        " EXISTS (SELECT FROM pipeline.runs r WHERE r.run_id = v.run_id) AS has_run"
        " FROM gold.trakt_versions v ORDER BY version_id DESC LIMIT :most",
        most=_MOST_VERSIONS,
    )


def watched(database: DatabaseSession, kind: str, number: int) -> Any | None:
    """Return the row of the watch list, which maps names to Trakt's id, or None."""
    rows = database.rows(
        "SELECT names[1:20] AS names, cardinality(names) AS names_total, slug, imdb, tmdb, title, year, state,"
        " not_found_days[1:10] AS not_found_days, resolved_at, tracked_since, state_since FROM trakt.titles"
        " WHERE kind = :kind AND trakt_id = :number",
        kind=kind,
        number=number,
    )
    return rows[0] if rows else None


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
