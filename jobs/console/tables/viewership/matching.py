"""Figures of matching: fates by week, platform and upload, times of phases, and the titles with most hours."""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from shared.report.sections import Part

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shared.database.session import DatabaseSession

__all__ = [
    "DAYS",
    "FATES",
    "PARTS",
    "Found",
    "Scope",
    "Sums",
    "Total",
    "figures",
    "phases",
    "platforms",
    "recent",
    "slowest",
    "titles",
    "total",
]

DAYS: Final = 30
"""Days that phase times and counts of uploads cover."""

FATES: Final = (
    *(Part("final", "blue-2"), Part("review", "amber"), Part("unmatched", "red"), Part("held", "brown")),
    *(Part("rejected", "dark-red"), Part("filtered", "gray"), Part("topline", "light-gray")),
)
"""Fates of rows with their colours, which are those of viewership's reports."""

_BUCKETS: Final = (
    *(Part("FULL_DATA", "blue-1"), Part("REF_ID_SERIES", "blue-2"), Part("REF_ID_ONLY", "blue-3")),
    *(Part("SERIES_SEASON_EPISODE", "teal-1"), Part("SERIES_ONLY", "teal-2"), Part("TITLE_ONLY", "teal-3")),
    *(Part("FUZZY", "violet-1"), Part("ALIAS", "violet-2"), Part("DECISION", "violet-3")),
)
PARTS: Final = (*_BUCKETS, *FATES[1:])
"""The buckets of final rows, then the other fates, as in viewership's reports."""

_KNOWN: Final = frozenset(part.name for part in PARTS)
_OPEN: Final = ("review", "unmatched")
_ZERO: Final = Decimal()
# Before that, every row would count as unmatched.
_MATCHED: Final = "('matched', 'loaded', 'partial')"
_MOST: Final = 20


@dataclass(frozen=True, slots=True)
class Scope:
    """The filters of the page.

    Attributes:
        platform: only this platform.
        upload_id: only this upload.
        first: only rows of the week of this day and later; None: all rows, also those without a week.
        last: only rows of the week of this day and earlier.
    """

    platform: str | None = None
    upload_id: int | None = None
    first: date | None = None
    last: date | None = None

    def values(self) -> dict[str, Any]:
        """Return the parameters of the queries."""
        first = None if self.first is None else self.first - timedelta(days=self.first.weekday())
        return {"platform": self.platform, "upload": self.upload_id, "first": first, "last": self.last}


@dataclass(slots=True)
class Sums:
    """Rows and hours of a group: a week, a platform, a bucket or an upload.

    The match rate is the share of final rows among those that are final, in review or unmatched, as in viewership's
    reports: held rows lack a deal or a value, not an episode.

    Attributes:
        key: the group.
        units: rows by fate, or by part.
        hours: hours, likewise.
        row: further columns of an upload.
    """

    key: Any
    units: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    hours: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    row: Any = None

    def add(self, name: str, units: int, hours: Decimal) -> None:
        """Add rows of a fate."""
        self.units[name] += units
        self.hours[name] += hours

    @property
    def of_units(self) -> Decimal | None:
        """The match rate in rows, 0 to 1; None if there was nothing to match."""
        return _rate(Decimal(self.units.get("final", 0)), Decimal(sum(self.units.get(name, 0) for name in _ASKED)))

    @property
    def of_hours(self) -> Decimal | None:
        """The match rate in hours, 0 to 1; None if no such row has hours."""
        return _rate(self.hours.get("final", _ZERO), sum((self.hours.get(name, _ZERO) for name in _ASKED), _ZERO))

    @property
    def open_units(self) -> int:
        """Rows that wait for a decision or match nothing."""
        return sum(self.units.get(name, 0) for name in _OPEN)

    @property
    def open_hours(self) -> Decimal:
        """Hours of these rows."""
        return sum((self.hours.get(name, _ZERO) for name in _OPEN), _ZERO)

    @property
    def all_units(self) -> int:
        """All rows."""
        return sum(self.units.values())

    @property
    def all_hours(self) -> Decimal:
        """Hours of all rows."""
        return sum(self.hours.values(), _ZERO)


_ASKED: Final = ("final", *_OPEN)


def _rate(part: Decimal, whole: Decimal) -> Decimal | None:
    return part / whole if whole > 0 else None


@dataclass(frozen=True, slots=True)
class Total:
    """Sums of the uploads, of their files, and the uploads whose sums differ.

    Attributes:
        uploads: number of uploads.
        units: rows of the files.
        hours: hours of the files.
        differing: ids of uploads whose fates do not add up to the file.
    """

    uploads: int
    units: int
    hours: Decimal
    differing: list[int]


@dataclass(frozen=True, slots=True)
class Found:
    """Sums by week, by platform and by upload; ``parts`` by platform and bucket."""

    weeks: list[Sums]
    platforms: list[Sums]
    parts: list[Sums]
    uploads: list[Sums]
    all: Sums


def figures(database: DatabaseSession, scope: Scope, taken_at: datetime) -> Found:
    """Return the sums of all groups.

    Args:
        database: an open transaction.
        scope: the filters.
        taken_at: when the copy was made: older uploads must be in it.
    """
    by_week, by_upload = _counted(database, scope, taken_at)
    weeks, platforms, parts, uploads = _Groups(), _Groups(), _Groups(), _Groups()
    everything = Sums(None)
    for week, fate, units, hours in by_week:
        weeks.add(week, fate, units, hours)
        everything.add(fate, units, hours)
    for upload, platform, fate, bucket, units, hours in by_upload:
        uploads.add(upload, fate, units, hours)
        platforms.add(platform, fate, units, hours)
        part = _part(fate, bucket)
        parts.add((platform, part), part, units, hours)
    order = {part.name: place for place, part in enumerate(PARTS)}
    return Found(
        weeks=sorted(weeks.all(), key=lambda each: (each.key is None, each.key or date.min)),
        platforms=sorted(platforms.all(), key=lambda each: (-each.open_hours, each.key)),
        parts=sorted(parts.all(), key=lambda each: (each.key[0], order[each.key[1]])),
        uploads=_described(database, scope, {each.key: each for each in uploads.all()}, taken_at),
        all=everything,
    )


_Counted = tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]
# Sums of the copy by filters and its time: 100,000 rows take 0.1 s, and visits come in between two copies. A result has
# a few thousand rows.
_CACHED: Final[dict[tuple[Scope, datetime], _Counted]] = {}
_MOST_CACHED: Final = 8
_LOCK: Final = threading.Lock()


def _counted(database: DatabaseSession, scope: Scope, taken_at: datetime) -> _Counted:
    """Return the sums by week and fate, and those by upload, fate and bucket."""
    key = (scope, taken_at)
    with _LOCK:
        found = _CACHED.get(key)
    if found is None:
        found = _count(database, scope)
        with _LOCK:
            while len(_CACHED) >= _MOST_CACHED:
                _CACHED.pop(next(iter(_CACHED)))
            _CACHED[key] = found
    return found


def _count(database: DatabaseSession, scope: Scope) -> _Counted:
    where = """
        WHERE (CAST(:platform AS text) IS NULL OR m.platform = :platform)
            AND (CAST(:upload AS bigint) IS NULL OR m.upload_id = :upload)
            AND (CAST(:first AS date) IS NULL OR m.week >= :first)
            AND (CAST(:last AS date) IS NULL OR m.week <= :last)
    """
    rows = database.rows(
        f"""
        SELECT m.week, m.upload_id, m.platform, m.fate, m.bucket, sum(m.units)::bigint AS units, sum(m.hours) AS hours
        FROM console.match_rates m
        JOIN viewership.uploads u ON u.upload_id = m.upload_id AND u.status IN {_MATCHED}
        {where}
        GROUP BY GROUPING SETS ((m.week, m.fate), (m.upload_id, m.platform, m.fate, m.bucket))
        """,  # noqa: S608 - constants of this module
        **scope.values(),
    )
    return (
        [(row.week, row.fate, row.units, row.hours) for row in rows if row.upload_id is None],
        [
            (row.upload_id, row.platform, row.fate, row.bucket, row.units, row.hours)
            for row in rows
            if row.upload_id is not None
        ],
    )


def _part(fate: str, bucket: str | None) -> str:
    name = bucket if fate == "final" and bucket is not None else fate
    # A bucket of a later version is counted as another one, so that the sums stay complete.
    return name if name in _KNOWN else "DECISION"


class _Groups:
    """Sums by group."""

    def __init__(self) -> None:
        self._found: dict[Any, Sums] = {}

    def add(self, key: Any, name: str, units: int, hours: Decimal) -> None:
        if key not in self._found:
            self._found[key] = Sums(key)
        self._found[key].add(name, units, hours)

    def all(self) -> Iterable[Sums]:
        return self._found.values()


def _described(database: DatabaseSession, scope: Scope, found: dict[int, Sums], taken_at: datetime) -> list[Sums]:
    """Return the uploads with the most hours to match first; those that lost all their rows are among them."""
    rows = database.rows(
        f"""
        SELECT upload_id, platform, filename, label, status, created_at, first_date, last_date, units, hours,
            updated_at < :taken_at AND units > 0 AS is_counted
        FROM viewership.uploads
        WHERE status IN {_MATCHED} AND (CAST(:platform AS text) IS NULL OR platform = :platform)
            AND (CAST(:upload AS bigint) IS NULL OR upload_id = :upload)
        """,  # noqa: S608 - a constant of this module
        platform=scope.platform,
        upload=scope.upload_id,
        taken_at=taken_at,
    )
    described = []
    for row in rows:
        each = found.get(row.upload_id)
        if each is None:
            if scope.first is not None or scope.last is not None or not row.is_counted:
                continue
            each = Sums(row.upload_id)
        each.row = row
        described.append(each)
    return sorted(described, key=lambda each: (-each.open_hours, -each.key))


def total(found: Found) -> Total:
    """Return the sums of the files of these uploads, and which differ from their fates.

    Args:
        found: the figures of all weeks; with only some weeks, every upload would differ.
    """
    differing = [
        each.key
        for each in found.uploads
        if (each.all_units, each.all_hours) != (each.row.units, each.row.hours or _ZERO)
    ]
    return Total(
        len(found.uploads),
        sum(each.row.units or 0 for each in found.uploads),
        sum((each.row.hours or _ZERO for each in found.uploads), _ZERO),
        differing,
    )


def platforms(database: DatabaseSession) -> list[str]:
    """Return all platforms with uploads."""
    rows = database.rows("SELECT DISTINCT platform FROM viewership.uploads WHERE platform IS NOT NULL ORDER BY 1")
    return [row.platform for row in rows]


_TIMES: Final = f"""
    FROM viewership.phase_times
    WHERE log_time >= now() - interval '{DAYS} days'
        AND (CAST(:platform AS text) IS NULL OR platform = :platform)
        AND (CAST(:upload AS bigint) IS NULL OR upload_id = :upload)
"""


def phases(database: DatabaseSession, scope: Scope) -> Sequence[Any]:
    """Return median and 95th percentile in seconds, by phase and platform, of uploads of the last 30 days."""
    return database.rows(
        f"""
        SELECT procedure_name AS phase, COALESCE(platform, '') AS platform, count(*) AS uploads,
            sum(attempts)::bigint AS attempts, count(*) FILTER (WHERE status NOT IN ('success', 'skipped')) AS failed,
            percentile_cont(0.5) WITHIN GROUP (ORDER BY execution_ms) / 1000 AS median_s,
            percentile_cont(0.95) WITHIN GROUP (ORDER BY execution_ms) / 1000 AS p95_s,
            max(execution_ms)::float / 1000 AS max_s
        {_TIMES}
        GROUP BY procedure_name, COALESCE(platform, '')
        ORDER BY procedure_name LIKE 'match %',
            array_position(ARRAY['upload', 'normalize', 'match', 'load', 'reprocess', 'retract'], procedure_name),
            procedure_name, 2
        """,
        **_of_upload(scope),
    )


def slowest(database: DatabaseSession, scope: Scope) -> Sequence[Any]:
    """Return the uploads of the last 30 days whose phases took longest, with their slowest phase."""
    return database.rows(
        f"""
        SELECT t.upload_id, u.platform, u.filename, u.units, t.total_s, t.phase, t.phase_s
        FROM (
            SELECT upload_id, sum(total_ms)::float / 1000 AS total_s,
                (array_agg(procedure_name ORDER BY total_ms DESC NULLS LAST))[1] AS phase,
                max(total_ms)::float / 1000 AS phase_s
            {_TIMES} AND procedure_name NOT LIKE 'match %'  -- parts of match
            GROUP BY upload_id ORDER BY total_s DESC NULLS LAST, upload_id LIMIT 10
        ) t JOIN viewership.uploads u USING (upload_id)
        ORDER BY t.total_s DESC NULLS LAST, t.upload_id
        """,  # noqa: S608 - a constant of this module
        **_of_upload(scope),
    )


def _of_upload(scope: Scope) -> dict[str, Any]:
    return {"platform": scope.platform, "upload": scope.upload_id}


def recent(database: DatabaseSession, scope: Scope) -> Sequence[Any]:
    """Return failed, waiting, loaded and all uploads of the last 30 days, by platform."""
    return database.rows(
        """
        SELECT platform, uploads, loaded, failed, waiting, failure_rate
        FROM viewership.recent_uploads WHERE CAST(:platform AS text) IS NULL OR platform = :platform
        ORDER BY failed DESC, platform
        """,
        platform=scope.platform,
    )


def titles(database: DatabaseSession, scope: Scope) -> Sequence[Any]:
    """Return the 20 keys with most hours that wait for a decision or match nothing."""
    return database.rows(
        """
        SELECT encode(review_digest, 'hex') AS key, platform, status, title, series, season, episode, content_id, rows,
            uploads, hours, candidates, score, reason
        FROM console.review_keys
        WHERE CAST(:platform AS text) IS NULL OR platform = :platform
        ORDER BY hours DESC, review_digest DESC LIMIT :most
        """,
        platform=scope.platform,
        most=_MOST,
    )
