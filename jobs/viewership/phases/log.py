"""The log of procedures, viewership.error_log: status, rows and milliseconds of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.text import clean_text

if TYPE_CHECKING:
    from shared.database.session import DatabaseSession

__all__ = ["log"]

_MESSAGE_CHARS = 2000


def log(
    session: DatabaseSession,
    procedure: str,
    status: str,
    *,
    run_id: str,
    seconds: float,
    upload_id: int | None = None,
    platform: str | None = None,
    rows: int | None = None,
    message: str | None = None,
) -> None:
    """Insert a row into the log.

    Args:
        session: a transaction. A rollback discards the log entry, so failures are logged in a transaction of their own.
        procedure: such as ``upload`` or ``match FULL_DATA``.
        status: ``success``, ``partial`` or ``failed``.
        run_id: the run.
        seconds: its time.
        upload_id: the upload.
        platform: its platform.
        rows: rows that it found, wrote or matched.
        message: what failed.
    """
    session.run(
        "INSERT INTO viewership.error_log (upload_id, platform, procedure_name, status, rows_affected, execution_ms,"
        " error_message, pipeline_run_id) VALUES (:upload, :platform, :procedure, :status, :rows, :ms, :message, :run)",
        upload=upload_id,
        platform=platform,
        procedure=procedure,
        status=status,
        rows=rows,
        ms=round(seconds * 1000),
        message=None if message is None else clean_text(message, _MESSAGE_CHARS),
        run=run_id,
    )
