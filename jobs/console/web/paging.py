"""Pages of a list: rows after a cursor, and facets whose counts stop at a cap.

Each page continues after the last row of the previous page, by the values of its order. The thousandth page is as fast
as the first, and new rows do not cause repeated or missing ones.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from jobs.console.errors import BadQuery
from jobs.console.web.listing import Condition, where_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobs.console.web.listing import Facet, Listing, Order
    from jobs.console.web.query import ListQuery
    from shared.database.session import DatabaseSession

__all__ = [
    "COUNT_CAP",
    "Count",
    "FacetValue",
    "Page",
    "contents",
    "count",
    "cursor_after",
    "cursor_of",
    "facet",
    "fetch",
]

# Counting stops here: an exact count of a million rows would take longer than the page itself.
COUNT_CAP: Final = 10_000
# Maximum number of values shown per facet.
_FACET_VALUES: Final = 12
# A numeric(38, 10) has 40 characters; an exponent would make PostgreSQL write out all of its zeros.
_MOST_DIGITS: Final = 60


def _bigint(text: str) -> int:
    number = int(text)
    if not -(2**63) <= number < 2**63:
        raise ValueError("it is not a bigint")
    return number


def _numeric(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise ValueError("it is not a number") from error
    if "e" in text.lower() or len(text) > _MOST_DIGITS or not number.is_finite():
        raise ValueError("it is not a number")
    return number


_TYPES: Final[dict[str, Callable[[str], Any]]] = {
    "text": str,
    "bigint": _bigint,
    "bytea": lambda text: bytes.fromhex(text.removeprefix("\\x")),
    "double precision": float,
    "numeric": _numeric,
    "timestamptz": datetime.fromisoformat,
    "date": date.fromisoformat,
}


@dataclass(frozen=True, slots=True)
class FacetValue:
    """A value of a facet with its count, link and selection."""

    value: str
    count: Count
    href: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Count:
    """A number of rows, exact below the cap."""

    number: int
    capped: bool

    def __str__(self) -> str:
        return f"{self.number:,}{'+' if self.capped else ''}"


@dataclass(frozen=True, slots=True)
class Page:
    """Rows and the cursor of the next page; None on the last page."""

    rows: list[Any]
    after: str | None


def contents(database: DatabaseSession, listing: Listing, query: ListQuery) -> dict[str, Any]:
    """Return what the template of a list shows: one page of rows, and the counts of its rows and facets.

    Args:
        database: an open transaction.
        listing: the list.
        query: filters, order, cursor and number of rows.

    Raises:
        BadQuery: the cursor is invalid or belongs to another order.
    """
    page = fetch(database, listing, query)
    return {
        "listing": listing,
        "query": query,
        "rows": page.rows,
        "after": page.after,
        "total": count(database, listing, query),
        "facets": [(each, facet(database, listing, each, query)) for each in listing.facets],
    }


def fetch(database: DatabaseSession, listing: Listing, query: ListQuery, *, limit: int | None = None) -> Page:
    """Return one page of a list.

    Args:
        database: an open transaction.
        listing: the list.
        query: filters, order, cursor and number of rows.
        limit: number of rows instead of the query's.

    Raises:
        BadQuery: the cursor is invalid or belongs to another order.
    """
    order = listing.order(query.sort)
    keys, where, by, values = _parts(listing, query, order)
    wanted = limit or query.limit
    rows = database.rows(
        f"SELECT {listing.select}, {keys} FROM {listing.source} {where} ORDER BY {by} LIMIT :rows_wanted",  # noqa: S608
        **values,
        rows_wanted=wanted + 1,
    )
    shown = rows[:wanted]
    return Page(shown, cursor_of(order, shown[-1]) if len(rows) > wanted else None)


def cursor_after(database: DatabaseSession, listing: Listing, query: ListQuery, number: int) -> str | None:
    """Return the cursor after the first ``number`` rows; None if there are no more rows.

    Args:
        database: an open transaction.
        listing: the list.
        query: filters, order and cursor.
        number: rows before the cursor; the database reads them all.

    Raises:
        BadQuery: the cursor is invalid or belongs to another order.
    """
    order = listing.order(query.sort)
    keys, where, by, values = _parts(listing, query, order)
    rows = database.rows(
        f"SELECT {keys} FROM {listing.source} {where} ORDER BY {by} OFFSET :rows_before LIMIT 2",  # noqa: S608
        **values,
        rows_before=number - 1,
    )
    return cursor_of(order, rows[0]) if len(rows) > 1 else None


def count(database: DatabaseSession, listing: Listing, query: ListQuery) -> Count:
    """Return the number of rows that match the filters, counted up to :data:`COUNT_CAP`."""
    where, values = where_of(listing.conditions(query))
    (row,) = database.rows(
        f"SELECT count(*) AS number FROM (SELECT FROM {listing.source} {where} LIMIT :rows_wanted) AS found",  # noqa: S608
        **values,
        rows_wanted=COUNT_CAP + 1,
    )
    return Count(min(row.number, COUNT_CAP), row.number > COUNT_CAP)


def facet(database: DatabaseSession, listing: Listing, chosen: Facet, query: ListQuery) -> list[FacetValue]:
    """Return the most frequent values of a facet over rows that match all other filters.

    Only the first :data:`COUNT_CAP` rows found are counted.
    """
    others = [each for each in listing.conditions(query) if each.name != chosen.name]
    where, values = where_of(others)
    rows = database.rows(
        f"SELECT value::text AS value, count(*) AS number, sum(count(*)) OVER () AS total"  # noqa: S608
        f" FROM (SELECT {chosen.expression} AS value FROM {listing.source} {where} LIMIT :rows_wanted) AS found"
        " WHERE value IS NOT NULL GROUP BY value ORDER BY count(*) DESC, value LIMIT :facet_values",
        **values,
        rows_wanted=COUNT_CAP + 1,
        facet_values=_FACET_VALUES,
    )
    current = getattr(query, chosen.name)
    now = None if current is None else str(current).lower() if isinstance(current, bool) else str(current)
    return [
        FacetValue(
            row.value,
            Count(row.number, row.total > COUNT_CAP),
            query.url(listing.path, **{chosen.name: None if row.value == now else row.value}),
            row.value == now,
        )
        for row in rows
    ]


def _parts(listing: Listing, query: ListQuery, order: Order) -> tuple[str, str, str, dict[str, Any]]:
    """Return the key columns, WHERE, ORDER BY and the values of a query that starts after its cursor."""
    conditions = list(listing.conditions(query))
    if query.after is not None:
        conditions.append(_behind(order, _decode(query.after, order)))
    where, values = where_of(conditions)
    keys = ", ".join(f"({term.expression})::text AS key_{index}" for index, term in enumerate(order.terms))
    by = ", ".join(f"{term.expression}{' DESC' if term.descending else ''}" for term in order.terms)
    return keys, where, by, values


def _behind(order: Order, keys: list[Any]) -> Condition:
    """Return the condition for rows after the one with these keys."""
    values = {f"after_{index}": key for index, key in enumerate(keys)}
    named = [f"CAST(:after_{index} AS {term.type})" for index, term in enumerate(order.terms)]
    if len({term.descending for term in order.terms}) == 1:
        # An index on all terms can evaluate a row comparison directly.
        sign = "<" if order.terms[0].descending else ">"
        left = ", ".join(term.expression for term in order.terms)
        return Condition("after", f"({left}) {sign} ({', '.join(named)})", values)
    parts = []
    for index, term in enumerate(order.terms):
        equal = [f"{before.expression} = {named[place]}" for place, before in enumerate(order.terms[:index])]
        sign = "<" if term.descending else ">"
        parts.append(" AND ".join([*equal, f"{term.expression} {sign} {named[index]}"]))
    # An index can evaluate the first comparison; it cannot use the alternatives alone.
    first = order.terms[0]
    bound = f"{first.expression} {'<=' if first.descending else '>='} {named[0]}"
    return Condition("after", f"{bound} AND ({' OR '.join(f'({part})' for part in parts)})", values)


def cursor_of(order: Order, row: Any) -> str:
    """Return the cursor after a row of :func:`fetch`."""
    keys = [order.name, *(getattr(row, f"key_{index}") for index in range(len(order.terms)))]
    return base64.urlsafe_b64encode(json.dumps(keys, ensure_ascii=False).encode()).decode().rstrip("=")


def _is_text(key: Any) -> bool:
    """Return whether PostgreSQL can store a value as text: no NUL, no lone surrogates."""
    return isinstance(key, str) and "\0" not in key and not any("\ud800" <= char <= "\udfff" for char in key)


def _decode(text: str, order: Order) -> list[Any]:
    try:
        keys = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if isinstance(keys, list) and all(map(_is_text, keys)) and keys[:1] == [order.name]:
            return [_TYPES[term.type](key) for term, key in zip(order.terms, keys[1:], strict=True)]
    except (ValueError, OverflowError, binascii.Error, RecursionError):
        pass
    raise BadQuery([f"after='{text[:20]}…' is not a cursor of this order; open the list again without 'after'"])
