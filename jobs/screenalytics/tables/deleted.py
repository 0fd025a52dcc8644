"""Mark runs whose manifest the producer deleted; their rows stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.database.session import Session

__all__ = ["mark_deleted", "mark_present"]


def mark_deleted(session: Session, run_id: str) -> bool:
    """Mark an ingested run whose manifest is gone, and return False if it was already marked.

    The item is then no longer settled, so a manifest that comes back is read again, even with the same ETag.
    """
    updated = session.run(
        "UPDATE screenalytics.runs SET status = 'source_deleted', updated_at = now()"
        " WHERE run_id = :run AND status = 'ingested'",
        run=run_id,
    )
    _set_item(session, run_id, "source_deleted")
    return updated > 0


def mark_present(session: Session, run_id: str) -> bool:
    """Unmark a run whose manifest is back with the same content, and return False if it was not marked."""
    updated = session.run(
        "UPDATE screenalytics.runs SET status = 'ingested', updated_at = now()"
        " WHERE run_id = :run AND status = 'source_deleted'",
        run=run_id,
    )
    if updated:
        _set_item(session, run_id, "ingested")
    return updated > 0


def _set_item(session: Session, run_id: str, state: str) -> None:
    session.run(
        "UPDATE screenalytics.ingest_items item SET state = :state, code = NULL, message = NULL,"
        " last_at = now() FROM screenalytics.runs run WHERE run.run_id = :run AND item.source = run.source"
        " AND item.manifest_key = run.manifest_key AND item.state <> :state",
        run=run_id,
        state=state,
    )
