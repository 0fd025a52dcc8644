"""The tables of `/matching`, with the columns of their exports."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from urllib.parse import urlencode

from pydantic import Field

from jobs.console.errors import BadQuery
from jobs.console.tables.viewership import phase_times, waiting
from jobs.console.tables.viewership.match_rates import Scope
from jobs.console.tables.viewership.match_sums import FATES
from jobs.console.tables.viewership.phase_times import DAYS
from jobs.console.web.grid import Grid
from jobs.console.web.listing import Column
from jobs.console.web.query import ListQuery, Text

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobs.console.tables.viewership.match_rates import Found
    from jobs.console.tables.viewership.match_sums import Sums
    from shared.database.session import DatabaseSession

__all__ = ["GRIDS", "OF_RATES", "PATH", "WEEKS", "MatchingQuery", "grid"]

PATH: Final = "/matching"
OF_RATES: Final = ("weeks", "platforms", "buckets", "uploads")
"""Tables of match rates."""
GRIDS: Final = (*OF_RATES, "titles", "phases", "slowest", "recent")
"""Tables with exports, such as ``/matching/weeks.csv``."""

# The page stays small; exports have all weeks.
WEEKS: Final = 53
"""Weeks that the page shows: a year and a week."""

_ZERO: Final = Decimal()
_SET_ASIDE: Final = ("rejected", "filtered", "topline")


class MatchingQuery(ListQuery):
    """Parameters of the page."""

    platform: Text | None = None
    upload: Annotated[int | None, Field(ge=1, lt=2**63)] = None
    from_: date | None = None
    to: date | None = None
    sort: Literal["", "newest"] = ""
    # Of the table of uploads, which has no further pages.
    limit: Annotated[int, Field(ge=1, le=200)] = 25
    after: None = None

    def scope(self) -> Scope:
        """Return the filters.

        Raises:
            BadQuery: the last day is before the first one.
        """
        if self.from_ is not None and self.to is not None and self.to < self.from_:
            raise BadQuery([f"to='{self.to}' is before from='{self.from_}'; expected a later day"])
        return Scope(self.platform, self.upload, self.from_, self.to)


def _units(*names: str) -> Callable[[Sums], int]:
    return lambda row: sum(row.units.get(name, 0) for name in names)


def _hours(*names: str) -> Callable[[Sums], Decimal]:
    return lambda row: sum((row.hours.get(name, _ZERO) for name in names), _ZERO)


_AMOUNTS: Final = (
    Column("rows", "rows", "number", value=lambda row: row.all_units),
    *(Column(name, name, "number", value=_units(name)) for name in ("final", "review", "unmatched", "held")),
    Column("set_aside", "rejected or filtered", "number", value=_units(*_SET_ASIDE), twin=False),
    Column("match_rate", "rate", "rate", value=lambda row: row.of_units),
    Column("hours", "hours", "number", value=lambda row: row.all_hours),
    Column("final_hours", "final hours", "number", value=_hours("final")),
    Column("waiting_hours", "waiting hours", "number", value=_hours("review", "unmatched"), twin=False),
    Column("match_rate_hours", "rate in hours", "rate", value=lambda row: row.of_hours),
)
# Fates apart, so that each row of an export adds up.
_EXPORTED: Final = (
    *(Column(name, name, "number", value=_units(name)) for name in _SET_ASIDE),
    *(
        Column(f"{part.name}_hours", f"{part.name} hours", "number", value=_hours(part.name))
        for part in FATES
        if part.name != "final"
    ),
)


def _week(row: Sums) -> str:
    return "no date" if row.key is None else str(row.key)


def _weeks(query: MatchingQuery, found: Found) -> Grid:
    def href(row: Sums) -> str | None:
        return None if row.key is None else query.url(PATH, from_=row.key.isoformat(), to=row.key.isoformat())

    rows = [*(each for each in reversed(found.weeks) if each.key is not None), *found.weeks[-1:]]
    if rows and rows[-1].key is not None:
        rows.pop()
    columns = (Column("week", "week of", value=_week, href=href, key=True), *_AMOUNTS)
    return Grid("weeks", "Weeks", columns, rows, _EXPORTED, WEEKS + 1)


def _platforms(query: MatchingQuery, found: Found) -> Grid:
    key = Column(
        "platform",
        "platform",
        value=lambda row: row.key,
        href=lambda row: query.url(PATH, platform=row.key),
        key=True,
    )
    return Grid("platforms", "Platforms", (key, *_AMOUNTS), found.platforms, _EXPORTED)


def _buckets(found: Found) -> Grid:
    columns = (
        Column("platform", "platform", value=lambda row: row.key[0], key=True),
        Column("bucket", "bucket or fate", "code", value=lambda row: row.key[1]),
        Column("rows", "rows", "number", value=lambda row: row.all_units),
        Column("hours", "hours", "number", value=lambda row: row.all_hours),
    )
    return Grid("buckets", "Buckets", columns, found.parts)


def _uploads(query: MatchingQuery, found: Found) -> Grid:
    columns = (
        Column(
            "upload_id",
            "upload",
            value=lambda row: row.key,
            href=lambda row: query.url(PATH, upload=row.key),
            key=True,
        ),
        Column("filename", "file", value=lambda row: row.row.filename, href=lambda row: f"/uploads/{row.key}"),
        Column("platform", "platform", value=lambda row: row.row.platform),
        *_AMOUNTS,
    )
    rows = sorted(found.uploads, key=lambda row: -row.key) if query.sort == "newest" else found.uploads
    exported = (
        Column("status", "status", value=lambda row: row.row.status),
        Column("created_at", "uploaded", "time", value=lambda row: row.row.created_at),
        Column("file_rows", "rows of the file", "number", value=lambda row: row.row.units),
        Column("file_hours", "hours of the file", "number", value=lambda row: row.row.hours or _ZERO),
        *_EXPORTED,
    )
    return Grid("uploads", "Uploads", columns, rows, exported, query.limit)


def _review_href(row: Any) -> str:
    return f"/review?{urlencode({'platform': row.platform, 'key': row.key})}"


def _failed_href(row: Any) -> str | None:
    if not row.failed:
        return None
    first = (datetime.now(UTC) - timedelta(days=DAYS)).date()
    words = {"platform": row.platform, "status": "failed", "from": first}
    return f"/uploads?{urlencode({name: word for name, word in words.items() if word is not None})}"


def _named(row: Any) -> str:
    return row.title or row.series or row.content_id or "without a title"


_TITLES: Final = (
    Column("title", "title", value=_named, href=_review_href, key=True),
    Column("series", "series"),
    Column("season", "season"),
    Column("episode", "episode"),
    Column("platform", "platform"),
    Column("status", "status"),
    Column("reason", "reason", "code"),
    Column("candidates", "candidates", "number"),
    Column("rows", "rows", "number"),
    Column("uploads", "uploads", "number"),
    Column("hours", "hours", "number"),
)
_PHASES: Final = (
    Column("phase", "phase", key=True),
    Column("platform", "platform", value=lambda row: row.platform or "unknown"),
    Column("uploads", "uploads", "number"),
    Column("attempts", "attempts", "number"),
    Column("failed", "refused or partial", "number"),
    Column("median_s", "median", "duration"),
    Column("p95_s", "95th percentile", "duration"),
    Column("max_s", "longest", "duration"),
)
_SLOWEST: Final = (
    Column("upload_id", "upload", href=lambda row: f"/uploads/{row.upload_id}", key=True),
    Column("filename", "file"),
    Column("platform", "platform", value=lambda row: row.platform or "unknown"),
    Column("units", "rows", "number"),
    Column("total_s", "all phases", "duration"),
    Column("phase", "slowest phase"),
    Column("phase_s", "took", "duration"),
)
_RECENT: Final = (
    Column("platform", "platform", value=lambda row: row.platform or "unknown", key=True),
    Column("uploads", "all", "number"),
    Column("loaded", "loaded", "number"),
    Column("failed", "failed", "number", href=_failed_href),
    Column("waiting", "waiting", "number"),
    Column("failure_rate", "failed of all", "rate"),
)


def grid(name: str, query: MatchingQuery, database: DatabaseSession, found: Found | None) -> Grid:
    """Return a table.

    Args:
        name: one of :data:`GRIDS`.
        query: the filters.
        database: an open transaction.
        found: the sums of the first four tables; None for the others.
    """
    scope = query.scope()
    if found is not None and name in OF_RATES:
        of_query = {"weeks": _weeks, "platforms": _platforms, "uploads": _uploads}
        return of_query[name](query, found) if name in of_query else _buckets(found)
    if name == "titles":
        return Grid(name, "Titles", _TITLES, waiting.largest(database, scope.platform), (Column("key", "key"),))
    if name == "phases":
        rows = phase_times.phases(database, scope)
        # The parts of match are at the end: nine for each platform.
        whole = sum(not row.phase.startswith("match ") for row in rows)
        return Grid(name, "Phases", _PHASES, rows, shown=None if scope.platform or scope.upload_id else whole)
    if name == "slowest":
        return Grid(name, "Slowest uploads", _SLOWEST, phase_times.slowest(database, scope))
    return Grid(name, "Uploads by platform", _RECENT, phase_times.recent(database, scope))
