"""Item errors: the list over all runs, and that of one run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jobs.console.tables.ledger import like

if TYPE_CHECKING:
    from shared.database.session import DatabaseSession

__all__ = ["PIPELINE", "items_with_prefix"]

# A run of media has stages of several pipelines: the stage's pipeline counts.
PIPELINE: Final = "(SELECT s.pipeline FROM pipeline.run_stages s WHERE s.run_id = e.run_id AND s.stage = e.stage)"
"""SQL for the pipeline of ``pipeline.item_errors e``."""


def items_with_prefix(database: DatabaseSession, prefix: str, most: int) -> list[Any]:
    """Return different items that failed and start with a prefix.

    Args:
        database: an open transaction.
        prefix: the beginning.
        most: the most items; they are taken from the first 10,000 errors that match.
    """
    return database.rows(
        "SELECT item, count(*) AS number, max(at) AS at FROM (SELECT item, at FROM pipeline.item_errors"
        " WHERE item LIKE :prefix LIMIT 10000) AS found GROUP BY item ORDER BY max(at) DESC, item LIMIT :most",
        prefix=like(prefix),
        most=most,
    )
