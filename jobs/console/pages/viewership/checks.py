"""`/matching/checks`: the verification queries of the original system, each with its result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.responses import HTMLResponse, Response

from jobs.console.access.guard import GuardedRoute, allow
from jobs.console.errors import Refused
from jobs.console.model import Role
from jobs.console.tables.viewership.source_queries import CHECKS, MOST_CHOSEN, MOST_ROWS, checks, files
from jobs.console.web.grid import Grid
from jobs.console.web.listing import Column
from jobs.console.web.query import ListQuery, Text, query_of
from jobs.console.web.state import console
from jobs.console.web.twins import rows_as_csv, rows_as_json

if TYPE_CHECKING:
    from jobs.console.tables.viewership.source_queries import Check

__all__ = ["PATH", "ChecksQuery", "router"]

router = APIRouter(route_class=GuardedRoute)

PATH: Final = "/matching/checks"
_SHOWN: Final = 20
_EXPORTED: Final = 100_000

_COLUMNS: Final = {
    "recent": (
        Column("filename", "file", key=True),
        Column("records", "records", "number"),
        Column("min", "first upload", "time"),
        Column("max", "last upload", "time"),
    ),
    "rates": (
        Column("filename", "file", key=True),
        Column("matched", "matched", "number"),
        Column("unmatched", "unmatched", "number"),
    ),
    "unmatched": (
        Column("id", "id", "code", key=True),
        Column("title", "title"),
        Column("viewership_id", "viewership id", "code"),
        Column("filename", "file"),
        Column("platform", "platform"),
        Column("notes", "notes"),
        Column("created_at", "created", "time"),
    ),
    "formula": (
        Column("filename", "file", key=True),
        Column("upload_id", "upload", href=lambda row: f"/uploads/{row.upload_id}"),
        Column("record_count", "records", "number"),
        Column("matched_in_final_table", "in final table", "number"),
        Column("unmatched_in_logs", "in logs", "number"),
        Column("difference", "difference", "number"),
    ),
}
_TITLES: Final = {
    "recent": "Recent uploads",
    "rates": "Match rates",
    "unmatched": "Unmatched records",
    "formula": "Final plus logged equals expected",
}


class ChecksQuery(ListQuery):
    """Parameters of the page."""

    platform: Text | None = None
    upload: Annotated[int | None, Field(ge=1, lt=2**63)] = None
    days: Annotated[int, Field(title="last days", ge=1, le=90)] = 7
    after: None = None


_Query = Annotated[ChecksQuery, Depends(query_of(ChecksQuery))]


def _grid(found: Check) -> Grid:
    return Grid(found.name, _TITLES[found.name], _COLUMNS[found.name], found.rows)


@router.get(PATH)
@allow(Role.VIEWER)
def page(request: Request, query: _Query) -> HTMLResponse:
    """Run the queries and show their results."""
    with console(request).database.read() as database:
        read = files(database, query.days, query.platform, query.upload)
        found = checks(database, read, query.days, _SHOWN) if read.names else []
    return console(request).pages.render(
        request,
        "viewership/checks.html.j2",
        path_of_page=PATH,
        query=query,
        files=read,
        checks=[(each, _grid(each)) for each in found],
        most=MOST_ROWS if query.upload is None else MOST_CHOSEN,
    )


def _one(request: Request, query: ChecksQuery, name: str) -> Grid:
    if name not in CHECKS:
        raise Refused(404, f"there is no query of this name; expected one of {', '.join(CHECKS)}", code="unknown_query")
    with console(request).database.read() as database:
        read = files(database, query.days, query.platform, query.upload)
        found = checks(database, read, query.days, _EXPORTED) if read.names else []
    return next((_grid(each) for each in found if each.name == name), Grid(name, _TITLES[name], _COLUMNS[name], ()))


@router.get(f"{PATH}/{{name}}.json")
@allow(Role.VIEWER)
def check_json(request: Request, name: str, query: _Query) -> Response:
    """Return the rows of a query as JSON."""
    grid = _one(request, query, name)
    return rows_as_json(grid.columns, grid.rows)


@router.get(f"{PATH}/{{name}}.csv")
@allow(Role.VIEWER)
def check_csv(request: Request, name: str, query: _Query) -> Response:
    """Return the rows of a query as CSV."""
    grid = _one(request, query, name)
    return rows_as_csv(f"matching-checks-{grid.name}", grid.columns, grid.rows)
