"""`/runs`: all runs of the ledger."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.responses import HTMLResponse, Response

from jobs.console.access.guard import GuardedRoute, allow
from jobs.console.model import Role
from jobs.console.web.listing import Column, Condition, Facet, Listing, Order, Term, count, facet, fetch
from jobs.console.web.query import ListQuery, Text, query_of
from jobs.console.web.state import console
from jobs.console.web.twins import as_csv, as_json
from shared.ledger.store import STALE_S

__all__ = ["LISTING", "RunsQuery", "router"]

router = APIRouter(route_class=GuardedRoute)

# A run whose process is gone is interrupted, although nobody has stored that yet.
_STATUS = (
    "CASE WHEN r.status = 'running' AND r.heartbeat_at < clock_timestamp() - make_interval(secs => "
    f"{STALE_S}) THEN 'interrupted' ELSE r.status END"
)


class RunsQuery(ListQuery):
    """Parameters of the list of runs."""

    pipeline: Text | None = None
    status: (
        Literal["pending", "running", "success", "partial", "failed", "skipped", "cancelled", "interrupted"] | None
    ) = None
    q: Annotated[Text | None, Field(title="run id")] = None
    sort: Literal["", "newest", "oldest"] = ""


def _conditions(query: RunsQuery) -> list[Condition]:
    found: list[Condition] = []
    if query.pipeline is not None:
        found.append(Condition("pipeline", "r.pipeline = :pipeline", {"pipeline": query.pipeline}))
    if query.status is not None:
        found.append(Condition("status", f"{_STATUS} = :status", {"status": query.status}))
    if query.q is not None:
        found.append(Condition("q", "starts_with(r.run_id, :q)", {"q": query.q}))
    return found


LISTING = Listing(
    path="/runs",
    title="Runs",
    select=(
        f"r.run_id, r.pipeline, {_STATUS} AS status, r.created_at, r.started_at,"
        " coalesce(r.finished_at, clock_timestamp()) - r.started_at AS took, r.error_stage, r.error_message"
    ),
    source="pipeline.runs r",
    columns=(
        Column("run_id", "run", "code", href=lambda row: f"/runs/{row.run_id}", key=True),
        Column("pipeline", "pipeline"),
        Column("status", "status", "status"),
        Column("created_at", "started", "time", sorts=("newest", "oldest")),
        Column("took", "took", "duration"),
        Column("error_stage", "failed in"),
        Column("error_message", "message"),
    ),
    orders=(
        Order("newest", "newest first", (Term("r.created_at", "timestamptz", True), Term("r.run_id", "text", True))),
        Order("oldest", "oldest first", (Term("r.created_at", "timestamptz"), Term("r.run_id", "text"))),
    ),
    conditions=_conditions,
    facets=(Facet("status", _STATUS), Facet("pipeline", "r.pipeline")),
)

_Query = Annotated[RunsQuery, Depends(query_of(RunsQuery))]


@router.get("/runs")
@allow(Role.VIEWER)
def page(request: Request, query: _Query) -> HTMLResponse:
    """Show a page of runs."""
    with console(request).database.read() as database:
        found = fetch(database, LISTING, query)
        total = count(database, LISTING, query)
        facets = [(each, facet(database, LISTING, each, query)) for each in LISTING.facets]
    return console(request).pages.render(
        request,
        "runs.html.j2",
        listing=LISTING,
        query=query,
        rows=found.rows,
        after=found.after,
        total=total,
        facets=facets,
    )


@router.get("/runs.json")
@allow(Role.VIEWER)
def page_json(request: Request, query: _Query) -> Response:
    """Return a page of runs as JSON."""
    return as_json(console(request).database, LISTING, query)


@router.get("/runs.csv")
@allow(Role.VIEWER)
def page_csv(request: Request, query: _Query) -> Response:
    """Return runs as CSV."""
    return as_csv(console(request).database, LISTING, query)
