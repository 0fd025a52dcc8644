"""Lists: their columns, orders, conditions and facets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Column", "Condition", "Facet", "Listing", "Order", "Term", "where_of"]

Kind = Literal[
    "text",
    "code",
    "command",
    "time",
    "number",
    "duration",
    "bytes",
    "status",
    "share",
    "rate",
    "flag",
    "list",
    "names",
    "phases",
    "details",
]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a list and its exports.

    Attributes:
        name: name in exports, and the row's attribute unless ``value`` is set.
        label: heading.
        kind: how the value is shown.
        value: returns the value of a row.
        href: returns the link of a row's cell, or None.
        key: True for the column that identifies the row; it is the card's heading below 640 px.
        sorts: names of the orders that the heading toggles, starting with the first.
        twin: False to omit it from exports.
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
    """A sort key.

    Attributes:
        expression: trusted SQL that is never NULL.
        type: its PostgreSQL type: text, bigint, bytea, double precision, numeric, timestamptz or date.
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
    """A part of WHERE: trusted SQL with ``:name`` parameters, and the filter that it belongs to."""

    name: str
    sql: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Facet:
    """A filter whose values are listed with their counts.

    Attributes:
        name: query parameter.
        expression: trusted SQL for its value.
    """

    name: str
    expression: str


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
        """Return an order by name; the default if the name is empty."""
        return next((each for each in self.orders if each.name == name), self.orders[0])


def where_of(conditions: Sequence[Condition]) -> tuple[str, dict[str, Any]]:
    """Return a WHERE clause, empty without conditions, and its values."""
    values: dict[str, Any] = {}
    for each in conditions:
        values.update(each.values)
    text = " AND ".join(f"({each.sql})" for each in conditions)
    return (f"WHERE {text}" if text else ""), values
