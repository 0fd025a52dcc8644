"""`/uploads/{upload_id}/rejects`: rejected and filtered rows of an upload, with line, text and reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.responses import HTMLResponse

from jobs.console.access.guard import GuardedRoute, allow
from jobs.console.errors import Refused
from jobs.console.model import Role
from jobs.console.tables.viewership import uploads
from jobs.console.web import paths  # noqa: F401 - registers the type `number`
from jobs.console.web.listing import Column, Condition, Facet, Listing, Order, Term
from jobs.console.web.paging import contents
from jobs.console.web.query import ListQuery, Text, query_of
from jobs.console.web.state import console
from jobs.console.web.twins import add_twins

if TYPE_CHECKING:
    from shared.database.session import DatabaseSession

__all__ = ["EXPECTED", "MAX_ID", "RejectsQuery", "listing_of", "router", "stored"]

router = APIRouter(route_class=GuardedRoute)

MAX_ID: Final = 2**63 - 1
"""The highest number of an upload."""

EXPECTED: Final[dict[str, str]] = {
    "NUMBER": "a number, such as 1,234.5",
    "NOT_WHOLE": "a number without a fraction",
    "TOO_LARGE": "at most 18 digits before the decimal mark",
    "TOO_PRECISE": "at most 10 digits after the decimal mark, or the choice round-money",
    "DURATION": "a number, or a duration such as 1:30:00",
    "DATE": "a date such as 2025-07-31, or the choice date-order",
    "DATE_IMPLAUSIBLE": "a date from 2000 to 2099",
    "DATE_OUTSIDE": "a date within the period of the upload",
    "MONTH": "a month, such as July or 7",
    "QUARTER": "a quarter, such as Q3",
    "YEAR": "a year from 2000 to 2099",
    "CELL_ERROR": "a value; the cell has an error, such as #N/A",
    "FORMULA": "a value; save the workbook with a program that calculates it",
    "RAGGED": "as many cells as the header has",
}
"""Code of a rejected row -> what is valid. A filtered row is not wrong."""


class RejectsQuery(ListQuery):
    """Parameters of the list of rejected and filtered rows."""

    fate: Literal["rejected", "filtered"] | None = None
    code: Text | None = None
    column: Annotated[Text | None, Field(title="column")] = None
    sort: Literal["", "line", "line-desc"] = ""


def _conditions(query: RejectsQuery) -> list[Condition]:
    found = []
    if query.fate is not None:
        found.append(Condition("fate", "a.fate = :fate", {"fate": query.fate}))
    if query.code is not None:
        found.append(Condition("code", "a.code = :code", {"code": query.code}))
    if query.column is not None:
        found.append(Condition("column", "a.column_name = :column", {"column": query.column}))
    return found


def listing_of(upload_id: int) -> Listing:
    """Return the list of an upload's rejected and filtered rows, in the order of the primary key."""
    line, position = Term("a.line", "bigint"), Term("a.position", "bigint")
    of_upload = Condition("upload", "a.upload_id = :upload_id", {"upload_id": upload_id})
    return Listing(
        path=f"/uploads/{upload_id}/rejects",
        title="Rejected and filtered rows",
        select="a.line, a.fate, a.code, a.column_name, a.raw, a.message, a.hours, a.revenue",
        source="viewership.set_aside_rows a",
        columns=(
            Column("line", "line", key=True, sorts=("line", "line-desc")),
            Column("column", "column", value=lambda row: row.column_name),
            Column("value", "value", value=lambda row: row.raw),
            Column("why", "why", value=lambda row: row.message),
            Column("valid", "valid", value=lambda row: EXPECTED.get(row.code)),
            Column("fate", "fate"),
            Column("code", "code", "code"),
            Column("hours", "hours", "number"),
            Column("revenue", "revenue", "number"),
        ),
        orders=(
            Order("line", "by line", (line, position)),
            Order(
                "line-desc",
                "last line first",
                (Term("a.line", "bigint", True), Term("a.position", "bigint", True)),
            ),
        ),
        conditions=lambda query: [of_upload, *_conditions(query)],
        facets=(Facet("fate", "a.fate"), Facet("code", "a.code"), Facet("column", "a.column_name")),
    )


def stored(database: DatabaseSession, upload_id: int) -> Any:
    """Return an upload.

    Raises:
        Refused: there is none with this number (404).
    """
    found = uploads.upload(database, upload_id) if upload_id <= MAX_ID else None
    if found is None:
        raise Refused(404, f"there is no upload {upload_id}; the list of uploads is at /uploads", code="upload_missing")
    return found


_Query = Annotated[RejectsQuery, Depends(query_of(RejectsQuery))]


@router.get("/uploads/{upload_id:number}/rejects")
@allow(Role.VIEWER)
def page(request: Request, upload_id: int, query: _Query) -> HTMLResponse:
    """Show a page of the rows that were set aside."""
    with console(request).database.read() as database:
        upload, listing = stored(database, upload_id), listing_of(upload_id)
        found = contents(database, listing, query)
    return console(request).pages.render(request, "viewership/rejects.html.j2", upload=upload, **found)


def _listing(request: Request, query: RejectsQuery) -> Listing:
    del query
    upload_id = request.path_params["upload_id"]
    with console(request).database.read() as database:
        stored(database, upload_id)
    return listing_of(upload_id)


add_twins(router, "/uploads/{upload_id:number}/rejects", RejectsQuery, _listing, everything=True)
