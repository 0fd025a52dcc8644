"""`/titles`: Trakt's titles by breadth and intensity, in quadrants among their peers."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import HTMLResponse

from jobs.console.access.guard import GuardedRoute, allow
from jobs.console.model import Role
from jobs.console.pages.trakt.quadrants import draw
from jobs.console.pages.trakt.title_facets import CUBE, facets_of, genres, narrowed
from jobs.console.pages.trakt.title_list import (
    LISTING,
    PATH,
    TitlesQuery,
    conditions_of,
    page_of,
    parts_of,
    path_of,
)
from jobs.console.tables.trakt import meanings, titles
from jobs.console.web.listing import Listing
from jobs.console.web.paging import Count
from jobs.console.web.query import query_of
from jobs.console.web.state import console
from jobs.console.web.twins import add_twins
from shared.report.scatter import MOST_DOTS

__all__ = ["router"]

router = APIRouter(route_class=GuardedRoute)

_Query = Annotated[TitlesQuery, Depends(query_of(TitlesQuery))]


@router.get(PATH)
@allow(Role.VIEWER)
def page(request: Request, query: _Query) -> HTMLResponse:
    """Show the quadrants, and a page of the titles in them."""
    pages = console(request).pages
    with console(request).database.read() as database:
        days = titles.days(database)
        if days is None:
            return pages.render(request, "trakt/titles.html.j2", listing=LISTING, query=query, days=None)
        as_of = query.as_of or days[1]
        conditions = conditions_of(query, as_of)
        listing, found = page_of(database, query, as_of)
        cube = titles.groups(database, *parts_of([each for each in conditions if each.name not in CUBE]))
        shown = narrowed(cube, query)
        facets = facets_of(query, cube)
        facets.append(genres(database, query, conditions))
        drawn = draw(
            database,
            shown,
            titles.points(database, *parts_of(conditions)),
            lambda kind, number: query.url(path_of(kind, number)),
            log=query.log is not None,
            quadrant=query.quadrant,
        )
    return pages.render(
        request,
        "trakt/titles.html.j2",
        listing=listing,
        query=query,
        days=days,
        as_of=as_of,
        rows=found.rows,
        after=found.after,
        total=Count(sum(group.total for group in shown), capped=False),
        groups=shown,
        facets=facets,
        drawn=drawn,
        most_dots=MOST_DOTS,
        quadrants=meanings.QUADRANTS,
        windows=meanings.WINDOWS,
        age_words=meanings.age_words,
        reason_words=meanings.reason_words,
    )


def _dated(request: Request, query: TitlesQuery) -> Listing:
    """Return the list for the requested day, or for the newest one."""
    if query.as_of is not None:
        return LISTING
    with console(request).database.read() as database:
        days = titles.days(database)
    return replace(LISTING, conditions=lambda given: conditions_of(given, days[1] if days else None))


add_twins(router, PATH, TitlesQuery, _dated)
