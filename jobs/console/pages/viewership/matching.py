"""`/matching`: match rates, times of phases, failed uploads, and the titles with most hours at stake."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Request
from starlette.responses import HTMLResponse, Response

from jobs.console.access.guard import GuardedRoute, allow
from jobs.console.errors import Refused
from jobs.console.model import Role
from jobs.console.pages.viewership.match_grids import GRIDS, OF_RATES, PATH, WEEKS, MatchingQuery, grid
from jobs.console.tables.viewership import match_rates
from jobs.console.tables.viewership.match_sums import FATES, PARTS, Sums
from jobs.console.tables.viewership.phase_times import DAYS
from jobs.console.web.grid import Grid
from jobs.console.web.query import query_of
from jobs.console.web.state import console
from jobs.console.web.twins import rows_as_csv, rows_as_json
from shared.report.columns import Columns
from shared.report.rates import Rates
from shared.report.sections import Shares

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jobs.console.tables.snapshots import Taken
    from jobs.console.tables.viewership.match_rates import Found

__all__ = ["router"]

router = APIRouter(route_class=GuardedRoute)

_BARS: Final = 12
_ZERO: Final = Decimal()

_Query = Annotated[MatchingQuery, Depends(query_of(MatchingQuery))]


def _charts(found: Found) -> dict[str, Any]:
    """Return the charts of weeks and of platforms."""
    by_week = {each.key: each for each in found.weeks if each.key is not None}
    # A mistyped year would leave room for decades: then only weeks with rows are drawn.
    shown = sorted(by_week)[-WEEKS:]
    if shown and (shown[-1] - shown[0]).days // 7 < WEEKS:
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
        found = match_rates.figures(database, scope, taken["match_rates"].at)
        grids = {name: grid(name, query, database, found) for name in GRIDS}
        platforms = match_rates.platforms(database)
    whole = scope.first is None and scope.last is None
    return console(request).pages.render(
        request,
        "viewership/matching.html.j2",
        listing=Grid("matching", "Matching", (), ()),
        path_of_page=PATH,
        query=query,
        platforms=platforms,
        found=found,
        total=match_rates.total(found) if whole else None,
        grids=grids,
        charts=_charts(found),
        weeks=WEEKS,
        days=DAYS,
        bars=_BARS,
        stale=[each.at for each in taken.values() if not each.is_current],
    )


def _one(request: Request, query: MatchingQuery, name: str) -> Grid:
    if name not in GRIDS:
        raise Refused(404, f"there is no table of this name; expected one of {', '.join(GRIDS)}", code="unknown_table")
    scope = query.scope()
    own = name in OF_RATES
    taken = _taken(request, ("match_rates",) if own else ("review_keys",) if name == "titles" else ())
    with console(request).database.read() as database:
        found = match_rates.figures(database, scope, taken["match_rates"].at) if own else None
        return grid(name, query, database, found)


@router.get(f"{PATH}/{{name}}.json")
@allow(Role.VIEWER)
def table_json(request: Request, name: str, query: _Query) -> Response:
    """Return a table as JSON."""
    found = _one(request, query, name)
    return rows_as_json((*found.columns, *found.exported), found.rows)


@router.get(f"{PATH}/{{name}}.csv")
@allow(Role.VIEWER)
def table_csv(request: Request, name: str, query: _Query) -> Response:
    """Return a table as CSV."""
    found = _one(request, query, name)
    return rows_as_csv(f"matching-{found.name}", (*found.columns, *found.exported), found.rows)
