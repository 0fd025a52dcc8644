"""Retract an upload: move its final rows to replaced_details, and keep its raw rows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from jobs.viewership.phases.log import log
from jobs.viewership.tables.fates import lock_final, sync
from jobs.viewership.tables.locks import phase_transaction
from jobs.viewership.tables.uploads import ACTIVE, free_rereads, hold_related, update
from shared.errors import UsageError

if TYPE_CHECKING:
    from shared.settings.database import DatabaseSettings

__all__ = ["retract"]


def retract(settings: DatabaseSettings, upload_id: int, *, by: str, reason: str, run_id: str) -> tuple[str, int]:
    """Retract an upload, and return its filename and the number of final rows removed.

    Args:
        settings: where the database is.
        upload_id: the upload.
        by: who retracts it.
        reason: why.
        run_id: the run.

    Raises:
        UsageError: the upload does not exist, is already retracted or replaced, or has no stored rows.
    """
    began = time.monotonic()
    with phase_transaction(settings) as session:
        upload = hold_related(session, upload_id)
        if upload.status in ("retracted", "replaced"):
            raise UsageError(f"upload {upload_id} is already {upload.status}; expected an active one")
        if upload.status not in ACTIVE or upload.platform is None:
            raise UsageError(
                f"upload {upload_id} ('{upload.filename}') has no stored rows (status {upload.status}); "
                "expected one that has; see `telecine viewership uploads`"
            )
        lock_final(session, [upload.platform])
        update(session, upload_id, status="retracted", retracted_by=by, retracted_reason=reason)
        free_rereads(session, [upload_id])
        _, removed = sync(session, "upload", [upload_id], actor=by, reason=f"retracted: {reason}")
        log(
            session,
            "retract",
            "success",
            run_id=run_id,
            seconds=time.monotonic() - began,
            upload_id=upload_id,
            platform=upload.platform,
            rows=removed,
        )
    return upload.filename, removed
