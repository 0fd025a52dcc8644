"""Lists: columns, orders, keyset pages, and facets whose counts stop at a cap.

A page of a list continues after the last row of the one before, by the values that it is ordered by. The thousandth
page costs as much as the first, and rows that arrive meanwhile repeat or hide none.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from jobs.console.errors import BadQuery

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jobs.console.web.query import ListQuery
    from shared.database.session import DatabaseSession

__all__ = [
    "COUNT_CAP",
    "Column",
    "Condition",
    "Count",
    "Facet",
    "FacetValue",
    "Listing",
    "Order",
    "Page",
    "Term",
    "count",
    "facet",
    "fetch",
]

# Counting stops here: an exact count of a million rows takes longer than the page.
COUNT_CAP: Final = 10_000
# Values shown of one facet.
_FACET_VALUES: Final = 12

Kind = Literal["text", "code", "time", "number", "duration", "bytes", "status", "share", "flag", "list", "details"]
_TYPES: Final[dict[str, Callable[[str], Any]]] = {
    "text": str,
    "bigint": int,
    "double precision": float,
    "timestamptz": datetime.fromisoformat,
    "date": date.fromisoformat,
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a list and of its twins.

    Attributes:
        name: name in the twins, and of the row's attribute unless ``value`` is given.
        label: heading.
        kind: how the value is shown.
        value: returns the value of a row.
        href: returns the link of a row's cell, or None.
        key: True for the column that names the row: a heading of its card below 640 px.
        sorts: names of the orders that the heading switches between, the first one first.
        twin: False if only the page shows it.
    """

    name: str
    label: str
    kind: Kind = "text"
    value: Callable[[Any], Any] | None = None
    href: Callable[[Any], str | None] | None = None
    key: bool = False
    sorts: tuple[str, ...] = ()
    twin: bool = True

    def of(self, row: Any) -> Any:
        """Return the value of a row."""
        return getattr(row, self.name) if self.value is None else self.value(row)


@dataclass(frozen=True, slots=True)
class Term:
    """One value that rows are ordered by.

    Attributes:
        expression: SQL of ours that is never NULL.
        type: its PostgreSQL type: text, bigint, double precision, timestamptz or date.
        descending: the highest value first.
    """

    expression: str
    type: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """An order of a list; the last term is unique."""

    name: str
    label: str
    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Condition:
    """A part of WHERE: SQL of ours with ``:name`` for the values, and the filter that it stems from."""

    name: str
    sql: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Facet:
    """A filter whose values are listed with their counts.

    Attributes:
        name: parameter of the query.
        expression: SQL of ours for its value.
        source: FROM clause if not the list's.
    """

    name: str
    expression: str


@dataclass(frozen=True, slots=True)
class FacetValue:
    """A value of a facet: how many rows have it, its link, and whether it is chosen."""

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
class Listing:
    """A list: where its rows come from and how they are shown.

    Attributes:
        path: path of the page.
        title: what the rows are, in plural.
        select: SQL of ours between SELECT and FROM.
        source: SQL of ours after FROM.
        columns: in the order of the page.
        orders: the first one is the default.
        conditions: returns the parts of WHERE of a query.
        facets: filters with counts.
    """

    path: str
    title: str
    select: str
    source: str
    columns: tuple[Column, ...]
    orders: tuple[Order, ...]
    conditions: Callable[[Any], Sequence[Condition]]
    facets: tuple[Facet, ...] = ()

    def order(self, name: str) -> Order:
        """Return an order by its name; the default for an empty one."""
        return next((each for each in self.orders if each.name == name), self.orders[0])


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, and the cursor of the next page; None on the last one."""

    rows: list[Any]
    after: str | None


def fetch(database: DatabaseSession, listing: Listing, query: ListQuery, *, limit: int | None = None) -> Page:
    """Return one page of a list.

    Args:
        database: an open transaction.
        listing: the list.
        query: filters, order, cursor and number of rows.
        limit: number of rows instead of the query's.

    Raises:
        BadQuery: the cursor is of another order, or no cursor.
    """
    order = listing.order(query.sort)
    conditions = list(listing.conditions(query))
    if query.after is not None:
        conditions.append(_behind(order, _decode(query.after, order)))
    where, values = _where(conditions)
    wanted = limit or query.limit
    keys = ", ".join(f"({term.expression})::text AS key_{index}" for index, term in enumerate(order.terms))
    by = ", ".join(f"{term.expression}{' DESC' if term.descending else ''}" for term in order.terms)
    rows = database.rows(
        f"SELECT {listing.select}, {keys} FROM {listing.source} {where} ORDER BY {by} LIMIT :rows_wanted",  # noqa: S608
        **values,
        rows_wanted=wanted + 1,
    )
    shown = rows[:wanted]
    return Page(shown, _encode(order, shown[-1]) if len(rows) > wanted else None)


def count(database: DatabaseSession, listing: Listing, query: ListQuery) -> Count:
    """Return the number of rows that match the filters, counted up to :data:`COUNT_CAP`."""
    where, values = _where(listing.conditions(query))
    (row,) = database.rows(
        f"SELECT count(*) AS number FROM (SELECT FROM {listing.source} {where} LIMIT :rows_wanted) AS found",  # noqa: S608
        **values,
        rows_wanted=COUNT_CAP + 1,
    )
    return Count(min(row.number, COUNT_CAP), row.number > COUNT_CAP)


def facet(database: DatabaseSession, listing: Listing, chosen: Facet, query: ListQuery) -> list[FacetValue]:
    """Return the most frequent values of a facet among the rows that match all other filters.

    Counts are those of the first :data:`COUNT_CAP` rows that the database finds.
    """
    others = [each for each in listing.conditions(query) if each.name != chosen.name]
    where, values = _where(others)
    rows = database.rows(
        f"SELECT value::text AS value, count(*) AS number, sum(count(*)) OVER () AS total"  # noqa: S608
        f" FROM (SELECT {chosen.expression} AS value FROM {listing.source} {where} LIMIT :rows_wanted) AS found"
        " WHERE value IS NOT NULL GROUP BY value ORDER BY count(*) DESC, value LIMIT :facet_values",
        **values,
        rows_wanted=COUNT_CAP + 1,
        facet_values=_FACET_VALUES,
    )
    current = getattr(query, chosen.name)
    now = {True: "true", False: "false"}.get(current, current) if isinstance(current, bool) else current
    return [
        FacetValue(
            row.value,
            Count(row.number, row.total > COUNT_CAP),
            query.url(listing.path, **{chosen.name: None if row.value == now else row.value}),
            row.value == now,
        )
        for row in rows
    ]


def _where(conditions: Sequence[Condition]) -> tuple[str, dict[str, Any]]:
    values: dict[str, Any] = {}
    for each in conditions:
        values.update(each.values)
    text = " AND ".join(f"({each.sql})" for each in conditions)
    return (f"WHERE {text}" if text else ""), values


def _behind(order: Order, keys: list[Any]) -> Condition:
    """Return the condition that a row comes after the one with these keys."""
    values = {f"after_{index}": key for index, key in enumerate(keys)}
    named = [f"CAST(:after_{index} AS {term.type})" for index, term in enumerate(order.terms)]
    if len({term.descending for term in order.terms}) == 1:
        # A comparison of rows is what an index on all terms can answer by itself.
        sign = "<" if order.terms[0].descending else ">"
        left = ", ".join(term.expression for term in order.terms)
        return Condition("after", f"({left}) {sign} ({', '.join(named)})", values)
    parts = []
    for index, term in enumerate(order.terms):
        equal = [f"{before.expression} = {named[place]}" for place, before in enumerate(order.terms[:index])]
        sign = "<" if term.descending else ">"
        parts.append(" AND ".join([*equal, f"{term.expression} {sign} {named[index]}"]))
    return Condition("after", " OR ".join(f"({part})" for part in parts), values)


def _encode(order: Order, row: Any) -> str:
    keys = [order.name, *(getattr(row, f"key_{index}") for index in range(len(order.terms)))]
    return base64.urlsafe_b64encode(json.dumps(keys, ensure_ascii=False).encode()).decode().rstrip("=")


def _decode(text: str, order: Order) -> list[Any]:
    try:
        keys = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        known = isinstance(keys, list) and all(isinstance(key, str) and "\0" not in key for key in keys)
        if known and keys[:1] == [order.name]:
            return [_TYPES[term.type](key) for term, key in zip(order.terms, keys[1:], strict=True)]
    except (ValueError, binascii.Error, RecursionError):
        pass
    raise BadQuery([f"after='{text[:20]}…' is not a cursor of this order; open the list again without 'after'"])
