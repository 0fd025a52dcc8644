"""Match rates: rows and hours by fate of each week, platform, bucket and upload, from a copy."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from jobs.console.tables.viewership.match_sums import PARTS, Sums

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shared.database.session import DatabaseSession

__all__ = ["Found", "Scope", "Total", "figures", "platforms", "total"]

_KNOWN: Final = frozenset(part.name for part in PARTS)
_ZERO: Final = Decimal()
# Before that, every row would count as unmatched.
_MATCHED: Final = "('matched', 'loaded', 'partial')"


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
