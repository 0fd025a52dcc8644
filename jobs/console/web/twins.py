"""The twins of a list: the same rows as JSON and as CSV."""

from __future__ import annotations

import csv
import io
import math
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse, StreamingResponse

from jobs.console.web.listing import fetch
from shared.scrub import scrub
from shared.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.responses import Response

    from jobs.console.tables.database import Database
    from jobs.console.web.listing import Listing
    from jobs.console.web.query import ListQuery

__all__ = ["as_csv", "as_json", "cell"]

# Rows of one query of a CSV file, and of the whole file; a spreadsheet holds about a million.
_AT_ONCE: Final = 1_000
CSV_ROWS: Final = 100_000
# A spreadsheet evaluates cells that begin with one of these.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def as_json(database: Database, listing: Listing, query: ListQuery) -> Response:
    """Return one page as ``{"rows": [...], "next": URL or null}``."""
    with database.read() as session:
        page = fetch(session, listing, query)
    columns = [column for column in listing.columns if column.twin]
    rows = [{column.name: _plain(column.of(row)) for column in columns} for row in page.rows]
    after = None if page.after is None else query.url(f"{listing.path}.json", after=page.after)
    return JSONResponse({"rows": rows, "next": after})


def as_csv(database: Database, listing: Listing, query: ListQuery, *, bom: bool = True) -> Response:
    """Return all rows that match, up to :data:`CSV_ROWS`, as a file for spreadsheets.

    Args:
        database: the console's database.
        listing: the list.
        query: filters and order; a cursor is where the file begins.
        bom: begin with a byte order mark, without which Excel reads UTF-8 as the local code page.
    """
    # The first query runs before the answer begins, so that its errors become an answer of their own.
    lines = _lines(database, listing, query)
    head = next(lines)
    name = listing.path.strip("/").replace("/", "-")

    def body() -> Iterator[bytes]:
        yield ("\ufeff" if bom else "").encode() + head
        yield from lines

    return StreamingResponse(
        body(),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )


def _lines(database: Database, listing: Listing, query: ListQuery) -> Iterator[bytes]:
    columns = [column for column in listing.columns if column.twin]
    written = 0
    head = _csv([[column.name for column in columns]])
    while True:
        with database.read() as session:
            page = fetch(session, listing, query, limit=_AT_ONCE)
        yield head + _csv([[cell(column.of(row)) for column in columns] for row in page.rows])
        head = b""
        written += len(page.rows)
        if page.after is None or written >= CSV_ROWS:
            return
        query = query.model_copy(update={"after": page.after})


def _csv(rows: list[list[Any]]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerows(rows)
    return buffer.getvalue().encode("utf-8", "replace")


def cell(value: Any) -> Any:
    """Return a value for a spreadsheet: text that it would evaluate gets an apostrophe, numbers stay numbers."""
    plain = _plain(value)
    if isinstance(plain, str):
        plain = printable(plain) if "\t" not in plain and "\r" not in plain else plain
        return f"'{plain}" if plain.startswith(_FORMULA) else plain
    if isinstance(plain, list):
        return cell("; ".join(str(member) for member in plain))
    return plain


def _plain(value: Any) -> Any:  # noqa: PLR0911 - one line a type
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, tuple | list):
        return [_plain(member) for member in value]
    if isinstance(value, dict):
        return {str(key): _plain(member) for key, member in value.items()}
    return value
