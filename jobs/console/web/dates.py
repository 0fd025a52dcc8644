"""Filters by day: conditions on a timestamp column, in UTC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.console.tables.database import start_of_day
from jobs.console.web.listing import Condition

if TYPE_CHECKING:
    from datetime import date

__all__ = ["between"]


def between(column: str, first: date | None, last: date | None) -> list[Condition]:
    """Return the conditions of the filters ``from`` and ``to``; both days are included.

    Args:
        column: trusted SQL of type timestamptz.
        first: the first day; None: no limit.
        last: the last day; None: no limit.
    """
    found = []
    if first is not None:
        found.append(Condition("from", f"{column} >= {start_of_day('from_day')}", {"from_day": first}))
    if last is not None:
        end = "(CAST(:to_day AS timestamp) + interval '1 day') AT TIME ZONE 'UTC'"
        found.append(Condition("to", f"{column} < {end}", {"to_day": last}))
    return found
