"""Trakt's titles in gold: quadrants among peers, metrics with intervals, and where they come from."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from jobs.console.tables.ledger import like

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from shared.database.session import DatabaseSession

__all__ = [
    "METRICS",
    "QUADRANTS",
    "REASONS",
    "WINDOWS",
    "Figure",
    "Group",
    "Points",
    "age_words",
    "comments_by_day",
    "days",
    "details",
    "figures",
    "genres",
    "groups",
    "metrics",
    "name_of",
    "names",
    "over_time",
    "points",
    "quadrant_words",
    "reason_words",
    "title",
    "versions",
    "watched",
    "windows",
    "with_prefix",
]

WINDOWS: Final = ("7d", "28d", "90d", "all")

QUADRANTS: Final = {
    "phenomenon": "many people, who comment often",
    "broad_hit": "many people, who comment once",
    "cult": "few people, who comment often",
    "quiet": "few people, who comment once",
    "borderline": "too close to a median to tell the side",
    "insufficient": "too few comments or peers to tell",
}
"""Quadrant -> meaning, among the peers of a title."""

REASONS: Final = {
    "NO_DATA": "there is nothing to compute it from",
    "TOO_FEW": "there are fewer than {n_min} comments",
    "TOO_FEW_FIRST": "the first window has too few ratings",
    "TOO_FEW_LAST": "the last window has too few ratings",
    "TOO_FEW_PEERS": "too few titles of the peer group have {n_min} comments, so it has no medians",
    "COUNTS_INVALID": "a count is missing or not valid",
    "PEERS_INVALID": "the figures of the peer group are missing or not positive",
    "AGE_INVALID": "the age of the title is not known",
    "TOO_YOUNG": "the title is younger than the days that the figure covers",
    "WINDOWS_OVERLAP": "the title is so young that its first and last windows would overlap",
    "MOSTLY_OUTSIDE": "more than half of the comments were written before the release",
    "NO_DECAY": "the comments do not become fewer, so no decay can be estimated",
    "ALL_AT_START": "all comments were written at the start, which fits any short half-life",
    "NEAR_MEDIAN": "it is too close to a median: the side is less than 80 % probable",
    "SHARE_INVALID": "the share or the horizon is not valid",
}
"""Code of a missing figure -> words."""

METRICS: Final = {
    "half_life_days": "half-life",
    "t50_days": "t50, of the first 90 days",
    "t80_days": "t80, of the first 90 days",
    "t50_year_days": "t50, of the first 365 days",
    "t80_year_days": "t80, of the first 365 days",
    "retention": "retention",
    "hold_up": "hold-up",
    "breadth": "breadth",
    "intensity": "intensity",
}
"""Metric -> label."""

_TABLE: Final = "gold.trakt_quadrants_daily"
_CODES: Final = {"phenomenon": "p", "broad_hit": "h", "cult": "c", "quiet": "q", "borderline": "b", "insufficient": "i"}
_STATES: Final = {code: name for name, code in _CODES.items()}
_MOST_GENRES: Final = 12
_MOST_VERSIONS: Final = 8
# About three years of days.
_MOST_DAYS: Final = 1_100


@dataclass(slots=True)
class Group:
    """Titles of one kind and age band, which are each other's peers, and the lines between their quadrants.

    Attributes:
        kind: ``movie`` or ``show``.
        age_band: days since the release, such as ``90-365``.
        peers: titles behind the medians, whether or not they match the filters.
        n_min: comments that a peer needs.
        breadth_median: the vertical line; None if there are too few peers.
        intensity_median: the horizontal line, likewise.
        counts: titles that match the filters, by quadrant.
        reasons: those without a side, by reason.
    """

    kind: str
    age_band: str
    peers: int = 0
    n_min: int = 0
    breadth_median: float | None = None
    intensity_median: float | None = None
    counts: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Number of titles."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Points:
    """Titles of one peer group that have a place in a plot: ids, breadth, intensity and states, one per title.

    Attributes:
        kind: ``movie`` or ``show``.
        ids: Trakt ids.
        breadth: finite values of at least 0.
        intensity: likewise.
        states: quadrants.
        breadth_median: the vertical line, or None.
        intensity_median: the horizontal line, or None.
    """

    kind: str
    ids: list[int]
    breadth: list[float]
    intensity: list[float]
    states: list[str]
    breadth_median: float | None
    intensity_median: float | None


@dataclass(frozen=True, slots=True)
class Figure:
    """A metric with the number of observations, its interval, and the reason if it has no value."""

    name: str
    n: int | None
    value: float | None
    low: float | None
    high: float | None
    reason: str | None


def days(database: DatabaseSession) -> tuple[date, date] | None:
    """Return the first and the last day with quadrants, or None."""
    (row,) = database.rows(f"SELECT min(as_of) AS first, max(as_of) AS last FROM {_TABLE}")  # noqa: S608
    return None if row.last is None else (row.first, row.last)


def groups(database: DatabaseSession, source: str, where: str, values: Mapping[str, Any]) -> list[Group]:
    """Return the peer groups of the matching titles, movies first, by age.

    Args:
        database: an open transaction.
        source: FROM clause, in which ``q`` is the table of quadrants.
        where: WHERE clause: one day and one period, among others.
        values: its values.
    """
    rows = database.rows(
        "SELECT q.title_kind, q.age_band, q.quadrant, q.reason, count(*) AS number, max(q.peers) AS peers,"  # noqa: S608
        " max(q.n_min) AS n_min, max(q.breadth_median) AS breadth_median, max(q.intensity_median) AS intensity_median"
        f" FROM {source} {where} GROUP BY 1, 2, 3, 4",
        **values,
    )
    found: dict[tuple[str, str], Group] = {}
    for row in rows:
        group = found.setdefault((row.title_kind, row.age_band), Group(row.title_kind, row.age_band))
        group.peers, group.n_min = max(group.peers, row.peers), max(group.n_min, row.n_min)
        group.breadth_median = _finite(row.breadth_median) if group.breadth_median is None else group.breadth_median
        if group.intensity_median is None:
            group.intensity_median = _finite(row.intensity_median)
        group.counts[row.quadrant] = group.counts.get(row.quadrant, 0) + row.number
        if row.reason is not None:
            group.reasons[row.reason] = group.reasons.get(row.reason, 0) + row.number
    return sorted(found.values(), key=lambda group: (group.kind, *_age_order(group.age_band)))


def genres(database: DatabaseSession, source: str, where: str, values: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Return the most frequent genres of the matching titles, with their numbers; ``source`` contains ``t``."""
    rows = database.rows(
        f"SELECT genre, count(*) AS number FROM {source} CROSS JOIN LATERAL unnest(t.genres) AS genre {where}"  # noqa: S608
        " GROUP BY genre ORDER BY count(*) DESC, genre LIMIT :most_genres",
        **values,
        most_genres=_MOST_GENRES,
    )
    return [(row.genre, row.number) for row in rows]


def points(database: DatabaseSession, source: str, where: str, values: Mapping[str, Any]) -> list[Points]:
    """Return the matching titles that have breadth and intensity, by peer group.

    They are read as arrays: 20,000 rows took twice as long.
    """
    code = " ".join(f"WHEN '{name}' THEN '{code}'" for name, code in _CODES.items())
    rows = database.rows(
        "SELECT q.title_kind, max(q.breadth_median) AS breadth_median, max(q.intensity_median) AS intensity_median,"  # noqa: S608
        " array_agg(q.title_id_trakt) AS ids, array_agg(q.breadth) AS breadth, array_agg(q.intensity) AS intensity,"
        f" string_agg(CASE q.quadrant {code} END, '') AS states FROM {source} {where}"
        # NaN is above infinity.
        " AND q.breadth >= 0 AND q.breadth < 'infinity' AND q.intensity >= 0 AND q.intensity < 'infinity'"
        " GROUP BY q.title_kind, q.age_band ORDER BY q.title_kind, q.age_band",
        **values,
    )
    return [
        Points(
            row.title_kind,
            row.ids,
            row.breadth,
            row.intensity,
            [_STATES[code] for code in row.states],
            _finite(row.breadth_median),
            _finite(row.intensity_median),
        )
        for row in rows
    ]


def names(database: DatabaseSession, keys: Sequence[tuple[str, int]]) -> dict[tuple[str, int], str]:
    """Return the names of titles with their years; titles without one have their id."""
    if not keys:
        return {}
    rows = database.rows(
        "SELECT title_kind, title_id_trakt, title, year FROM gold.trakt_titles JOIN"
        " (SELECT unnest(CAST(:kinds AS text[])) AS title_kind, unnest(CAST(:ids AS bigint[])) AS title_id_trakt) wanted"
        " USING (title_kind, title_id_trakt)",
        kinds=[kind for kind, _ in keys],
        ids=[number for _, number in keys],
    )
    found = {(row.title_kind, row.title_id_trakt): name_of(row) for row in rows}
    return {key: found.get(key, f"{key[0]} {key[1]}") for key in keys}


def details(database: DatabaseSession, keys: Sequence[tuple[str, int]], as_of: date) -> dict[tuple[str, int], Any]:
    """Return name, year, half-life and hold-up of titles, as of a day."""
    rows = database.rows(
        "SELECT title_kind, title_id_trakt, t.title, t.year, m.half_life_days, m.hold_up FROM"
        " (SELECT unnest(CAST(:kinds AS text[])) AS title_kind, unnest(CAST(:ids AS bigint[])) AS title_id_trakt) wanted"
        " LEFT JOIN gold.trakt_titles t USING (title_kind, title_id_trakt)"
        " LEFT JOIN (SELECT title_kind, title_id_trakt, half_life_days, hold_up FROM gold.trakt_metrics_daily"
        " WHERE as_of = :as_of) m USING (title_kind, title_id_trakt)",
        kinds=[kind for kind, _ in keys],
        ids=[number for _, number in keys],
        as_of=as_of,
    )
    return {(row.title_kind, row.title_id_trakt): row for row in rows}


def name_of(row: Any) -> str:
    """Return the name of a title, its year and kind if it has none."""
    if not row.title:
        return f"{row.title_kind} {row.title_id_trakt}"
    return f"{row.title} ({row.year})" if row.year else str(row.title)


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


def with_prefix(database: DatabaseSession, text: str, most: int) -> list[Any]:
    """Return titles whose name or slug starts with a text, in any case, or whose id it is."""
    return database.rows(
        "SELECT title_kind, title_id_trakt, title, year, slug FROM gold.trakt_titles WHERE title ILIKE :prefix"
        " OR slug ILIKE :prefix OR imdb_id = :whole OR title_id_trakt::text = :whole"
        " ORDER BY votes DESC NULLS LAST, title_kind, title_id_trakt LIMIT :most",
        prefix=like(text),
        whole=text,
        most=most,
    )


def quadrant_words(quadrant: str) -> str:
    """Return the name of a quadrant as words."""
    return quadrant.replace("_", " ")


def reason_words(reason: str | None, n_min: int | None) -> str:
    """Return why a figure is missing, in words; an unknown code is returned as it is."""
    if reason is None:
        return ""
    return REASONS.get(reason, reason).format(n_min="enough" if n_min is None else n_min)


def age_words(band: str) -> str:
    """Return an age band as words.

    >>> age_words("90-365"), age_words("1095-"), age_words("unknown")
    ('90 to 365 days old', '1095 days or older', 'of unknown age')
    """
    first, dash, last = band.partition("-")
    if not dash or not first.isdigit() or not (last.isdigit() or not last):
        return "of unknown age" if band == "unknown" else band
    return f"{first} to {last} days old" if last else f"{first} days or older"


def _age_order(band: str) -> tuple[float, str]:
    first = band.partition("-")[0]
    return (float(first), band) if first.isdigit() else (math.inf, band)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
