"""Exports of a list: the same rows as JSON and CSV, with the exact digits of decimals."""

from __future__ import annotations

import csv
import io
import json
import math
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

from fastapi import Depends, Request
from starlette.responses import Response, StreamingResponse

from jobs.console.access.guard import allow
from jobs.console.model import Role
from jobs.console.web.paging import cursor_after, fetch
from jobs.console.web.query import ListQuery, query_of
from jobs.console.web.state import console
from shared.scrub import scrub
from shared.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fastapi import APIRouter

    from jobs.console.tables.database import Database
    from jobs.console.web.listing import Column, Listing
    from jobs.console.web.paging import Page

__all__ = ["add_twins", "as_csv", "as_json", "cell", "rows_as_csv", "rows_as_json"]

_Q = TypeVar("_Q", bound=ListQuery)
# Rows per query and per CSV file; a spreadsheet holds about a million.
_AT_ONCE: Final = 1_000
CSV_ROWS: Final = 100_000
# Spreadsheets evaluate cells that start with one of these, including the full-width forms.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def add_twins(
    router: APIRouter,
    path: str,
    model: type[_Q],
    listing: Listing | Callable[[Request, _Q], Listing],
    *,
    everything: bool = False,
) -> None:
    """Serve a list as ``<path>.json`` and ``<path>.csv``, to viewers.

    Args:
        router: the page's router.
        path: the page's path.
        model: the page's parameters.
        listing: the list, or a function that returns it for a request and its parameters.
        everything: True to remove the limit on the rows of the CSV file.
    """

    def of(request: Request, query: _Q) -> Listing:
        return listing(request, query) if callable(listing) else listing

    def page_json(request: Request, query: _Q) -> Response:
        return as_json(console(request).database, of(request, query), query)

    def page_csv(request: Request, query: _Q) -> Response:
        return as_csv(console(request).database, of(request, query), query, everything=everything)

    for suffix, endpoint in (("json", page_json), ("csv", page_csv)):
        # FastAPI evaluates annotations at run time, and the model is a value.
        endpoint.__annotations__ = {"request": Request, "query": Annotated[model, Depends(query_of(model))]}
        router.get(f"{path}.{suffix}")(allow(Role.VIEWER)(endpoint))


def as_json(database: Database, listing: Listing, query: ListQuery) -> Response:
    """Return one page as ``{"rows": [...], "next": URL or null}``."""
    with database.read() as session:
        page = fetch(session, listing, query)
    columns = [column for column in listing.columns if column.twin]
    rows = [{column.name: _plain(column.of(row)) for column in columns} for row in page.rows]
    after = None if page.after is None else query.url(f"{listing.path}.json", after=page.after)
    return _answer({"rows": rows, "next": after})


def as_csv(
    database: Database, listing: Listing, query: ListQuery, *, bom: bool = True, everything: bool = False
) -> Response:
    """Return all matching rows, up to :data:`CSV_ROWS`, as a CSV file for spreadsheets.

    The name of a truncated file says so, and the header ``Link`` has the URL of the rest.

    Args:
        database: the console's database.
        listing: the list.
        query: filters and order; the file starts after its cursor.
        bom: start with a byte order mark; without it, Excel assumes the local code page.
        everything: no limit on the number of rows.
    """
    most = None if everything else CSV_ROWS
    # The first query runs before the response starts, so its errors become an error response.
    with database.read() as session:
        page = fetch(session, listing, query, limit=_AT_ONCE)
        rest = None if page.after is None or most is None else cursor_after(session, listing, query, most)
    name = listing.path.strip("/").replace("/", "-")
    headers = {}
    if rest is not None:
        name += f"-first-{most}-rows"
        headers["Link"] = f'<{query.url(f"{listing.path}.csv", after=rest)}>; rel="next"'

    def body() -> Iterator[bytes]:
        yield ("\ufeff" if bom else "").encode()
        yield from _lines(database, listing, query, page, most)

    return StreamingResponse(
        body(),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"', **headers},
    )


def rows_as_json(columns: Sequence[Column], rows: Sequence[Any]) -> Response:
    """Return a whole table as ``{"rows": [...], "next": null}``."""
    plain = [{column.name: _plain(column.of(row)) for column in columns if column.twin} for row in rows]
    return _answer({"rows": plain, "next": None})


def rows_as_csv(name: str, columns: Sequence[Column], rows: Sequence[Any], *, bom: bool = True) -> Response:
    """Return a whole table as a CSV file for spreadsheets.

    Args:
        name: file name, without its suffix.
        columns: its columns.
        rows: all rows.
        bom: start with a byte order mark; without it, Excel assumes the local code page.
    """
    kept = [column for column in columns if column.twin]
    body = _csv([[column.name for column in kept], *([cell(column.of(row)) for column in kept] for row in rows)])
    return Response(
        ("\ufeff" if bom else "").encode() + body,
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )


def _lines(database: Database, listing: Listing, query: ListQuery, page: Page, most: int | None) -> Iterator[bytes]:
    columns = [column for column in listing.columns if column.twin]
    yield _csv([[column.name for column in columns]])
    left = most
    while True:
        yield _csv([[cell(column.of(row)) for column in columns] for row in page.rows])
        if left is not None:
            left -= len(page.rows)
        if page.after is None or (left is not None and left <= 0):
            return
        query = query.model_copy(update={"after": page.after})
        with database.read() as session:
            page = fetch(session, listing, query, limit=_AT_ONCE if left is None else min(_AT_ONCE, left))


def _csv(rows: list[list[Any]]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerows(rows)
    return buffer.getvalue().encode("utf-8", "replace")


def cell(value: Any) -> Any:
    """Return a spreadsheet cell: text that would be evaluated is prefixed with an apostrophe; numbers stay numbers."""
    plain = _plain(value)
    if isinstance(plain, Decimal):
        return _digits(plain)
    if isinstance(plain, bool):
        return "true" if plain else "false"
    if isinstance(plain, list):
        plain = "; ".join(member if isinstance(member, str) else json.dumps(member, default=float) for member in plain)
    if isinstance(plain, dict):
        plain = json.dumps(plain, ensure_ascii=False, default=float)
    if isinstance(plain, str):
        # Some spreadsheets skip spaces before a formula. Test before printable(), which replaces a CR.
        is_formula = plain.startswith(_FORMULA) or plain.lstrip().startswith(_FORMULA)
        return ("'" if is_formula else "") + printable(plain)
    return plain


def _plain(value: Any) -> Any:  # noqa: PLR0911 - one line a type
    """Convert a value to types of :func:`_json` and mask secrets, recursively."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal | float):
        return _number(value)
    if isinstance(value, tuple | list):
        return [_plain(member) for member in value]
    if isinstance(value, dict):
        return {scrub(str(key)): _plain(member) for key, member in value.items()}
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return scrub(str(value))


def _number(value: Decimal | float) -> int | float | Decimal | None:
    """Return a number, an int if it is an integral decimal; None for infinity and NaN."""
    if not (value.is_finite() if isinstance(value, Decimal) else math.isfinite(value)):
        return None
    return int(value) if isinstance(value, Decimal) and value == value.to_integral_value() else value


def _answer(document: dict[str, Any]) -> Response:
    return Response(_json(document).encode("utf-8", "replace"), media_type="application/json")


_ENCODE: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def _json(value: Any) -> str:
    """Return JSON, in which decimals keep all of their digits: a sum of hours has up to 38, a float only 15."""
    if isinstance(value, Decimal):
        return _digits(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{_ENCODE(key)}:{_json(member)}" for key, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_json, value)) + "]"
    return _ENCODE(value)


def _digits(value: Decimal) -> str:
    """Return a decimal that has a fraction as text, without trailing zeros or an exponent."""
    return f"{value:f}".rstrip("0")
