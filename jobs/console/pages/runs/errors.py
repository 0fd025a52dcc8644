"""`/errors`: failed items of all runs, and `/runs/{run_id}/errors`: those of one run."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.responses import HTMLResponse

from jobs.console.access.guard import GuardedRoute, allow
from jobs.console.errors import Refused
from jobs.console.model import Role
from jobs.console.tables.runs import ledger
from jobs.console.tables.runs.errors import OF_PIPELINE, PIPELINE, Sample, errors_url, sample
from jobs.console.tables.runs.ledger import like
from jobs.console.web.dates import between
from jobs.console.web.listing import Column, Condition, Facet, Listing, Order, Term
from jobs.console.web.paging import COUNT_CAP, Count, FacetValue, fetch
from jobs.console.web.query import ListQuery, Text, query_of
from jobs.console.web.state import console
from jobs.console.web.twins import add_twins
from shared.text import cut

if TYPE_CHECKING:
    from shared.database.session import DatabaseSession

__all__ = ["LISTING", "ErrorsQuery", "RunErrorsQuery", "counted", "listing_of", "router"]

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
            found.append(Condition("pipeline", OF_PIPELINE, {"pipeline": query.pipeline}))
    return found


def _all_of_item(row: Any) -> str:
    return errors_url(row.item)


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
    """Return the list of one run's failed items, ordered by the primary key."""
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
    return console(request).pages.render(request, "runs/errors.html.j2", run=None, **found)


add_twins(router, "/errors", ErrorsQuery, LISTING)


@router.get("/runs/{run_id}/errors")
@allow(Role.VIEWER)
def of_run(request: Request, run_id: str, query: _RunQuery) -> HTMLResponse:
    """Show a page of a run's failed items."""
    with console(request).database.read() as database:
        run = ledger.run(database, run_id)
        if run is None:
            raise Refused(
                404, f"there is no run '{cut(run_id, 128)}'; the list of runs is at /runs", code="run_missing"
            )
        found = _found(database, listing_of(run_id), query)
    return console(request).pages.render(request, "runs/errors.html.j2", run=run, **found)


add_twins(
    router,
    "/runs/{run_id}/errors",
    RunErrorsQuery,
    lambda request, _: listing_of(request.path_params["run_id"]),
)


def _found(database: DatabaseSession, listing: Listing, query: ErrorsQuery | RunErrorsQuery) -> dict[str, Any]:
    page = fetch(database, listing, query)
    total, facets = counted(database, listing, query)
    return {
        "listing": listing,
        "query": query,
        "rows": page.rows,
        "after": page.after,
        "total": total,
        "facets": facets,
    }


def counted(
    database: DatabaseSession, listing: Listing, query: ErrorsQuery | RunErrorsQuery
) -> tuple[Count, list[tuple[Facet, list[FacetValue]]]]:
    """Return the number of matching failed items, and the facets, each counted over rows that match all other filters.

    At most the newest 10,000 errors are counted, once with the filter for codes, which has an index, and once without
    it for the facet of codes. The other facets have few values; their counts come from the same groups.
    """
    conditions = [each for each in listing.conditions(query) if each.name not in _GROUPED[1:]]
    found = _sample(database, conditions)
    free = found if query.code is None else _sample(database, [each for each in conditions if each.name != "code"])
    chosen = {name: getattr(query, name, None) for name in _GROUPED}
    facets = []
    for facet in listing.facets:
        of = free if facet.name == "code" else found
        numbers = _numbers(of, facet.name, chosen)
        facets.append((facet, [_value(listing, query, facet.name, *each, is_cut=of.cut) for each in numbers]))
    number = sum(amount for _, amount in _numbers(found, None, chosen))
    return Count(min(number, COUNT_CAP), found.cut), facets


# In the order of the keys of Sample.groups.
_GROUPED = ("code", "retryable", "stage", "pipeline")
_FACET_VALUES = 12


def _sample(database: DatabaseSession, conditions: list[Condition]) -> Sample:
    where = " AND ".join(f"({each.sql})" for each in conditions) or "true"
    return sample(database, where, {name: each.values[name] for each in conditions for name in each.values}, COUNT_CAP)


def _numbers(found: Sample, name: str | None, chosen: dict[str, Any]) -> list[tuple[Any, int]]:
    """Return the values of a facet with their counts, most frequent first; without a name, one count."""
    numbers: Counter[Any] = Counter()
    for group, amount in found.groups.items():
        values = dict(zip(_GROUPED, group, strict=True))
        if all(each == name or wanted is None or values[each] == wanted for each, wanted in chosen.items()):
            numbers[None if name is None else values[name]] += amount
    return sorted(numbers.items(), key=lambda each: (-each[1], str(each[0])))[:_FACET_VALUES]


def _value(
    listing: Listing, query: ErrorsQuery | RunErrorsQuery, name: str, value: Any, number: int, *, is_cut: bool
) -> FacetValue:
    is_chosen = getattr(query, name) == value
    shown = ("yes" if value else "no") if isinstance(value, bool) else value
    href = query.url(listing.path, **{name: None if is_chosen else value})
    return FacetValue(shown, Count(min(number, COUNT_CAP), is_cut), href, is_chosen)
