"""`/`: what needs attention, and the latest runs."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from jobs.console.access.guard import GuardedRoute, allow
from jobs.console.model import Role
from jobs.console.pages.runs.runs import LISTING, RunsQuery
from jobs.console.tables import overview
from jobs.console.web.paging import fetch
from jobs.console.web.state import console

__all__ = ["router"]

router = APIRouter(route_class=GuardedRoute)
_LATEST = 10


@router.get("/")
@allow(Role.VIEWER)
def home(request: Request) -> HTMLResponse:
    """Show the cards and the latest runs."""
    console(request).snapshots.current("review_keys")
    with console(request).database.read() as database:
        cards = overview.cards(database)
        latest = fetch(database, LISTING, RunsQuery(limit=_LATEST))
    return console(request).pages.render(
        request, "home.html.j2", cards=cards, cap=overview.CAP, listing=LISTING, query=RunsQuery(), rows=latest.rows
    )
