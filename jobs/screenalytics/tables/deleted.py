"""Set or clear the status ``source_deleted`` of runs whose manifest is gone or back; their rows stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.database.session import DatabaseSession

__all__ = ["mark_deleted", "mark_present"]


def mark_deleted(session: DatabaseSession, run_id: str) -> bool:
    """Mark an ingested run whose manifest is gone. Return False if it was marked already.

    The item is no longer settled: a manifest that comes back is read again, even with the same ETag.
    """
    done = session.run(
        "UPDATE screenalytics.runs SET status = 'source_deleted', updated_at = now()"
        " WHERE run_id = :run AND status = 'ingested'",
        run=run_id,
    )
    _set_item(session, run_id, "source_deleted")
    return done > 0


def mark_present(session: DatabaseSession, run_id: str) -> bool:
    """Remove the mark from a run whose manifest is back with the same content. Return False if it had none."""
    done = session.run(
        "UPDATE screenalytics.runs SET status = 'ingested', updated_at = now()"
        " WHERE run_id = :run AND status = 'source_deleted'",
        run=run_id,
    )
    if done:
        _set_item(session, run_id, "ingested")
    return done > 0


def _set_item(session: DatabaseSession, run_id: str, state: str) -> None:
    session.run(
        "UPDATE screenalytics.ingest_items item SET state = :state, code = NULL, message = NULL,"
        " last_at = now() FROM screenalytics.runs run WHERE run.run_id = :run AND item.source = run.source"
        " AND item.manifest_key = run.manifest_key AND item.state <> :state",
        run=run_id,
        state=state,
    )
