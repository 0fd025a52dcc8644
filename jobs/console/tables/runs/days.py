"""Runs per day and status, for the strip above the list of runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from jobs.console.tables.runs.ledger import RUN_STATUS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date
    from typing import Any

    from shared.database.session import DatabaseSession

__all__ = ["DAYS", "days"]

DAYS: Final = 30


def days(database: DatabaseSession, where: str, values: Mapping[str, Any]) -> list[tuple[date, dict[str, int]]]:
    """Return the last 30 days (UTC), oldest first, with the number of runs by status.

    Args:
        database: an open transaction.
        where: additional conditions on ``pipeline.runs r``: trusted SQL.
        values: their values.
    """
    today = datetime.now(UTC).date()
    first = today - timedelta(days=DAYS - 1)
    found: dict[date, dict[str, int]] = {first + timedelta(days=index): {} for index in range(DAYS)}
    rows = database.rows(
        f"SELECT CAST(r.created_at AT TIME ZONE 'UTC' AS date) AS day, {RUN_STATUS} AS status, count(*) AS number"  # noqa: S608
        " FROM pipeline.runs r WHERE r.created_at >= CAST(:first_day AS timestamp) AT TIME ZONE 'UTC'"
        f"{' AND ' if where else ''}{where} GROUP BY 1, 2",
        **values,
        first_day=first,
    )
    for row in rows:
        # The database's day may already be the next one.
        found.setdefault(row.day, {})[row.status] = row.number
    return sorted(found.items())[-DAYS:]
