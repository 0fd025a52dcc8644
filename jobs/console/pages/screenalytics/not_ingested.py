"""`/episodes/not-ingested`: manifests of Screenalytics that are not ingested, and the commands that retry them."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.responses import HTMLResponse

from jobs.console.access.guard import GuardedRoute, allow
from jobs.console.model import Role
from jobs.console.tables.runs.ledger import like
from jobs.console.tables.screenalytics import screen
from jobs.console.web.dates import between
from jobs.console.web.listing import Column, Condition, Facet, Listing, Order, Term
from jobs.console.web.paging import contents
from jobs.console.web.query import ListQuery, Text, query_of
from jobs.console.web.state import console
from jobs.console.web.twins import add_twins

__all__ = ["LISTING", "PATH", "NotIngestedQuery", "router"]

router = APIRouter(route_class=GuardedRoute)

PATH = "/episodes/not-ingested"


class NotIngestedQuery(ListQuery):
    """Parameters of the list of manifests that are not ingested."""

    state: Literal["rejected", "quarantined", "dead", "deferred"] | None = None
    code: Annotated[Text | None, Field(title="error code")] = None
    run: Annotated[Text | None, Field(title="run starts with")] = None
    from_: date | None = None
    to: date | None = None
    sort: Literal["", "newest", "oldest", "attempts"] = ""


def _conditions(query: NotIngestedQuery) -> list[Condition]:
    found = [Condition("", f"i.{screen.NOT_INGESTED}"), *between("i.last_at", query.from_, query.to)]
    if query.state is not None:
        found.append(Condition("state", "i.state = :state", {"state": query.state}))
    if query.code is not None:
        found.append(Condition("code", "i.code = :code", {"code": query.code}))
    if query.run is not None:
        found.append(Condition("run", "i.run_id LIKE :run", {"run": like(query.run)}))
    return found


def _by(name: str, label: str, *terms: Term) -> Order:
    down = terms[0].descending
    last = (Term('i.source COLLATE "C"', "text", down), Term('i.manifest_key COLLATE "C"', "text", down))
    return Order(name, label, (*terms, *last))


def _command(row: Any) -> str | None:
    return screen.replay_command(row.run_id, row.source, row.manifest_key, row.code, row.state)


def _episode(row: Any) -> str | None:
    return None if row.ep_id is None else screen.episode_href(row.ep_id)


LISTING = Listing(
    path=PATH,
    title="Not ingested",
    select=(
        "i.run_id, i.state, i.code, i.message, i.attempts, i.first_seen_at, i.last_at, i.source, i.manifest_key,"
        " i.pipeline_run_id, (SELECT run.ep_id FROM screenalytics.runs run WHERE run.run_id = i.run_id) AS ep_id"
    ),
    source="screenalytics.ingest_items i",
    columns=(
        Column("run_id", "run", "code", key=True),
        Column("state", "state", "status"),
        Column("code", "code", "code"),
        Column("message", "message"),
        Column("replay", "replay", "command", value=_command),
        Column("attempts", "failures", "number", sorts=("attempts",)),
        Column("last_at", "last seen", "time", sorts=("newest", "oldest")),
        Column("first_seen_at", "first seen", "time"),
        Column("ep_id", "episode", href=_episode),
        Column(
            "pipeline_run_id", "ingested by", "code", href=lambda row: f"/runs/{quote(row.pipeline_run_id, safe='')}"
        ),
        Column("manifest_key", "manifest"),
        Column("source", "bucket"),
    ),
    orders=(
        _by("newest", "newest first", Term("i.last_at", "timestamptz", True)),
        _by("oldest", "oldest first", Term("i.last_at", "timestamptz")),
        _by("attempts", "most failures", Term("i.attempts", "bigint", True)),
    ),
    conditions=_conditions,
    facets=(Facet("state", "i.state"), Facet("code", "i.code")),
)

_Query = Annotated[NotIngestedQuery, Depends(query_of(NotIngestedQuery))]


@router.get(PATH)
@allow(Role.VIEWER)
def page(request: Request, query: _Query) -> HTMLResponse:
    """Show a page of manifests."""
    with console(request).database.read() as database:
        found = contents(database, LISTING, query)
    return console(request).pages.render(request, "screenalytics/not_ingested.html.j2", **found)


add_twins(router, PATH, NotIngestedQuery, LISTING)
