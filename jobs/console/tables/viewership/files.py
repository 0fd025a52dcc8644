"""Received files: drafts until they are confirmed or cancelled, and what is stored of the same bytes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobs.console.tables.runs.ledger import RUN_STATUS
from jobs.console.tables.viewership.uploads import START_MINUTES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from shared.database.session import DatabaseSession

__all__ = [
    "Same",
    "add",
    "choose",
    "decide",
    "dismiss",
    "find",
    "keep_reading",
    "launch",
    "named",
    "platforms",
    "reopen",
    "same",
    "upload",
]

_COLUMNS = (
    "file_id, filename, sha256, size_bytes, uri, state, proposal, choices, version, created_by, created_at,"
    " decided_by, decided_at"
)


@dataclass(frozen=True, slots=True)
class Same:
    """The upload or file that has the same bytes.

    Attributes:
        file_id: the open received file; None if they are stored.
        upload_id: the stored upload; None if they are not stored yet.
        filename: its name.
        state: of the file or of the upload.
        created_at: when it was received or stored.
    """

    file_id: int | None
    upload_id: int | None
    filename: str
    state: str
    created_at: datetime


def same(database: DatabaseSession, sha256: str) -> Same | None:
    """Return the upload or the open file that has these bytes, if there is one.

    An upload that was replaced or retracted does not count, nor does the file that it came from.

    Args:
        database: an open transaction.
        sha256: of the bytes.
    """
    stored = database.rows(
        "SELECT NULL, upload_id, filename, status, created_at FROM viewership.uploads"
        " WHERE sha256 = :sha256 AND status NOT IN ('replaced', 'retracted') ORDER BY upload_id DESC LIMIT 1",
        sha256=sha256,
    )
    if stored:
        return Same(*stored[0])
    received = database.rows(
        "SELECT file_id, NULL, filename, state, created_at FROM console.files f WHERE sha256 = :sha256"
        " AND (state = 'draft' OR state = 'confirmed' AND NOT EXISTS (SELECT FROM viewership.uploads u"
        " WHERE u.sha256 = f.sha256 AND u.created_at >= f.created_at)) ORDER BY file_id LIMIT 1",
        sha256=sha256,
    )
    return Same(*received[0]) if received else None


def named(database: DatabaseSession, upload_id: int | None, file_id: int | None) -> Same | None:
    """Return an upload or a received file by its number."""
    if upload_id is not None:
        rows = database.rows(
            "SELECT NULL, upload_id, filename, status, created_at FROM viewership.uploads WHERE upload_id = :upload_id",
            upload_id=upload_id,
        )
    else:
        rows = database.rows(
            "SELECT file_id, NULL, filename, state, created_at FROM console.files WHERE file_id = :file_id",
            file_id=file_id,
        )
    return Same(*rows[0]) if rows else None


def add(
    database: DatabaseSession, *, filename: str, sha256: str, size_bytes: int, uri: str, by: str
) -> tuple[int | None, Same | None]:
    """Store a received file as a draft, unless its bytes are known: of two at once, the second waits here.

    Returns:
        The number of the new draft and None; or None and what the same bytes became.
    """
    database.lock(f"telecine console file {sha256}")
    known = same(database, sha256)
    if known is not None:
        return None, known
    rows = database.rows(
        "INSERT INTO console.files (filename, sha256, size_bytes, uri, created_by)"
        " VALUES (:filename, :sha256, :size_bytes, :uri, :by) RETURNING file_id",
        filename=filename,
        sha256=sha256,
        size_bytes=size_bytes,
        uri=uri,
        by=by,
    )
    return rows[0].file_id, None


def find(database: DatabaseSession, file_id: int, *, lock: bool = False) -> Any | None:
    """Return a received file; None if it does not exist.

    Args:
        database: an open transaction.
        file_id: its number.
        lock: keep others from changing it until the end of the transaction.
    """
    rows = database.rows(
        f"SELECT {_COLUMNS} FROM console.files WHERE file_id = :file_id" + (" FOR UPDATE" if lock else ""),  # noqa: S608
        file_id=file_id,
    )
    return rows[0] if rows else None


def choose(database: DatabaseSession, file_id: int, choices: Mapping[str, Any]) -> int:
    """Store new choices, so that the file is read again, and return the new version."""
    rows = database.rows(
        "UPDATE console.files SET choices = CAST(:choices AS jsonb), proposal = NULL, version = version + 1"
        " WHERE file_id = :file_id AND state = 'draft' RETURNING version",
        file_id=file_id,
        choices=json.dumps(dict(choices)),
    )
    return int(rows[0].version)


def dismiss(database: DatabaseSession, file_id: int, choices: Mapping[str, Any]) -> None:
    """Store choices that differ only in the questions that the user dismissed; the file is not read again."""
    database.run(
        "UPDATE console.files SET choices = CAST(:choices AS jsonb), version = version + 1 WHERE file_id = :file_id",
        file_id=file_id,
        choices=json.dumps(dict(choices)),
    )


def keep_reading(database: DatabaseSession, file_id: int, version: int, reading: Mapping[str, Any]) -> bool:
    """Store what was read with the choices of a version; False if the choices have changed since."""
    return bool(
        database.run(
            "UPDATE console.files SET proposal = CAST(:reading AS jsonb)"
            " WHERE file_id = :file_id AND version = :version AND state = 'draft'",
            file_id=file_id,
            version=version,
            # PostgreSQL stores no NUL in jsonb.
            reading=json.dumps(reading).replace("\\u0000", "\\u2400"),
        )
    )


def decide(database: DatabaseSession, file_id: int, state: str, by: str) -> None:
    """Confirm or cancel a draft, or cancel a confirmed file whose run stored nothing, and with it its requests."""
    database.run(
        "UPDATE console.files SET state = :state, decided_by = :by, decided_at = now()"
        " WHERE file_id = :file_id AND (state = 'draft' OR state = 'confirmed' AND :state = 'cancelled')",
        file_id=file_id,
        state=state,
        by=by,
    )
    if state == "cancelled":
        _end_launches(database, file_id, "its file was cancelled")


def reopen(database: DatabaseSession, file_id: int) -> None:
    """Make a draft of a confirmed file whose run stored nothing, so that its choices can be changed."""
    database.run(
        "UPDATE console.files SET state = 'draft', decided_by = NULL, decided_at = NULL, version = version + 1"
        " WHERE file_id = :file_id AND state = 'confirmed'",
        file_id=file_id,
    )
    _end_launches(database, file_id, "the choices of its file were changed")


def _end_launches(database: DatabaseSession, file_id: int, why: str) -> None:
    """Start no attempt for a file any more: a run that ends late may ask for one."""
    database.run(
        "UPDATE console.launches SET state = 'failed', started_at = NULL, message = :why"
        " WHERE file_id = :file_id AND state <> 'failed'",
        file_id=file_id,
        why=why,
    )


def launch(database: DatabaseSession, file_id: int) -> Any | None:
    """Return the latest run that was requested for a file.

    ``has_ended`` is true if it failed to start, has ended, or is not in the ledger minutes after its start: its process
    or pod was killed before it began. ``run_status`` is NULL if the ledger does not have it; ``why`` is the message of
    its first stage that failed, if there is one.
    """
    rows = database.rows(
        f"""
        SELECT l.launch_id, l.name, l.state, l.run_id, l.attempts, l.message, l.requested_by, l.requested_at,
            l.started_at, {RUN_STATUS} AS run_status,
            (SELECT error_message FROM pipeline.run_stages s WHERE s.run_id = r.run_id AND error_message IS NOT NULL
                ORDER BY stage_order LIMIT 1) AS why,
            CASE l.state WHEN 'requested' THEN false WHEN 'failed' THEN true ELSE
                coalesce({RUN_STATUS} NOT IN ('pending', 'running'),
                    l.started_at <= now() - make_interval(mins => :minutes)) END AS has_ended
        FROM console.launches l LEFT JOIN pipeline.runs r ON r.run_id = coalesce(l.run_id, l.name)
        WHERE l.file_id = :file_id AND l.step = 'run' ORDER BY l.launch_id DESC LIMIT 1
        """,  # noqa: S608 - SQL of ours
        file_id=file_id,
        minutes=START_MINUTES,
    )
    return rows[0] if rows else None


def upload(database: DatabaseSession, sha256: str, since: datetime) -> int | None:
    """Return the upload of a file's bytes: one that counts, or one that has changed since the file was confirmed."""
    rows = database.rows(
        "SELECT upload_id FROM viewership.uploads WHERE sha256 = :sha256"
        " AND (updated_at >= :since OR status NOT IN ('replaced', 'retracted')) ORDER BY upload_id DESC LIMIT 1",
        sha256=sha256,
        since=since,
    )
    return None if not rows else int(rows[0].upload_id)


def platforms(database: DatabaseSession) -> list[str]:
    """Return the platforms that have deals or uploads, in order."""
    rows = database.rows(
        "SELECT platform FROM catalog.deals UNION SELECT platform FROM viewership.uploads WHERE platform IS NOT NULL"
        " ORDER BY platform"
    )
    return [row.platform for row in rows]
