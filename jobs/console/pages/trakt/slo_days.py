"""`/slos/{name}/days`: each day of an objective, including days without data."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Request
from starlette.responses import HTMLResponse

from jobs.console.access.guard import GuardedRoute, allow
from jobs.console.model import Role
from jobs.console.pages.trakt.slos import PATH, objective_of
from jobs.console.tables.trakt.levels import clock
from jobs.console.tables.trakt.objectives import state_of, words
from jobs.console.web.listing import Column, Condition, Listing, Order, Term
from jobs.console.web.paging import contents
from jobs.console.web.query import ListQuery, query_of
from jobs.console.web.state import console
from jobs.console.web.twins import add_twins
from shared.slo.days import WINDOW_DAYS, Day, day_of
from shared.slo.window import percent

if TYPE_CHECKING:
    from jobs.console.tables.trakt.objectives import Objective

__all__ = ["DaysQuery", "router"]

router = APIRouter(route_class=GuardedRoute)


class DaysQuery(ListQuery):
    """Parameters of the list of days."""

    from_: date | None = None
    to: date | None = None
    sort: Literal["", "newest", "oldest"] = ""


# Every day since the first measured one, and at least those of the window.
_SOURCE: Final = f"""(
    SELECT CAST(:today AS date) - n AS of_day FROM generate_series(0, greatest({WINDOW_DAYS - 1},
        CAST(:today AS date) - (SELECT min(day) FROM gold.trakt_slo_days))) n
) d LEFT JOIN gold.trakt_slo_days s ON s.day = d.of_day"""  # noqa: S608 - a constant
_ORDERS: Final = (
    Order("newest", "newest first", (Term("d.of_day", "date", descending=True),)),
    Order("oldest", "oldest first", (Term("d.of_day", "date"),)),
)


def listing_of(objective: Objective, now: datetime) -> Listing:
    """Return the list of days of an objective.

    Args:
        objective: the objective.
        now: the time, which decides whether today is due.
    """
    whole, part = objective.whole, objective.part

    def stored(row: Any) -> Any | None:
        return None if row.run_id is None else row

    def conditions(query: DaysQuery) -> list[Condition]:
        # The source takes its value from here.
        kept = [Condition("today", "true", {"today": day_of(now).date})]
        if query.from_ is not None:
            kept.append(Condition("from", "d.of_day >= CAST(:from_day AS date)", {"from_day": query.from_}))
        if query.to is not None:
            kept.append(Condition("to", "d.of_day <= CAST(:to_day AS date)", {"to_day": query.to}))
        return kept

    return Listing(
        path=f"{PATH}/{objective.name}/days",
        title="Days",
        select=(
            "d.of_day AS day, s.is_final, s.titles, s.fresh_titles, s.pages_planned, s.pages_landed, s.late_titles,"
            " s.minutes_late, s.throttled, s.throttled_hour, s.requests, s.late_arrivals, s.duplicates, s.items,"
            " s.feed_at, s.reasons, s.missing, s.run_id, s.computed_at,"
            f" s.{whole} - s.{part} AS missed, s.{part}::double precision / NULLIF(s.{whole}, 0) AS share"
        ),
        source=_SOURCE,
        columns=(
            Column("day", "day", key=True, sorts=("newest", "oldest"), href=lambda row: _misses(objective, row.day)),
            Column("state", "state", value=lambda row: state_of(objective, row.day, stored(row), now)),
            Column("figures", "figures", value=lambda row: words(objective, stored(row)), twin=False),
            # Rounded to whole percents, 99.5 % would be 100 %: pages show two digits, exports the number.
            Column(
                "percent",
                "share",
                value=lambda row: percent(getattr(row, part) or 0, getattr(row, whole) or 0),
                twin=False,
            ),
            Column("share", "share", "share"),
            Column("missed", "missed", "number"),
            Column("of", "of", "number", value=lambda row: getattr(row, whole)),
            Column("late_titles", "late later", "number"),
            Column("minutes_late", "most min late", "number"),
            Column("throttled", "429", "number"),
            Column("late_arrivals", "late arrivals", "number"),
            Column("deadline", "deadline", "time", value=lambda row: Day(row.day).deadline),
            Column("reasons", "reasons", "details", value=lambda row: row.reasons or None),
            Column("missing", "missing pages", "details", value=lambda row: row.missing or None),
            Column("run_id", "run", "code", href=lambda row: None if row.run_id is None else f"/runs/{row.run_id}"),
            Column("computed_at", "measured", "time"),
        ),
        orders=_ORDERS,
        conditions=conditions,
    )


def _misses(objective: Objective, day: date) -> str:
    return f"{PATH}/{objective.name}?day={day}"


_Query = Annotated[DaysQuery, Depends(query_of(DaysQuery))]


@router.get(f"{PATH}/{{name}}/days")
@allow(Role.VIEWER)
def page(request: Request, name: str, query: _Query) -> HTMLResponse:
    """Show a page of days."""
    objective = objective_of(name)
    listing = listing_of(objective, clock())
    with console(request).database.read() as database:
        found = contents(database, listing, query)
    shown = tuple(each for each in listing.columns if each.name != "share")
    return console(request).pages.render(
        request,
        "trakt/slo_days.html.j2",
        objective=objective,
        **found | {"listing": replace(listing, columns=shown)},
    )


add_twins(
    router,
    f"{PATH}/{{name}}/days",
    DaysQuery,
    lambda request, _: listing_of(objective_of(request.path_params["name"]), clock()),
)
