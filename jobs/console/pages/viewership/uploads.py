"""`/uploads`: uploads of platforms' reports, and received files that are not stored yet."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import AfterValidator, Field
from starlette.responses import HTMLResponse

from jobs.console.access.guard import GuardedRoute, allow
from jobs.console.model import Role
from jobs.console.tables.database import start_of_day
from jobs.console.tables.viewership import phases, uploads
from jobs.console.web.dates import between
from jobs.console.web.listing import Column, Condition, Facet, Listing, Order, Term
from jobs.console.web.paging import contents
from jobs.console.web.query import ListQuery, Text, query_of
from jobs.console.web.state import console
from jobs.console.web.twins import add_twins
from shared.errors import TransientError

if TYPE_CHECKING:
    from jobs.console.tables.snapshots import Taken

__all__ = ["LISTING", "PATH", "UploadsQuery", "period_days", "router", "upload_url"]

router = APIRouter(route_class=GuardedRoute)

PATH: Final = "/uploads"
_RECEIVED: Final = 20
_PERIOD: Final = re.compile(r"(\d{4})(?:-(?:(0[1-9]|1[0-2])|[qQ]([1-4])))?", re.ASCII)


def period_days(text: str) -> tuple[date, date]:
    """Return the first day of a period, and the first day after it.

    Args:
        text: a year, quarter or month.

    Raises:
        ValueError: it is none of them.

    Example:
        >>> [day.isoformat() for day in period_days("2025-Q3")]
        ['2025-07-01', '2025-10-01']
    """
    found = _PERIOD.fullmatch(text)
    if found is None or not 1 <= int(found[1]) < date.max.year:
        raise ValueError("a month, quarter or year: 2025-07, 2025-Q3 or 2025")
    year, month, quarter = int(found[1]), found[2], found[3]
    begin, months = (int(month), 1) if month else (3 * int(quarter) - 2, 3) if quarter else (1, 12)
    end = begin + months
    return date(year, begin, 1), date(year + (end > 12), 1 if end > 12 else end, 1)  # noqa: PLR2004 - months of a year


def _period(text: str) -> str:
    period_days(text)
    return text.upper()


class UploadsQuery(ListQuery):
    """Parameters of the list of uploads."""

    platform: Text | None = None
    status: (
        Literal[
            "waiting",
            "failed",
            "received",
            "needs_choice",
            "refused",
            "copy",
            "overlap",
            "skipped",
            "read",
            "normalized",
            "matched",
            "loaded",
            "partial",
            "replaced",
            "retracted",
        ]
        | None
    ) = None
    code: Annotated[Text | None, Field(title="code")] = None
    period: Annotated[Annotated[Text, AfterValidator(_period)] | None, Field(title="period")] = None
    from_: Annotated[date | None, Field(title="uploaded from")] = None
    to: Annotated[date | None, Field(title="uploaded to")] = None
    changed_from: Annotated[date | None, Field(title="changed since")] = None
    q: Annotated[Text | None, Field(title="file name")] = None
    sort: Literal["", "newest", "oldest", "hours", "rows", "file"] = ""


_GROUPS: Final = {"waiting": uploads.ASKED, "failed": uploads.FAILED}


def _conditions(query: UploadsQuery) -> list[Condition]:
    found: list[Condition] = between("u.created_at", query.from_, query.to)
    if query.platform is not None:
        found.append(Condition("platform", "u.platform = :platform", {"platform": query.platform}))
    if query.status is not None:
        statuses = list(_GROUPS.get(query.status, (query.status,)))
        found.append(Condition("status", "u.status = ANY (:statuses)", {"statuses": statuses}))
    if query.code is not None:
        found.append(Condition("code", "u.code = :code", {"code": query.code}))
    if query.period is not None:
        first, after = period_days(query.period)
        sql = "u.first_date < CAST(:period_end AS date) AND u.last_date >= CAST(:period_start AS date)"
        found.append(Condition("period", sql, {"period_start": first, "period_end": after}))
    if query.changed_from is not None:
        sql = f"u.updated_at >= {start_of_day('changed_from')}"
        found.append(Condition("changed_from", sql, {"changed_from": query.changed_from}))
    if query.q is not None:
        pattern = "%" + re.sub(r"([\\%_])", r"\\\1", query.q) + "%"
        sql = "u.upload_id IN (SELECT n.upload_id FROM viewership.upload_names n WHERE n.filename ILIKE :name)"
        found.append(Condition("q", sql, {"name": pattern}))
    return found


def upload_url(upload_id: int) -> str:
    """Return the path of an upload's page."""
    return f"{PATH}/{upload_id}"


def _days(row: Any) -> str | None:
    """Return the days of an upload: a month, quarter or year as such, other ones as an ISO 8601 interval."""
    first, last = row.first_date, row.last_date
    if first is None or first == last:
        return None if first is None else f"{first}"
    for text in (f"{first:%Y-%m}", f"{first.year}-Q{(first.month + 2) // 3}", f"{first.year}"):
        begin, after = period_days(text)
        if (first, last) == (begin, after - timedelta(days=1)):
            return text
    return f"{first}/{last}"


# From a copy that may be minutes old, since counting takes seconds.
_RATE: Final = """(
    SELECT (sum(m.units) FILTER (WHERE m.fate = 'final')
        / nullif(sum(m.units) FILTER (WHERE m.fate IN ('final', 'review', 'unmatched')), 0))::float8
    FROM console.match_rates m WHERE m.upload_id = u.upload_id)"""
_BY_ID: Final = Term("u.upload_id", "bigint", True)

LISTING = Listing(
    path=PATH,
    title="Uploads",
    select=(
        "u.upload_id, u.filename, u.platform, u.status, u.code, u.first_date, u.last_date, u.units, u.hours,"
        f" u.created_at, {uploads.uploader('u')} AS created_by, {_RATE} AS match_rate"
    ),
    source="viewership.uploads u",
    columns=(
        Column("filename", "file", href=lambda row: upload_url(row.upload_id), key=True, sorts=("file",)),
        Column("upload_id", "number"),
        Column("status", "status", "status"),
        Column("phases", "phases", "phases", value=lambda row: phases.phase_words(row.status, row.code)),
        Column("platform", "platform"),
        Column("days", "days", value=_days),
        Column("units", "rows", "number", sorts=("rows",)),
        Column("hours", "hours", "number", sorts=("hours",)),
        Column("match_rate", "match rate", "share"),
        Column("created_by", "by"),
        Column("code", "code", "code"),
        Column("created_at", "when", "time", sorts=("newest", "oldest")),
    ),
    orders=(
        Order("newest", "newest first", (_BY_ID,)),
        Order("oldest", "oldest first", (Term("u.upload_id", "bigint"),)),
        Order("hours", "most hours first", (Term("coalesce(u.hours, 0)::float8", "double precision", True), _BY_ID)),
        Order("rows", "most rows first", (Term("coalesce(u.units, 0)", "bigint", True), _BY_ID)),
        Order("file", "by file name", (Term('lower(u.filename) COLLATE "C"', "text"), Term("u.upload_id", "bigint"))),
    ),
    conditions=_conditions,
    facets=(Facet("status", "u.status"), Facet("platform", "u.platform"), Facet("code", "u.code")),
)

_Query = Annotated[UploadsQuery, Depends(query_of(UploadsQuery))]


@router.get(PATH)
@allow(Role.VIEWER)
def page(request: Request, query: _Query) -> HTMLResponse:
    """Show a page of uploads; the first page begins with received files that are not stored yet."""
    taken = _taken(request)
    with console(request).database.read() as database:
        found = contents(database, LISTING, query)
        waiting = [] if query.after or query.filters() else uploads.received(database, _RECEIVED)
    return console(request).pages.render(
        request,
        "viewership/uploads.html.j2",
        **found,
        received=waiting,
        most=_RECEIVED,
        taken=taken,
        statuses=(*_GROUPS, *uploads.STATUSES),
        may_upload=request.state.principal.role.includes(Role.UPLOADER),
    )


def _taken(request: Request) -> Taken | None:
    """Return when the copy with the match rates was made, after making a first one; None if that takes too long."""
    try:
        return console(request).snapshots.current("match_rates")
    except TransientError:
        return None


def _export(request: Request, query: UploadsQuery) -> Listing:
    del query
    _taken(request)
    return LISTING


add_twins(router, PATH, UploadsQuery, _export)
