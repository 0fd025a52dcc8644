"""Arrivals: the outcome of each object that an event announced or a listing found, and its notices."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shared.database.session import DatabaseSession

__all__ = [
    "Outcome",
    "Waiting",
    "begin",
    "claim_notice",
    "interrupted",
    "mark_sent",
    "open_notices",
    "record",
    "settled",
    "taken",
    "waiting",
]

Outcome = Literal["taken", "waiting", "refused", "failed"]
"""``taken``: stored, or linked to the same bytes; ``waiting``: for a choice or an answer; ``refused``: for good;
``failed``: tried again."""

_LOCK: Final = "telecine viewership notices"
# An upload that was uploaded again with flags no longer waits, whatever its arrival says.
_STILL: Final = """a.status = 'waiting' AND NOT EXISTS (
    SELECT FROM viewership.uploads u WHERE u.upload_id = a.upload_id
        AND u.status NOT IN ('received', 'needs_choice', 'copy', 'overlap'))"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An object that waits for a choice or an answer."""

    uri: str
    code: str | None
    message: str | None


def settled(session: DatabaseSession, objects: Sequence[tuple[str, str]], max_attempts: int) -> set[str]:
    """Return the URIs of the objects that need no work.

    Args:
        session: a transaction.
        objects: URI and ETag of each.
        max_attempts: failures after which an object is left alone until it changes.
    """
    rows = session.rows(
        """
        SELECT a.uri FROM viewership.arrivals a
        JOIN unnest(CAST(:uris AS text[]), CAST(:etags AS text[])) listed (uri, etag)
            ON listed.uri = a.uri AND listed.etag = a.etag
        WHERE a.status NOT IN ('failed', 'reading') OR a.attempts >= :most
        """,
        uris=[uri for uri, _ in objects],
        etags=[etag for _, etag in objects],
        most=max_attempts,
    )
    return {row.uri for row in rows}


def taken(session: DatabaseSession, uris: Iterable[str], *, outcomes: Sequence[Outcome]) -> dict[str, str]:
    """Return the ETags of the objects whose last outcome is one of these, by URI."""
    rows = session.rows(
        "SELECT uri, etag FROM viewership.arrivals WHERE uri = ANY (:uris) AND status = ANY (:outcomes)",
        uris=list(uris),
        outcomes=list(outcomes),
    )
    return {row.uri: row.etag for row in rows}


def interrupted(session: DatabaseSession, uri: str, etag: str, max_attempts: int) -> bool:
    """Return whether the last ``max_attempts`` steps that read these bytes died before they recorded an outcome."""
    rows = session.rows(
        "SELECT FROM viewership.arrivals"
        " WHERE uri = :uri AND etag = :etag AND status = 'reading' AND attempts >= :most",
        uri=uri,
        etag=etag,
        most=max_attempts,
    )
    return bool(rows)


def begin(session: DatabaseSession, uri: str, etag: str, size: int, run_id: str) -> None:
    """Count an attempt before an object is read: a file that kills the process must not be read forever.

    The code and the notice of a waiting object are kept, for the comparison in :func:`record`.
    """
    session.run(
        """
        INSERT INTO viewership.arrivals AS a (uri, etag, size_bytes, status, pipeline_run_id)
        VALUES (:uri, :etag, :size, 'reading', :run)
        ON CONFLICT (uri) DO UPDATE SET
            attempts = CASE WHEN a.etag = :etag AND a.status IN ('failed', 'reading') THEN a.attempts + 1 ELSE 1 END,
            code = CASE WHEN a.etag = :etag THEN a.code END, message = CASE WHEN a.etag = :etag THEN a.message END,
            notice = CASE WHEN a.etag = :etag THEN a.notice END,
            unsent = CASE WHEN a.etag = :etag THEN a.unsent ELSE '{}' END,
            etag = :etag, size_bytes = :size, status = 'reading', last_seen = now(), pipeline_run_id = :run
        """,
        uri=uri,
        etag=etag,
        size=size,
        run=run_id,
    )


def record(
    session: DatabaseSession,
    uri: str,
    etag: str,
    size: int,
    outcome: Outcome,
    *,
    upload_id: int | None,
    code: str | None,
    message: str | None,
    run_id: str,
    counted: bool = True,
) -> int:
    """Write the outcome of an object, and return how often it has failed in a row with this ETag.

    The notice of an object that still waits for the answer to the same question is kept.

    Args:
        session: a transaction.
        uri: URI of the object.
        etag: its version.
        size: bytes.
        outcome: its outcome.
        upload_id: the upload.
        code: the reason, unless it was taken.
        message: what the user should do.
        run_id: the run.
        counted: False reverts the attempt that :func:`begin` counted.
    """
    (row,) = session.rows(
        """
        INSERT INTO viewership.arrivals AS a (uri, etag, size_bytes, status, upload_id, code, message, attempts,
            pipeline_run_id)
        VALUES (:uri, :etag, :size, :status, :upload, :code, :message, CAST(:counted AS integer), :run)
        ON CONFLICT (uri) DO UPDATE SET
            attempts = CASE WHEN a.etag <> :etag OR :status <> 'failed' OR a.status NOT IN ('failed', 'reading')
                THEN CAST(:counted AS integer)
                ELSE a.attempts + CAST(:counted AS integer) - CASE a.status WHEN 'reading' THEN 1 ELSE 0 END END,
            notice = CASE WHEN a.etag = :etag AND a.status IN ('waiting', 'reading') AND :status = 'waiting'
                AND a.code IS NOT DISTINCT FROM :code THEN a.notice END,
            unsent = CASE WHEN a.etag = :etag AND a.status IN ('waiting', 'reading') AND :status = 'waiting'
                AND a.code IS NOT DISTINCT FROM :code THEN a.unsent ELSE '{}' END,
            etag = :etag, size_bytes = :size, status = :status, upload_id = :upload, code = :code,
            message = :message, last_seen = now(), pipeline_run_id = :run
        RETURNING CASE WHEN a.status = 'failed' THEN a.attempts ELSE 0 END AS failures
        """,
        uri=uri,
        etag=etag,
        size=size,
        status=outcome,
        upload=upload_id,
        code=code,
        message=message,
        run=run_id,
        counted=int(counted),
    )
    return int(row.failures)


def claim_notice(session: DatabaseSession, channels: Sequence[str]) -> None:
    """Put all waiting objects that have no notice into a new one, to be sent by these channels."""
    session.run(
        f"UPDATE viewership.arrivals a SET notice = CAST(:notice AS uuid), unsent = :channels"  # noqa: S608
        f" WHERE a.notice IS NULL AND {_STILL}",
        notice=str(uuid.uuid4()),
        channels=list(channels),
    )


def open_notices(session: DatabaseSession, channel: str) -> list[str] | None:
    """Return the notices that a channel has not sent, oldest first; None if another process is sending.

    The lock that keeps others from sending is released at the end of the transaction.
    """
    (lock,) = session.rows("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0)) AS held", name=_LOCK)
    if not lock.held:
        return None
    rows = session.rows(
        "SELECT notice::text AS notice FROM viewership.arrivals WHERE status = 'waiting' AND :channel = ANY (unsent)"
        " GROUP BY notice ORDER BY min(last_seen), notice",
        channel=channel,
    )
    return [row.notice for row in rows]


def waiting(session: DatabaseSession, notice: str, channel: str) -> list[Waiting]:
    """Return the objects of a notice that still wait, by URI."""
    rows = session.rows(
        f"SELECT a.uri, a.code, a.message FROM viewership.arrivals a WHERE a.notice = CAST(:notice AS uuid)"  # noqa: S608
        f" AND :channel = ANY (a.unsent) AND {_STILL} ORDER BY a.uri",
        notice=notice,
        channel=channel,
    )
    return [Waiting(*row) for row in rows]


def mark_sent(session: DatabaseSession, notice: str, channel: str) -> None:
    """Record that a channel has sent a notice."""
    session.run(
        "UPDATE viewership.arrivals SET unsent = array_remove(unsent, :channel) WHERE notice = CAST(:notice AS uuid)",
        notice=notice,
        channel=channel,
    )
