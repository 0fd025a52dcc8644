"""`/runs`: all runs of the ledger."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.responses import HTMLResponse, Response

from jobs.console.access.guard import GuardedRoute, allow
from jobs.console.model import Role
from jobs.console.tables.days import DAYS, days
from jobs.console.tables.ledger import RUN_STATUS, STATUSES, like, status_is
from jobs.console.web.dates import between
from jobs.console.web.listing import Column, Condition, Facet, Listing, Order, Term, count, facet, fetch
from jobs.console.web.query import ListQuery, Text, query_of
from jobs.console.web.state import console
from jobs.console.web.twins import as_csv, as_json
from shared.report.days import strip

__all__ = ["LISTING", "RunsQuery", "router"]

router = APIRouter(route_class=GuardedRoute)

_STACK: Final = ("success", "skipped", "running", "pending", "partial", "cancelled", "interrupted", "failed")


class RunsQuery(ListQuery):
    """Parameters of the list of runs."""

    pipeline: Text | None = None
    status: (
        Literal["pending", "running", "success", "partial", "failed", "skipped", "cancelled", "interrupted"] | None
    ) = None
    code: Annotated[Text | None, Field(title="error code")] = None
    item: Annotated[Text | None, Field(title="failed item")] = None
    from_: date | None = None
    to: date | None = None
    q: Annotated[Text | None, Field(title="run id")] = None
    sort: Literal["", "newest", "oldest"] = ""


# Of a stage's errors, those that ended the run.
_STAGE_CODE: Final = (
    "r.error_stage IS NOT NULL AND EXISTS (SELECT FROM pipeline.run_stages s WHERE s.run_id = r.run_id"
    " AND s.stage = r.error_stage"
    " AND s.error_details @> jsonb_build_object('errors', jsonb_build_array(jsonb_build_object('code', :code))))"
)
_ITEM_CODE: Final = "r.run_id IN (SELECT e.run_id FROM pipeline.item_errors e WHERE e.code = :code)"


def _conditions(query: RunsQuery) -> list[Condition]:
    found: list[Condition] = between("r.created_at", query.from_, query.to)
    if query.pipeline is not None:
        found.append(Condition("pipeline", "r.pipeline = :pipeline", {"pipeline": query.pipeline}))
    if query.status is not None:
        sql = status_is(query.status)
        found.append(Condition("status", sql, {"status": query.status} if ":status" in sql else {}))
    if query.code is not None:
        found.append(Condition("code", f"{_ITEM_CODE} OR ({_STAGE_CODE})", {"code": query.code}))
    if query.item is not None:
        found.append(
            Condition(
                "item",
                "r.run_id IN (SELECT e.run_id FROM pipeline.item_errors e WHERE e.item LIKE :item)",
                {"item": like(query.item)},
            )
        )
    if query.q is not None:
        found.append(Condition("q", "r.run_id LIKE :q", {"q": like(query.q)}))
    return found


LISTING = Listing(
    path="/runs",
    title="Runs",
    select=(
        f"r.run_id, r.pipeline, {RUN_STATUS} AS status, r.created_at, r.started_at,"
        " coalesce(r.finished_at, r.heartbeat_at) - r.started_at AS took, r.error_stage, r.error_message"
    ),
    source="pipeline.runs r",
    columns=(
        Column("run_id", "run", "code", href=lambda row: f"/runs/{quote(row.run_id, safe='')}", key=True),
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
    facets=(Facet("status", RUN_STATUS), Facet("pipeline", "r.pipeline")),
)

_Query = Annotated[RunsQuery, Depends(query_of(RunsQuery))]


@router.get("/runs")
@allow(Role.VIEWER)
def page(request: Request, query: _Query) -> HTMLResponse:
    """Show a page of runs."""
    # The strip shows the days among which `from` and `to` choose, and divides them by status.
    kept = [each for each in _conditions(query) if each.name not in ("from", "to", "status")]
    with console(request).database.read() as database:
        found = fetch(database, LISTING, query)
        total = count(database, LISTING, query)
        facets = [(each, facet(database, LISTING, each, query)) for each in LISTING.facets]
        per_day = days(
            database,
            " AND ".join(f"({each.sql})" for each in kept),
            {name: value for each in kept for name, value in each.values.items()},
        )
    return console(request).pages.render(
        request,
        "runs.html.j2",
        listing=LISTING,
        query=query,
        rows=found.rows,
        after=found.after,
        total=total,
        facets=facets,
        strip=strip(per_day, _STACK),
        stack=_STACK,
        days=DAYS,
        statuses=STATUSES,
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
