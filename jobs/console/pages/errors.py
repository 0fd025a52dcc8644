"""`/errors`: failed items of all runs, and `/runs/{run_id}/errors`: those of one run."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.responses import HTMLResponse, Response

from jobs.console.access.guard import GuardedRoute, allow
from jobs.console.errors import Refused
from jobs.console.model import Role
from jobs.console.tables import ledger
from jobs.console.tables.errors import PIPELINE
from jobs.console.tables.ledger import like
from jobs.console.web.dates import between
from jobs.console.web.listing import Column, Condition, Facet, Listing, Order, Term, count, facet, fetch
from jobs.console.web.query import ListQuery, Text, query_of
from jobs.console.web.state import console
from jobs.console.web.twins import as_csv, as_json

if TYPE_CHECKING:
    from shared.database.session import DatabaseSession

__all__ = ["LISTING", "ErrorsQuery", "RunErrorsQuery", "listing_of", "router"]

router = APIRouter(route_class=GuardedRoute)


class ErrorsQuery(ListQuery):
    """Parameters of the list of failed items."""

    item: Text | None = None
    code: Text | None = None
    pipeline: Text | None = None
    stage: Text | None = None
    retryable: bool | None = None
    from_: date | None = None
    to: date | None = None
    sort: Literal["", "newest", "oldest"] = ""


class RunErrorsQuery(ListQuery):
    """Parameters of the list of one run's failed items."""

    item: Text | None = None
    code: Text | None = None
    stage: Text | None = None
    retryable: bool | None = None
    sort: Annotated[Literal["", "item", "item-desc"], Field()] = ""


def _conditions(query: ErrorsQuery | RunErrorsQuery) -> list[Condition]:
    found: list[Condition] = []
    if query.item is not None:
        found.append(Condition("item", "e.item LIKE :item", {"item": like(query.item)}))
    if query.code is not None:
        found.append(Condition("code", "e.code = :code", {"code": query.code}))
    if query.stage is not None:
        found.append(Condition("stage", "e.stage = :stage", {"stage": query.stage}))
    if query.retryable is not None:
        found.append(Condition("retryable", "e.retryable = :retryable", {"retryable": query.retryable}))
    if isinstance(query, ErrorsQuery):
        found += between("e.at", query.from_, query.to)
        if query.pipeline is not None:
            found.append(Condition("pipeline", f"{PIPELINE} = :pipeline", {"pipeline": query.pipeline}))
    return found


def _all_of_item(row: Any) -> str:
    return f"/errors?{urlencode({'item': row.item[:200]})}"


_UNIQUE = (Term("e.run_id", "text"), Term("e.stage", "text"), Term("e.item", "text"), Term("e.code", "text"))
_COLUMNS = (
    Column("item", "item", href=_all_of_item, key=True),
    Column("code", "code", "code"),
    Column("message", "message"),
    Column("retryable", "may succeed", "flag"),
    Column("stage", "stage"),
    Column("attempt", "attempt", "number"),
    Column("details", "details", "details"),
)

LISTING = Listing(
    path="/errors",
    title="Failed items",
    select=(
        "e.at, e.run_id, e.stage, e.item, e.code, e.retryable, e.attempt, e.message, e.details, e.input_hash,"
        f" {PIPELINE} AS pipeline"
    ),
    source="pipeline.item_errors e",
    columns=(
        _COLUMNS[0],
        Column("at", "when", "time", sorts=("newest", "oldest")),
        *_COLUMNS[1:4],
        Column("pipeline", "pipeline"),
        *_COLUMNS[4:6],
        Column("run_id", "run", "code", href=lambda row: f"/runs/{quote(row.run_id, safe='')}"),
        _COLUMNS[6],
    ),
    orders=(
        Order(
            "newest",
            "newest first",
            (Term("e.at", "timestamptz", True), *(replace(term, descending=True) for term in _UNIQUE)),
        ),
        Order("oldest", "oldest first", (Term("e.at", "timestamptz"), *_UNIQUE)),
    ),
    conditions=_conditions,
    facets=(
        Facet("code", "e.code"),
        Facet("retryable", "e.retryable"),
        Facet("pipeline", PIPELINE),
        Facet("stage", "e.stage"),
    ),
)


def listing_of(run_id: str) -> Listing:
    """Return the list of one run's failed items; its order is that of the primary key."""
    terms = (Term("e.stage", "text"), Term("e.item", "text"), Term("e.code", "text"))
    return replace(
        LISTING,
        path=f"/runs/{quote(run_id, safe='')}/errors",
        columns=(replace(_COLUMNS[0], sorts=("item", "item-desc")), *_COLUMNS[1:]),
        orders=(
            Order("item", "by item", terms),
            Order("item-desc", "by item, last first", tuple(replace(term, descending=True) for term in terms)),
        ),
        conditions=lambda query: [Condition("run", "e.run_id = :run_id", {"run_id": run_id}), *_conditions(query)],
        facets=tuple(each for each in LISTING.facets if each.name != "pipeline"),
    )


_Query = Annotated[ErrorsQuery, Depends(query_of(ErrorsQuery))]
_RunQuery = Annotated[RunErrorsQuery, Depends(query_of(RunErrorsQuery))]


@router.get("/errors")
@allow(Role.VIEWER)
def page(request: Request, query: _Query) -> HTMLResponse:
    """Show a page of failed items."""
    with console(request).database.read() as database:
        found = _found(database, LISTING, query)
    return console(request).pages.render(request, "errors.html.j2", run=None, **found)


@router.get("/errors.json")
@allow(Role.VIEWER)
def page_json(request: Request, query: _Query) -> Response:
    """Return a page of failed items as JSON."""
    return as_json(console(request).database, LISTING, query)


@router.get("/errors.csv")
@allow(Role.VIEWER)
def page_csv(request: Request, query: _Query) -> Response:
    """Return failed items as CSV."""
    return as_csv(console(request).database, LISTING, query)


@router.get("/runs/{run_id}/errors")
@allow(Role.VIEWER)
def of_run(request: Request, run_id: str, query: _RunQuery) -> HTMLResponse:
    """Show a page of a run's failed items."""
    with console(request).database.read() as database:
        run = ledger.run(database, run_id)
        if run is None:
            raise Refused(404, f"there is no run '{run_id[:128]}'; the list of runs is at /runs", code="run_missing")
        found = _found(database, listing_of(run_id), query)
    return console(request).pages.render(request, "errors.html.j2", run=run, **found)


@router.get("/runs/{run_id}/errors.json")
@allow(Role.VIEWER)
def of_run_json(request: Request, run_id: str, query: _RunQuery) -> Response:
    """Return a page of a run's failed items as JSON."""
    return as_json(console(request).database, listing_of(run_id), query)


@router.get("/runs/{run_id}/errors.csv")
@allow(Role.VIEWER)
def of_run_csv(request: Request, run_id: str, query: _RunQuery) -> Response:
    """Return a run's failed items as CSV."""
    return as_csv(console(request).database, listing_of(run_id), query)


def _found(database: DatabaseSession, listing: Listing, query: ListQuery) -> dict[str, Any]:
    page = fetch(database, listing, query)
    return {
        "listing": listing,
        "query": query,
        "rows": page.rows,
        "after": page.after,
        "total": count(database, listing, query),
        "facets": [(each, facet(database, listing, each, query)) for each in listing.facets],
    }
