"""Queries of the ledger: runs, their stages and failed items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from shared.ledger.store import STALE_S

if TYPE_CHECKING:
    from shared.database.session import DatabaseSession

__all__ = ["RUN_STATUS", "STATUSES", "like", "run", "runs_with_prefix", "stages", "status_is", "status_of"]

STATUSES: Final = ("pending", "running", "success", "partial", "failed", "skipped", "cancelled", "interrupted")

# A run whose process is gone counts as interrupted before that is stored. now() instead of clock_timestamp(): only a
# stable function can use an index.
_STALE: Final = f"< now() - make_interval(secs => {STALE_S})"


def status_of(alias: str) -> str:
    """Return SQL for the displayed status of a run or stage.

    Args:
        alias: alias of ``pipeline.runs`` or ``pipeline.run_stages``.
    """
    return (
        f"CASE WHEN {alias}.status = 'running' AND {alias}.heartbeat_at {_STALE} THEN 'interrupted'"
        f" ELSE {alias}.status END"
    )


RUN_STATUS: Final = status_of("r")
"""SQL for the displayed status of ``pipeline.runs r``."""


def status_is(status: str) -> str:
    """Return the condition that ``pipeline.runs r`` has a status, without the CASE, which cannot use an index.

    Args:
        status: one of :data:`STATUSES`.
    """
    if status == "running":
        return f"r.status = 'running' AND (r.heartbeat_at {_STALE}) IS NOT TRUE"
    if status == "interrupted":
        return f"r.status = 'interrupted' OR (r.status = 'running' AND r.heartbeat_at {_STALE})"
    return "r.status = :status"


def like(prefix: str) -> str:
    """Return a LIKE pattern for a prefix, which can use an index with text_pattern_ops."""
    return prefix.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"


# While running, the end is the last heartbeat, which changes every 10 s and not with every request.
_TIMES: Final = "started_at, coalesce(finished_at, heartbeat_at) AS ended_at, finished_at, heartbeat_at"


def run(database: DatabaseSession, run_id: str) -> Any | None:
    """Return a run, or None."""
    rows = database.rows(
        f"SELECT run_id, pipeline, {RUN_STATUS} AS status, parameters, version, host, created_at, {_TIMES},"  # noqa: S608
        " error_stage, error_message FROM pipeline.runs r WHERE run_id = :run_id",
        run_id=run_id,
    )
    return rows[0] if rows else None


def stages(database: DatabaseSession, run_id: str) -> list[Any]:
    """Return the stages of a run in order, with their numbers of failed items, counted up to 10,001."""
    return database.rows(
        f"SELECT stage, stage_order, pipeline, {status_of('s')} AS status, attempt, parameters, version, host,"  # noqa: S608
        f" {_TIMES}, counts, exit_code, input_hash, output_hash, manifest_key, error_message, error_details,"
        " rayjob_uid, (SELECT count(*) FROM (SELECT FROM pipeline.item_errors e WHERE e.run_id = s.run_id"
        " AND e.stage = s.stage LIMIT 10001) AS found) AS failed_items"
        " FROM pipeline.run_stages s WHERE run_id = :run_id ORDER BY stage_order, started_at, stage",
        run_id=run_id,
    )


def runs_with_prefix(database: DatabaseSession, prefix: str, most: int) -> list[Any]:
    """Return runs whose id starts with a prefix, newest first."""
    return database.rows(
        f"SELECT run_id, pipeline, {RUN_STATUS} AS status, created_at FROM pipeline.runs r"  # noqa: S608
        " WHERE run_id LIKE :prefix ORDER BY created_at DESC, run_id DESC LIMIT :most",
        prefix=like(prefix),
        most=most,
    )
