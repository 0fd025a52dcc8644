"""`/runs`: all runs of the ledger."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Annotated, Final, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.responses import HTMLResponse

from jobs.console.access.guard import GuardedRoute, allow
from jobs.console.model import Role
from jobs.console.tables.runs.days import DAYS, days
from jobs.console.tables.runs.errors import ERRORS_READ, runs_with_error
from jobs.console.tables.runs.ledger import RUN_STATUS, STATUSES, like, status_is
from jobs.console.web.dates import between
from jobs.console.web.listing import Column, Condition, Facet, Listing, Order, Term
from jobs.console.web.paging import count, facet, fetch
from jobs.console.web.query import ListQuery, Text, query_of
from jobs.console.web.state import console
from jobs.console.web.twins import add_twins
from shared.report.days import strip

if TYPE_CHECKING:
    from shared.database.session import DatabaseSession

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


def _conditions(query: RunsQuery) -> list[Condition]:
    found: list[Condition] = between("r.created_at", query.from_, query.to)
    if query.pipeline is not None:
        found.append(Condition("pipeline", "r.pipeline = :pipeline", {"pipeline": query.pipeline}))
    if query.status is not None:
        sql = status_is(query.status)
        found.append(Condition("status", sql, {"status": query.status} if ":status" in sql else {}))
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

# Facets count 10,000 rows; these should be the newest, not the first ones of an index.
_NEWEST: Final = (
    "(SELECT run_id, pipeline, status, created_at, heartbeat_at FROM pipeline.runs ORDER BY created_at DESC) AS r"
)


def _narrowed(database: DatabaseSession, query: RunsQuery) -> tuple[Listing, bool]:
    """Return the list of runs that match the item filters, and whether older runs are left out."""
    if query.code is None and query.item is None:
        return LISTING, False
    runs, cut = runs_with_error(database, query.code, query.item)
    name = "code" if query.code is not None else "item"
    only = Condition(name, "r.run_id IN (SELECT unnest(CAST(:runs AS text[])))", {"runs": runs})
    return replace(LISTING, conditions=lambda given: [*_conditions(given), only]), cut


_Query = Annotated[RunsQuery, Depends(query_of(RunsQuery))]


@router.get("/runs")
@allow(Role.VIEWER)
def page(request: Request, query: _Query) -> HTMLResponse:
    """Show a page of runs."""
    with console(request).database.read() as database:
        listing, cut = _narrowed(database, query)
        # The strip ignores `from`, `to` and `status`, which select within it.
        kept = [each for each in listing.conditions(query) if each.name not in ("from", "to", "status")]
        found = fetch(database, listing, query)
        total = count(database, listing, query)
        newest = replace(listing, source=_NEWEST)
        facets = [(each, facet(database, newest, each, query)) for each in listing.facets]
        per_day = days(
            database,
            " AND ".join(f"({each.sql})" for each in kept),
            {name: value for each in kept for name, value in each.values.items()},
        )
    return console(request).pages.render(
        request,
        "runs/runs.html.j2",
        listing=LISTING,
        query=query,
        rows=found.rows,
        after=found.after,
        total=total,
        errors_read=ERRORS_READ if cut else None,
        facets=facets,
        strip=strip(per_day, _STACK),
        stack=_STACK,
        days=DAYS,
        statuses=STATUSES,
    )


def _listing(request: Request, query: RunsQuery) -> Listing:
    with console(request).database.read() as database:
        return _narrowed(database, query)[0]


add_twins(router, "/runs", RunsQuery, _listing)
