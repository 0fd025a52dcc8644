"""Trakt's titles in gold: peer groups, the points of a plot, names and search."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from jobs.console.tables.runs.ledger import like
from jobs.console.tables.trakt.meanings import age_order, name_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from shared.database.session import DatabaseSession

__all__ = ["Group", "Points", "days", "details", "genres", "groups", "names", "points", "with_prefix"]

_TABLE: Final = "gold.trakt_quadrants_daily"
_CODES: Final = {"phenomenon": "p", "broad_hit": "h", "cult": "c", "quiet": "q", "borderline": "b", "insufficient": "i"}
_STATES: Final = {code: name for name, code in _CODES.items()}
_WANTED: Final = (
    "(SELECT unnest(CAST(:kinds AS text[])) AS title_kind, unnest(CAST(:ids AS bigint[])) AS title_id_trakt) wanted"
)
_MOST_GENRES: Final = 12


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
    return sorted(found.values(), key=lambda group: (group.kind, *age_order(group.age_band)))


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
        f"SELECT title_kind, title_id_trakt, title, year FROM gold.trakt_titles JOIN {_WANTED}"  # noqa: S608
        " USING (title_kind, title_id_trakt)",
        kinds=[kind for kind, _ in keys],
        ids=[number for _, number in keys],
    )
    found = {(row.title_kind, row.title_id_trakt): name_of(row) for row in rows}
    return {key: found.get(key, f"{key[0]} {key[1]}") for key in keys}


def details(database: DatabaseSession, keys: Sequence[tuple[str, int]], as_of: date) -> dict[tuple[str, int], Any]:
    """Return name, year, half-life and hold-up of titles, as of a day."""
    rows = database.rows(
        f"SELECT title_kind, title_id_trakt, t.title, t.year, m.half_life_days, m.hold_up FROM {_WANTED}"  # noqa: S608
        " LEFT JOIN gold.trakt_titles t USING (title_kind, title_id_trakt)"
        " LEFT JOIN (SELECT title_kind, title_id_trakt, half_life_days, hold_up FROM gold.trakt_metrics_daily"
        " WHERE as_of = :as_of) m USING (title_kind, title_id_trakt)",
        kinds=[kind for kind, _ in keys],
        ids=[number for _, number in keys],
        as_of=as_of,
    )
    return {(row.title_kind, row.title_id_trakt): row for row in rows}


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


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
