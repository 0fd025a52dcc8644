"""`/episodes`: the latest run of each episode."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.responses import HTMLResponse

from jobs.console.access.guard import GuardedRoute, allow
from jobs.console.model import Role
from jobs.console.tables.screenalytics import screen, screen_persons
from jobs.console.web.dates import between
from jobs.console.web.listing import Column, Condition, Facet, Listing, Order, Term
from jobs.console.web.paging import contents
from jobs.console.web.query import ListQuery, Text, query_of
from jobs.console.web.state import console
from jobs.console.web.twins import add_twins

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.database.session import DatabaseSession

__all__ = ["LISTING", "PATH", "EpisodesQuery", "listing_of", "router", "seconds"]

router = APIRouter(route_class=GuardedRoute)

PATH = "/episodes"
# Each count compares the runs of the filter by person: 20,000 of them took 20 ms a time.
_PERSON_EPISODES: Final = 2_000


class EpisodesQuery(ListQuery):
    """Parameters of the list of episodes."""

    show: Text | None = None
    season: Annotated[int | None, Field(ge=0, le=999_999_999)] = None
    status: Literal["ingested", "source_deleted"] | None = None
    warning: Annotated[Text | None, Field(title="warning code")] = None
    not_ingested: Annotated[bool | None, Field(title="not ingested")] = None
    person: Annotated[Text | None, Field(title="person's id or name")] = None
    from_: date | None = None
    to: date | None = None
    q: Annotated[Text | None, Field(title="episode contains")] = None
    sort: Literal["", "newest", "oldest", "episode", "onscreen", "speaking", "persons", "warnings"] = ""


def _conditions(query: EpisodesQuery, runs: Sequence[str] = ()) -> list[Condition]:
    found = between("e.completed_at", query.from_, query.to)
    if query.show is not None:
        found.append(Condition("show", "e.show = :show", {"show": query.show}))
    if query.season is not None:
        found.append(Condition("season", "e.season = :season", {"season": query.season}))
    if query.status is not None:
        found.append(Condition("status", "e.status = :status", {"status": query.status}))
    if query.warning == "any":
        found.append(Condition("warning", "e.warnings > 0"))
    elif query.warning is not None:
        found.append(Condition("warning", ":warning = ANY (e.warning_codes)", {"warning": query.warning}))
    if query.not_ingested is not None:
        found.append(Condition("not_ingested", "e.not_ingested > 0" if query.not_ingested else "e.not_ingested = 0"))
    if query.person is not None:
        found.append(Condition("person", "e.run_id = ANY (CAST(:person_runs AS text[]))", {"person_runs": runs}))
    if query.q is not None:
        found.append(Condition("q", "strpos(lower(e.ep_id), lower(:q)) > 0", {"q": query.q}))
    return found


def seconds(name: str) -> Any:
    """Return a function that returns a column's milliseconds in seconds, or None."""

    def of(row: Any) -> float | None:
        value = getattr(row, name)
        return None if value is None else value / 1000

    return of


def _by(name: str, label: str, *terms: Term) -> Order:
    return Order(name, label, (*terms, Term("e.ep_id", "text", terms[-1].descending if terms else False)))


LISTING = Listing(
    path=PATH,
    title="Episodes",
    select=(
        "e.ep_id, e.show, e.season, e.episode, e.run_id, e.status, e.completed_at, e.persons, e.casts, e.onscreen_ms,"
        " e.speaking_ms, e.warnings, e.warning_codes, e.older_runs, e.replaced_runs, e.not_ingested"
    ),
    source="console.episodes e",
    columns=(
        Column("ep_id", "episode", key=True, href=lambda row: screen.episode_href(row.ep_id), sorts=("episode",)),
        Column("completed_at", "completed", "time", sorts=("newest", "oldest")),
        Column("persons", "persons", "number", sorts=("persons",)),
        Column("casts", "casts", "number"),
        Column("onscreen_s", "on screen", "duration", value=seconds("onscreen_ms"), sorts=("onscreen",)),
        Column("speaking_s", "speaking", "duration", value=seconds("speaking_ms"), sorts=("speaking",)),
        Column("warnings", "warnings", "number", sorts=("warnings",)),
        Column("not_ingested", "not ingested", "number"),
        Column("older_runs", "older runs", "number"),
        Column("replaced_runs", "replaced", "number"),
        Column("status", "status", "status"),
        Column("run_id", "latest run", "code"),
    ),
    orders=(
        _by("newest", "newest first", Term("e.completed_at", "timestamptz", True)),
        _by("oldest", "oldest first", Term("e.completed_at", "timestamptz")),
        _by("episode", "by episode"),
        _by("onscreen", "most time on screen", Term("e.onscreen_ms", "bigint", True)),
        _by("speaking", "most time speaking", Term("coalesce(e.speaking_ms, -1)", "bigint", True)),
        _by("persons", "most persons", Term("e.persons", "bigint", True)),
        _by("warnings", "most warnings", Term("e.warnings", "bigint", True)),
    ),
    conditions=_conditions,
    facets=(
        Facet("show", "e.show"),
        Facet("season", "e.season"),
        Facet("status", "e.status"),
        Facet("warning", "unnest(e.warning_codes)"),
    ),
)

_Query = Annotated[EpisodesQuery, Depends(query_of(EpisodesQuery))]


def listing_of(database: DatabaseSession, query: EpisodesQuery) -> tuple[Listing, bool]:
    """Return the list whose filter by person is resolved, and whether older episodes of that person are left out."""
    if query.person is None:
        return LISTING, False
    # Once, not for each count.
    runs = screen_persons.runs_with_person(database, query.person, query.show, _PERSON_EPISODES + 1)
    kept = runs[:_PERSON_EPISODES]
    return replace(LISTING, conditions=lambda asked: _conditions(asked, kept)), len(runs) > _PERSON_EPISODES


@router.get(PATH)
@allow(Role.VIEWER)
def page(request: Request, query: _Query) -> HTMLResponse:
    """Show a page of episodes."""
    copy = console(request).snapshots.current("screenalytics")
    with console(request).database.read() as database:
        listing, cut = listing_of(database, query)
        found = contents(database, listing, query)
        waiting = screen.not_ingested(database)
        empty = not found["rows"] and not screen.exists(database)
    first, *rest = LISTING.columns
    named = replace(first, href=lambda row: query.url(screen.EPISODE_PATH, id=row.ep_id))
    return console(request).pages.render(
        request,
        "screenalytics/episodes.html.j2",
        **found | {"listing": replace(LISTING, columns=(named, *rest))},
        waiting=waiting,
        cut=_PERSON_EPISODES if cut else None,
        copy=copy,
        empty=empty,
    )


def _export(request: Request, query: EpisodesQuery) -> Listing:
    console(request).snapshots.current("screenalytics")
    with console(request).database.read() as database:
        return listing_of(database, query)[0]


add_twins(router, PATH, EpisodesQuery, _export)
