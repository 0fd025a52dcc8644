"""`/matching`: match rates, times of phases, failed uploads, and the titles with most hours at stake."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.responses import HTMLResponse, Response

from jobs.console.access.guard import GuardedRoute, allow
from jobs.console.errors import BadQuery, Refused
from jobs.console.model import Role
from jobs.console.tables.viewership import matching as tables
from jobs.console.tables.viewership.matching import DAYS, FATES, PARTS, Found, Scope, Sums
from jobs.console.web.grid import Grid
from jobs.console.web.listing import Column
from jobs.console.web.query import ListQuery, Text, query_of
from jobs.console.web.state import console
from jobs.console.web.twins import rows_as_csv, rows_as_json
from shared.report.columns import Columns
from shared.report.rates import Rates
from shared.report.sections import Shares

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jobs.console.tables.snapshots import Taken
    from shared.database.session import DatabaseSession

__all__ = ["GRIDS", "PATH", "MatchingQuery", "router"]

router = APIRouter(route_class=GuardedRoute)

PATH: Final = "/matching"
GRIDS: Final = ("weeks", "platforms", "buckets", "uploads", "titles", "phases", "slowest", "recent")
"""Tables with exports, such as ``/matching/weeks.csv``."""

# A year and a week: the page stays small; exports have all weeks.
_WEEKS: Final = 53
_BARS: Final = 12
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


_Query = Annotated[MatchingQuery, Depends(query_of(MatchingQuery))]


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
    return Grid("weeks", "Weeks", columns, rows, _EXPORTED, _WEEKS + 1)


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


def _grid(name: str, query: MatchingQuery, database: DatabaseSession, found: Found | None) -> Grid:
    """Return a table; ``found`` has the sums of the first four."""
    scope = query.scope()
    if found is not None and name in ("weeks", "platforms", "buckets", "uploads"):
        of_query = {"weeks": _weeks, "platforms": _platforms, "uploads": _uploads}
        return of_query[name](query, found) if name in of_query else _buckets(found)
    if name == "titles":
        return Grid(name, "Titles", _TITLES, tables.titles(database, scope), (Column("key", "key"),))
    if name == "phases":
        rows = tables.phases(database, scope)
        # The parts of match are at the end: nine for each platform.
        whole = sum(not row.phase.startswith("match ") for row in rows)
        return Grid(name, "Phases", _PHASES, rows, shown=None if scope.platform or scope.upload_id else whole)
    if name == "slowest":
        return Grid(name, "Slowest uploads", _SLOWEST, tables.slowest(database, scope))
    return Grid(name, "Uploads by platform", _RECENT, tables.recent(database, scope))


def _charts(found: Found) -> dict[str, Any]:
    """Return the charts of weeks and of platforms."""
    by_week = {each.key: each for each in found.weeks if each.key is not None}
    # A mistyped year would leave room for decades: then only weeks with rows are drawn.
    shown = sorted(by_week)[-_WEEKS:]
    if shown and (shown[-1] - shown[0]).days // 7 < _WEEKS:
        shown = [shown[0] + timedelta(weeks=index) for index in range((shown[-1] - shown[0]).days // 7 + 1)]
    weeks = [by_week.get(week, Sums(week)) for week in shown]
    labels = [f"{week.day} {week:%b %y}" for week in shown]
    fates = [part for part in FATES if part.name not in ("rejected", "filtered")]
    names = [part.name for part in fates]
    platforms = found.platforms[:_BARS]
    parts: dict[str, dict[str, Sums]] = {}
    for each in found.parts:
        platform, part = each.key
        parts.setdefault(platform, {})[part] = each

    def bar(platform: Sums, of: Callable[[Sums], Decimal | int]) -> tuple[str, list[Decimal]]:
        sums = parts[platform.key]
        return platform.key, [Decimal(of(sums[part.name])) if part.name in sums else _ZERO for part in PARTS]

    timed = [each for each in platforms if each.all_hours > 0]
    return {
        "rates": Rates(
            "Match rate by week",
            labels,
            (("in rows", [week.of_units for week in weeks]), ("in hours", [week.of_hours for week in weeks])),
        ),
        "rows": Columns(
            "Rows by week", "rows", fates, labels, [[week.units.get(name, 0) for name in names] for week in weeks]
        ),
        "hours": Columns(
            "Hours by week", "hours", fates, labels, [[week.hours.get(name, _ZERO) for name in names] for week in weeks]
        ),
        "platform_rows": Shares(
            "Rows by bucket", "rows", PARTS, [bar(each, lambda s: s.all_units) for each in platforms]
        ),
        "platform_hours": Shares(
            "Hours by bucket", "hours", PARTS, [bar(each, lambda s: s.all_hours) for each in timed]
        ),
    }


def _taken(request: Request, names: Sequence[Literal["match_rates", "review_keys"]]) -> dict[str, Taken]:
    # Before the transaction of the page: making a copy needs one of its own.
    return {name: console(request).snapshots.current(name) for name in names}


@router.get(PATH)
@allow(Role.VIEWER)
def page(request: Request, query: _Query) -> HTMLResponse:
    """Show the figures of matching."""
    scope = query.scope()
    taken = _taken(request, ("match_rates", "review_keys"))
    with console(request).database.read() as database:
        found = tables.figures(database, scope, taken["match_rates"].at)
        grids = {name: _grid(name, query, database, found) for name in GRIDS}
        platforms = tables.platforms(database)
    whole = scope.first is None and scope.last is None
    return console(request).pages.render(
        request,
        "viewership/matching.html.j2",
        listing=Grid("matching", "Matching", (), ()),
        path_of_page=PATH,
        query=query,
        platforms=platforms,
        found=found,
        total=tables.total(found) if whole else None,
        grids=grids,
        charts=_charts(found),
        weeks=_WEEKS,
        days=DAYS,
        bars=_BARS,
        stale=[each.at for each in taken.values() if not each.is_current],
    )


def _one(request: Request, query: MatchingQuery, name: str) -> Grid:
    if name not in GRIDS:
        raise Refused(404, f"there is no table of this name; expected one of {', '.join(GRIDS)}", code="unknown_table")
    scope = query.scope()
    own = name in ("weeks", "platforms", "buckets", "uploads")
    taken = _taken(request, ("match_rates",) if own else ("review_keys",) if name == "titles" else ())
    with console(request).database.read() as database:
        found = tables.figures(database, scope, taken["match_rates"].at) if own else None
        return _grid(name, query, database, found)


@router.get(f"{PATH}/{{name}}.json")
@allow(Role.VIEWER)
def table_json(request: Request, name: str, query: _Query) -> Response:
    """Return a table as JSON."""
    grid = _one(request, query, name)
    return rows_as_json((*grid.columns, *grid.exported), grid.rows)


@router.get(f"{PATH}/{{name}}.csv")
@allow(Role.VIEWER)
def table_csv(request: Request, name: str, query: _Query) -> Response:
    """Return a table as CSV."""
    grid = _one(request, query, name)
    return rows_as_csv(f"matching-{grid.name}", (*grid.columns, *grid.exported), grid.rows)
