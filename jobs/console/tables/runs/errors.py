"""Item errors: conditions that use indexes, and counts over a bounded number of rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from jobs.console.tables.runs.ledger import like

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.database.session import DatabaseSession

__all__ = [
    "ERRORS_READ",
    "OF_PIPELINE",
    "PIPELINE",
    "Sample",
    "errors_url",
    "items_with_prefix",
    "runs_with_error",
    "sample",
]

# A media run has stages of several pipelines, so use the stage's pipeline.
PIPELINE: Final = "(SELECT s.pipeline FROM pipeline.run_stages s WHERE s.run_id = e.run_id AND s.stage = e.stage)"
"""SQL for the pipeline of ``pipeline.item_errors e``."""

OF_PIPELINE: Final = (
    "(e.run_id, e.stage) IN (SELECT s.run_id, s.stage FROM pipeline.run_stages s WHERE s.pipeline = :pipeline)"
)
"""The condition that an error belongs to a pipeline; PostgreSQL starts from the smaller side."""

ERRORS_READ: Final = 10_000
"""Maximum errors read by a filter of runs, newest first; of a frequent code, 20,000 took 0.2 s."""

# The longest text that a filter accepts.
_FILTER_CHARS: Final = 200
# Runs that ended with an error in a stage, found by the partial index of runs.
_STAGES: Final = """
    SELECT r.run_id FROM pipeline.runs r WHERE r.status <> 'success' AND r.error_stage IS NOT NULL AND EXISTS (
        SELECT FROM pipeline.run_stages s WHERE s.run_id = r.run_id AND s.stage = r.error_stage
        AND s.error_details @> jsonb_build_object('errors', jsonb_build_array(jsonb_build_object('code',
        CAST(:code AS text)))))
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """Error counts by code, retryable, stage and pipeline.

    Attributes:
        groups: (code, retryable, stage, pipeline) -> count.
        cut: True if not all errors were read.
    """

    groups: Counter[tuple[str, bool, str, str]]
    cut: bool


def sample(database: DatabaseSession, where: str, values: Mapping[str, Any], most: int) -> Sample:
    """Count the newest matching errors.

    Args:
        database: an open transaction.
        where: condition on ``pipeline.item_errors e``: trusted SQL.
        values: its values.
        most: maximum number of errors to read.
    """
    # A subquery per group: with a join, the planner overestimates the groups and reads all stages.
    rows = database.rows(
        f"""
        SELECT code, retryable, stage, pipeline, sum(number) AS number FROM (
            SELECT e.code, e.retryable, e.stage, e.number, {PIPELINE} AS pipeline FROM (
                SELECT run_id, stage, code, retryable, count(*) AS number FROM (
                    SELECT e.run_id, e.stage, e.code, e.retryable FROM pipeline.item_errors e WHERE {where}
                    ORDER BY e.at DESC LIMIT :errors_read) AS newest
                GROUP BY run_id, stage, code, retryable) AS e
            ) AS found
        GROUP BY 1, 2, 3, 4
        """,  # noqa: S608 - conditions are ours
        **values,
        errors_read=most + 1,
    )
    groups = Counter({(row.code, row.retryable, row.stage, row.pipeline): int(row.number) for row in rows})
    return Sample(groups, groups.total() > most)


def runs_with_error(database: DatabaseSession, code: str | None, item: str | None) -> tuple[list[str], bool]:
    """Return the runs in which an item failed, and whether there may be older ones.

    Only the newest :data:`ERRORS_READ` errors are read, because a frequent code has millions.

    Args:
        database: an open transaction.
        code: code of an item's error or of the error that ended the run; None: any item error.
        item: prefix of the item; None: any.
    """
    values: dict[str, Any] = {"most": ERRORS_READ}
    conditions = []
    if code is not None:
        conditions.append("e.code = :code")
        values["code"] = code
    if item is not None:
        conditions.append("e.item LIKE :item")
        values["item"] = like(item)
    stages = "" if code is None or item is not None else f"UNION ALL SELECT run_id, 0 FROM ({_STAGES}) AS ended"  # noqa: S608 - our constant
    rows = database.rows(
        f"""
        SELECT run_id, sum(number) AS number FROM (
            SELECT run_id, count(*) AS number FROM (
                SELECT e.run_id FROM pipeline.item_errors e WHERE {" AND ".join(conditions)}
                ORDER BY e.at DESC LIMIT :most) AS newest
            GROUP BY run_id {stages}) AS found
        GROUP BY run_id
        """,  # noqa: S608 - conditions are ours
        **values,
    )
    return [row.run_id for row in rows], sum(row.number for row in rows) >= ERRORS_READ


def errors_url(item: str) -> str:
    """Return the URL of an item's errors; its name is cut to the longest text that a filter accepts."""
    return "/errors?" + urlencode({"item": item[:_FILTER_CHARS]})


def items_with_prefix(database: DatabaseSession, prefix: str, most: int) -> list[Any]:
    """Return distinct failed items that start with a prefix.

    Args:
        database: an open transaction.
        prefix: prefix of the item.
        most: maximum number of items, taken from the first 10,000 matching errors.
    """
    return database.rows(
        "SELECT item, count(*) AS number, max(at) AS at FROM (SELECT item, at FROM pipeline.item_errors"
        " WHERE item LIKE :prefix LIMIT 10000) AS found GROUP BY item ORDER BY max(at) DESC, item LIMIT :most",
        prefix=like(prefix),
        most=most,
    )
