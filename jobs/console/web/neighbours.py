"""The rows before and after one row of a list, with the list's filters and order."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jobs.console.web.listing import Order
from jobs.console.web.paging import cursor_of, fetch

if TYPE_CHECKING:
    from jobs.console.web.listing import Condition, Listing
    from jobs.console.web.query import ListQuery
    from shared.database.session import DatabaseSession

__all__ = ["around", "neighbours"]


def neighbours(
    database: DatabaseSession, listing: Listing, query: ListQuery, identity: Condition
) -> tuple[Any | None, Any | None]:
    """Return the rows before and after a row; None at the ends of the list or if the order omits the row.

    Args:
        database: an open transaction.
        listing: the list.
        query: its filters and order; the row itself need not match the filters.
        identity: a condition that matches only this row.
    """
    before, after = around(database, listing, query, identity, 1) or ([], [])
    return (before[0] if before else None), (after[0] if after else None)


def around(
    database: DatabaseSession, listing: Listing, query: ListQuery, identity: Condition, most: int
) -> tuple[list[Any], list[Any]] | None:
    """Return up to ``most`` rows before and after a row, nearest first; None if the list has no such row.

    Args:
        database: an open transaction.
        listing: the list.
        query: its filters and order; the row itself need not match the filters.
        identity: a condition that matches only this row.
        most: rows on each side.
    """
    order = listing.order(query.sort)
    alone = replace(listing, orders=(order,), conditions=lambda _: [identity])
    found = fetch(database, alone, query.model_copy(update={"after": None}), limit=1).rows
    if not found or any(getattr(found[0], f"key_{index}") is None for index in range(len(order.terms))):
        return None
    here = query.model_copy(update={"after": cursor_of(order, found[0])})
    turned = Order(
        order.name, order.label, tuple(replace(term, descending=not term.descending) for term in order.terms)
    )
    before = fetch(database, replace(listing, orders=(turned,)), here, limit=most).rows
    after = fetch(database, listing, here, limit=most).rows
    return before, after
