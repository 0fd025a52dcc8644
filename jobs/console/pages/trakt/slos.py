"""`/slos`: the objectives, each with a sentence, its days and its budget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal

from fastapi import APIRouter, Depends, Request
from starlette.responses import HTMLResponse

from jobs.console.access.guard import GuardedRoute, allow
from jobs.console.errors import Refused
from jobs.console.model import Role
from jobs.console.tables.trakt.levels import alerts, clock, levels
from jobs.console.tables.trakt.objectives import OBJECTIVES, words
from jobs.console.web.query import ListQuery, query_of
from jobs.console.web.state import console
from shared.slo.figures import squares
from shared.text import cut

if TYPE_CHECKING:
    from jobs.console.tables.trakt.levels import Levels
    from jobs.console.tables.trakt.objectives import Objective
    from shared.report.sections import Squares

__all__ = ["GUIDES", "PATH", "days_of", "objective_of", "router"]

router = APIRouter(route_class=GuardedRoute)

PATH = "/slos"
GUIDES: Final = {alert: f"trakt-slo.md#{alert}" for alert in ("breach", "burn", "missed")}
"""Alert -> section of the docs on what to do."""


class SlosQuery(ListQuery):
    """The page has no parameters."""

    sort: Literal[""] = ""


def objective_of(name: str) -> Objective:
    """Return an objective by name.

    Raises:
        Refused: 404, there is none of this name.
    """
    if name in OBJECTIVES:
        return OBJECTIVES[name]
    known = ", ".join(OBJECTIVES)
    raise Refused(404, f"there is no objective '{cut(name, 80)}'; expected one of {known}", code="slo_missing")


def days_of(found: Levels) -> Squares:
    """Return the days of a window as squares that link to the day's misses."""
    return squares(
        "The last 28 days",
        [(day, of_day, words(found.objective, row)) for day, of_day, row in found.days],
        href=lambda day: f"{PATH}/{found.objective.name}?day={day}#list",
    )


@router.get(PATH)
@allow(Role.VIEWER)
def page(request: Request, query: Annotated[SlosQuery, Depends(query_of(SlosQuery))]) -> HTMLResponse:
    """Show the objectives and the alerts of the window."""
    del query
    state = console(request)
    with state.database.read() as database:
        found = levels(database, list(OBJECTIVES.values()), clock())
        sent = alerts(database, found[0].first)
    return state.pages.render(
        request,
        "trakt/slos.html.j2",
        found=found,
        days_of=days_of,
        alerts=sent,
        guides=GUIDES,
    )
