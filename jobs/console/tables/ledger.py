"""Runs, their stages and failed items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.ledger.store import STALE_S

if TYPE_CHECKING:
    from shared.database.session import DatabaseSession

__all__ = ["run", "stages"]

_STATUS = (
    "CASE WHEN status = 'running' AND heartbeat_at < clock_timestamp() - make_interval(secs => "
    f"{STALE_S}) THEN 'interrupted' ELSE status END AS status"
)


def run(database: DatabaseSession, run_id: str) -> Any | None:
    """Return a run, or None."""
    rows = database.rows(
        f"SELECT run_id, pipeline, {_STATUS}, parameters, version, host, created_at, started_at, finished_at,"  # noqa: S608
        " coalesce(finished_at, clock_timestamp()) - started_at AS took, error_stage, error_message"
        " FROM pipeline.runs WHERE run_id = :run_id",
        run_id=run_id,
    )
    return rows[0] if rows else None


def stages(database: DatabaseSession, run_id: str) -> list[Any]:
    """Return the stages of a run, in order."""
    return database.rows(
        f"SELECT stage, stage_order, pipeline, {_STATUS}, attempt, parameters, started_at, finished_at,"  # noqa: S608
        " coalesce(finished_at, clock_timestamp()) - started_at AS took, counts, exit_code, manifest_key,"
        " error_message, error_details FROM pipeline.run_stages WHERE run_id = :run_id"
        " ORDER BY stage_order, started_at, stage",
        run_id=run_id,
    )
