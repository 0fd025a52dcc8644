"""`/search`: find a run, a failed item, a session, an episode or a person by prefix."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from jobs.console.access.guard import GuardedRoute, allow
from jobs.console.model import Role
from jobs.console.tables.search import MOST, search
from jobs.console.web.query import ListQuery, Text, query_of
from jobs.console.web.state import console

__all__ = ["SearchQuery", "router"]

router = APIRouter(route_class=GuardedRoute)


class SearchQuery(ListQuery):
    """Parameters of a search."""

    q: Text | None = None
    sort: Literal[""] = ""


_Query = Annotated[SearchQuery, Depends(query_of(SearchQuery))]


@router.get("/search")
@allow(Role.VIEWER)
def page(request: Request, query: _Query) -> Response:
    """Show the hits; redirect to a single hit."""
    hits = []
    if query.q is not None:
        # Episodes and persons are found in the copies.
        console(request).snapshots.current("screenalytics")
        with console(request).database.read() as database:
            hits = search(database, query.q)
    if len(hits) == 1:
        return RedirectResponse(hits[0].href, 303)
    return console(request).pages.render(request, "search.html.j2", text=query.q, hits=hits, most=MOST)
