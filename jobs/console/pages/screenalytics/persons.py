"""`/persons`: persons of Screenalytics with their times over the latest runs of all episodes."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.responses import HTMLResponse

from jobs.console.access.guard import GuardedRoute, allow
from jobs.console.model import Role
from jobs.console.pages.screenalytics.episodes import seconds
from jobs.console.tables.screenalytics import screen, screen_persons
from jobs.console.web.listing import Column, Condition, Facet, Listing, Order, Term
from jobs.console.web.paging import contents
from jobs.console.web.query import ListQuery, Text, query_of
from jobs.console.web.state import console
from jobs.console.web.twins import add_twins

__all__ = ["LISTING", "PATH", "PersonsQuery", "router"]

router = APIRouter(route_class=GuardedRoute)

PATH = "/persons"
_NAME = 'coalesce(p.name, p.person_id) COLLATE "C"'


class PersonsQuery(ListQuery):
    """Parameters of the list of persons."""

    show: Text | None = None
    linked: Annotated[bool | None, Field(title="linked to the catalogue")] = None
    q: Annotated[Text | None, Field(title="name or id contains")] = None
    sort: Literal["", "onscreen", "speaking", "episodes", "name", "recent"] = ""


def _conditions(query: PersonsQuery) -> list[Condition]:
    found: list[Condition] = []
    if query.show is not None:
        found.append(Condition("show", ":show = ANY (p.shows)", {"show": query.show}))
    if query.linked is not None:
        found.append(Condition("linked", "p.show = ''" if query.linked else "p.show <> ''"))
    if query.q is not None:
        sql = "strpos(lower(p.name), lower(:q)) > 0 OR strpos(lower(p.person_id), lower(:q)) > 0"
        found.append(Condition("q", sql, {"q": query.q}))
    return found


def _by(name: str, label: str, term: Term) -> Order:
    turned = term.descending
    return Order(name, label, (term, Term("p.show", "text", turned), Term("p.person_id", "text", turned)))


LISTING = Listing(
    path=PATH,
    title="Persons",
    select=(
        "p.show, p.person_id, p.name, p.shows, p.episodes, p.onscreen_ms, p.speaking_ms, p.spoken, p.first_at,"
        " p.last_at, p.show = '' AS linked"
    ),
    source="console.persons p",
    columns=(
        Column(
            "name",
            "person",
            value=lambda row: row.name or row.person_id,
            key=True,
            href=lambda row: screen_persons.person_href(row.show, row.person_id),
            sorts=("name",),
        ),
        Column("person_id", "id", "code"),
        Column("shows", "shows", "names", value=lambda row: row.shows[:8]),
        Column("episodes", "episodes", "number", sorts=("episodes",)),
        Column("onscreen_s", "on screen", "duration", value=seconds("onscreen_ms"), sorts=("onscreen",)),
        Column("speaking_s", "speaking", "duration", value=seconds("speaking_ms"), sorts=("speaking",)),
        Column("last_at", "last run", "time", sorts=("recent",)),
        Column("linked", "linked", "flag"),
    ),
    orders=(
        _by("onscreen", "most time on screen", Term("p.onscreen_ms", "bigint", True)),
        _by("speaking", "most time speaking", Term("coalesce(p.speaking_ms, -1)", "bigint", True)),
        _by("episodes", "most episodes", Term("p.episodes", "bigint", True)),
        _by("name", "by name", Term(_NAME, "text")),
        _by("recent", "last seen first", Term("p.last_at", "timestamptz", True)),
    ),
    conditions=_conditions,
    facets=(Facet("show", "unnest(p.shows)"), Facet("linked", "p.show = ''")),
)

_Query = Annotated[PersonsQuery, Depends(query_of(PersonsQuery))]


@router.get(PATH)
@allow(Role.VIEWER)
def page(request: Request, query: _Query) -> HTMLResponse:
    """Show a page of persons."""
    copy = console(request).snapshots.current("screenalytics")
    with console(request).database.read() as database:
        found = contents(database, LISTING, query)
        empty = not found["rows"] and not screen.exists(database)
    first, *rest = LISTING.columns
    named = replace(first, href=lambda row: query.url(screen_persons.PERSON_PATH, id=row.person_id, of=row.show))
    return console(request).pages.render(
        request,
        "screenalytics/persons.html.j2",
        **found | {"listing": replace(LISTING, columns=(named, *rest))},
        copy=copy,
        empty=empty,
    )


def _export(request: Request, query: PersonsQuery) -> Listing:
    del query
    console(request).snapshots.current("screenalytics")
    return LISTING


add_twins(router, PATH, PersonsQuery, _export)
