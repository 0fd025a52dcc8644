"""`/slos/{name}`: one objective, and what was missed in its window, with reasons."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Request
from starlette.responses import HTMLResponse

from jobs.console.access.guard import GuardedRoute, allow
from jobs.console.errors import BadQuery
from jobs.console.model import Role
from jobs.console.pages.trakt.slos import GUIDES, PATH, days_of, objective_of
from jobs.console.tables.trakt.levels import Levels, alerts, clock, levels
from jobs.console.tables.trakt.misses import MISSED, REASONS_OF_PAGES, SOURCE, groups
from jobs.console.web.listing import Column, Condition, Facet, Listing, Order, Term, where_of
from jobs.console.web.paging import COUNT_CAP, Count, FacetValue, fetch
from jobs.console.web.query import ListQuery, Text, query_of
from jobs.console.web.state import console
from jobs.console.web.twins import add_twins
from shared.slo.figures import budget
from shared.slo.meanings import REASONS
from shared.slo.window import percent

if TYPE_CHECKING:
    from jobs.console.tables.trakt.objectives import Objective
    from shared.database.session import DatabaseSession

__all__ = ["MissesQuery", "router"]

router = APIRouter(route_class=GuardedRoute)


class MissesQuery(ListQuery):
    """Parameters of the list of what was missed."""

    day: date | None = None
    kind: Literal["movie", "show"] | None = None
    reason: Text | None = None
    sort: Literal["", "newest", "oldest"] = ""


_FACET_VALUES: Final = 12

_KEY: Final = (("t.day", "date"), ("t.title_kind", "text"), ("t.title_id_trakt", "bigint"))
_ORDERS: Final = (
    Order("newest", "newest day first", tuple(Term(*term, descending=True) for term in _KEY)),
    Order("oldest", "oldest day first", tuple(Term(*term) for term in _KEY)),
)


def _name(row: Any) -> str:
    return row.title or f"{row.title_kind} {row.title_id_trakt}"


_TITLE: Final = (
    Column(
        "title",
        "title",
        value=_name,
        key=True,
        href=lambda row: f"/titles/{row.title_kind}/{row.title_id_trakt}",
    ),
    Column("day", "day", sorts=("newest", "oldest")),
    Column("title_kind", "kind"),
    Column("title_id_trakt", "Trakt id"),
)
_SELECT: Final = "t.day, t.title_kind, t.title_id_trakt, n.title, t.pages_planned, t.pages_landed"

_LISTINGS: Final = {
    "trakt-freshness": Listing(
        path=f"{PATH}/trakt-freshness",
        title="Titles that were not fresh",
        select=f"{_SELECT}, t.reason, t.fresh_at, t.minutes_late, t.feed_at, t.read_at, t.sweep_at, t.was_named",
        source=SOURCE,
        columns=(
            *_TITLE,
            Column("reason", "reason", "code"),
            Column("minutes_late", "min late", "number"),
            Column("fresh_at", "fresh at", "time"),
            Column("sweep_at", "last sweep", "time"),
            Column("feed_at", "feed read", "time"),
            Column("read_at", "title read", "time"),
            Column("was_named", "named", "flag"),
            Column("why", "why", value=lambda row: REASONS.get(row.reason)),
        ),
        orders=_ORDERS,
        conditions=lambda _: (),
        facets=(Facet("reason", "t.reason"), Facet("kind", "t.title_kind"), Facet("day", "t.day")),
    ),
    "trakt-pages": Listing(
        path=f"{PATH}/trakt-pages",
        title="Titles with missing pages",
        select=(
            f"{_SELECT}, t.pages_planned - t.pages_landed AS missing,"
            " t.pages_landed::double precision / t.pages_planned AS share,"
            " t.pages_landed * 100 >= t.pages_planned * 99 AS is_complete,"
            f" {REASONS_OF_PAGES} AS reasons"
        ),
        source=SOURCE,
        columns=(
            *_TITLE,
            Column("missing", "missing", "number"),
            Column("pages_landed", "read", "number"),
            Column("pages_planned", "planned", "number"),
            Column("landed", "landed", value=lambda row: percent(row.pages_landed, row.pages_planned), twin=False),
            Column("share", "share", "share"),
            Column("is_complete", "at least 99 %", "flag"),
            Column("reasons", "reasons", "list"),
        ),
        orders=_ORDERS,
        conditions=lambda _: (),
        facets=(Facet("kind", "t.title_kind"), Facet("day", "t.day")),
    ),
}


def _listing(objective: Objective, found: Levels, query: MissesQuery) -> Listing:
    """Return the list of what was missed: in the window, or on the day of the query."""
    listing = _LISTINGS[objective.name]
    if query.reason is not None and all(each.name != "reason" for each in listing.facets):
        expected = "expected one of after, day, kind, limit, sort"
        raise BadQuery([f"'reason' is not a parameter of {listing.path}; {expected}"])

    def conditions(asked: MissesQuery) -> list[Condition]:
        kept = [Condition("missed", MISSED[objective.name])]
        if asked.day is None or found.first.date <= asked.day <= found.today.date:
            kept.append(
                Condition(
                    "window",
                    "t.day BETWEEN CAST(:first_day AS date) AND CAST(:last_day AS date)",
                    {"first_day": found.first.date, "last_day": found.today.date},
                )
            )
        if asked.day is not None:
            kept.append(Condition("day", "t.day = CAST(:day AS date)", {"day": asked.day}))
        if asked.kind is not None:
            kept.append(Condition("kind", "t.title_kind = :kind", {"kind": asked.kind}))
        if asked.reason is not None:
            kept.append(Condition("reason", "t.reason = :reason", {"reason": asked.reason}))
        return kept

    return replace(listing, conditions=conditions)


def _counted(
    database: DatabaseSession, listing: Listing, query: MissesQuery
) -> tuple[Count, list[tuple[Facet, list[FacetValue]]]]:
    """Return the number of missed title-days, and the facets, each over rows that match all other filters."""
    passes: dict[str, list[Any]] = {}

    def rows(without: str = "") -> list[Any]:
        where, values = where_of([each for each in listing.conditions(query) if each.name != without])
        if where not in passes:
            passes[where] = groups(database, where, values, COUNT_CAP + 1)
        return passes[where]

    def facet(name: str) -> list[FacetValue]:
        numbers: Counter[str] = Counter()
        for row in rows(without=name):
            numbers[str(getattr(row, name))] += row.number
        is_cut = numbers.total() > COUNT_CAP
        given = getattr(query, name)
        current = None if given is None else str(given)
        return [
            FacetValue(
                value,
                Count(number, is_cut),
                query.url(listing.path, **{name: None if value == current else value}),
                value == current,
            )
            for value, number in sorted(numbers.items(), key=lambda each: (-each[1], each[0]))[:_FACET_VALUES]
        ]

    number = sum(row.number for row in rows())
    return Count(min(number, COUNT_CAP), number > COUNT_CAP), [(each, facet(each.name)) for each in listing.facets]


def _reasons(found: Levels, query: MissesQuery) -> list[tuple[str, int]]:
    """Return the reasons of missing pages with their numbers, most frequent first: of the day, or of the window."""
    numbers: Counter[str] = Counter()
    for row in found.rows:
        if query.day in (None, row.day):
            numbers.update(row.missing)
    return sorted(numbers.items(), key=lambda each: (-each[1], each[0]))


_Query = Annotated[MissesQuery, Depends(query_of(MissesQuery))]


def _export(request: Request, query: MissesQuery) -> Listing:
    objective = objective_of(request.path_params["name"])
    with console(request).database.read() as database:
        (found,) = levels(database, [objective], clock())
    return _listing(objective, found, query)


# The exports come first: `{name}` would match `trakt-pages.json` too.
add_twins(router, f"{PATH}/{{name}}", MissesQuery, _export)


@router.get(f"{PATH}/{{name}}")
@allow(Role.VIEWER)
def page(request: Request, name: str, query: _Query) -> HTMLResponse:
    """Show an objective and a page of what was missed."""
    objective = objective_of(name)
    state = console(request)
    with state.database.read() as database:
        (found,) = levels(database, [objective], clock())
        listing = _listing(objective, found, query)
        rows = fetch(database, listing, query)
        total, facets = _counted(database, listing, query)
        sent = alerts(database, found.first)
    return state.pages.render(
        request,
        "trakt/slo.html.j2",
        found=found,
        squares_of=days_of(found),
        budget=budget(found.final) if objective.has_budget and found.final else None,
        alerts=sent,
        reasons=_reasons(found, query),
        breaches=[day for day, of_day, row in reversed(found.days) if of_day == "breach" and row is not None],
        guide=objective.guide,
        guides=GUIDES,
        listing=replace(listing, columns=tuple(each for each in listing.columns if each.name != "share")),
        query=query,
        rows=rows.rows,
        after=rows.after,
        total=total,
        facets=facets,
    )
