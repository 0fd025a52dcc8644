"""Queries of uploads: their facts, requested runs, and received files that are not stored yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jobs.console.tables.database import start_of_day
from jobs.console.tables.runs.ledger import RUN_STATUS, like
from shared.settings.base import join_list
from shared.storage.uris import join_uri

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from shared.database.session import DatabaseSession

__all__ = [
    "ACTIVE",
    "ASKED",
    "FAILED",
    "MATCHED",
    "START_MINUTES",
    "STATUSES",
    "UNFINISHED",
    "attention",
    "exists",
    "flags",
    "launches",
    "place",
    "received",
    "upload",
    "uploader",
    "uploads_named",
    "version",
]

STATUSES: Final = (
    *("received", "needs_choice", "refused", "copy", "overlap", "skipped", "read", "normalized", "matched"),
    *("loaded", "partial", "replaced", "retracted"),
)
ACTIVE: Final = ("read", "normalized", "matched", "loaded", "partial")
"""Statuses of uploads whose rows count."""
MATCHED: Final = ("matched", "loaded", "partial")
"""Statuses of uploads whose rows have a fate; before that, each would count as unmatched."""
ASKED: Final = ("needs_choice", "copy", "overlap")
"""Statuses of uploads that need an answer from a user."""
FAILED: Final = ("refused", "partial")
"""Statuses of uploads that are not stored, or not completely matched."""
UNFINISHED: Final = ("received", "read", "normalized", "matched")
"""Statuses of uploads between two phases."""

_COLUMNS: Final = (
    "u.upload_id, u.sha256, u.object_key, u.filename, u.size_bytes, u.platform, u.domain, u.label, u.format, u.choices,"
    " u.answers, u.status, u.code, u.message, u.units, u.hours, u.revenue, u.unparsable, u.notes, u.others,"
    " u.others_left_out, u.first_date, u.last_date, u.replaces, u.rereads, u.replaced_by, u.retracted_by,"
    " u.retracted_reason, u.loaded_at, u.pipeline_run_id, u.created_at, u.updated_at"
)
# Files that were confirmed before this are no longer shown, stored or not.
_OPEN_DAYS: Final = 7
# A child process writes its run to the ledger a few seconds after it was started, a pod within minutes.
START_MINUTES: Final = 10
"""A run that is not in the ledger by then has not begun: its process or pod was killed before."""


def uploader(alias: str) -> str:
    """Return SQL for the user who uploaded the bytes of ``viewership.uploads`` in the console.

    Args:
        alias: alias of the table.
    """
    return f"(SELECT f.created_by FROM console.files f WHERE f.sha256 = {alias}.sha256 ORDER BY f.file_id LIMIT 1)"  # noqa: S608 - names of ours


def upload(database: DatabaseSession, upload_id: int) -> Any | None:
    """Return an upload with all of its names, or None."""
    rows = database.rows(
        f"SELECT {_COLUMNS}, {uploader('u')} AS created_by,"  # noqa: S608 - names of ours
        " ARRAY(SELECT n.filename FROM viewership.upload_names n WHERE n.upload_id = u.upload_id"
        " AND n.filename <> u.filename ORDER BY n.last_seen DESC LIMIT 20) AS other_names"
        " FROM viewership.uploads u WHERE u.upload_id = :upload",
        upload=upload_id,
    )
    return rows[0] if rows else None


def exists(database: DatabaseSession) -> bool:
    """Return whether any upload is stored."""
    return bool(database.rows("SELECT FROM viewership.uploads LIMIT 1"))


def launches(database: DatabaseSession, upload_id: int) -> list[Any]:
    """Return the latest runs that users requested for an upload, newest first.

    ``is_open`` is true until the run has ended; ``run_status`` is NULL if the run is not in the ledger.
    """
    return database.rows(
        f"""
        SELECT l.launch_id, l.name, l.step, l.state, l.message, l.requested_by, l.requested_at, l.parameters,
            r.run_id, {RUN_STATUS} AS run_status,
            CASE l.state WHEN 'requested' THEN true WHEN 'failed' THEN false ELSE
                coalesce({RUN_STATUS} IN ('pending', 'running'),
                    l.started_at > now() - make_interval(mins => :minutes)) END AS is_open
        FROM console.launches l LEFT JOIN pipeline.runs r ON r.run_id = coalesce(l.run_id, l.name)
        WHERE l.upload_id = :upload ORDER BY l.launch_id DESC LIMIT 10
        """,  # noqa: S608 - SQL of ours
        upload=upload_id,
        minutes=START_MINUTES,
    )


def version(upload: Any, requested: Sequence[Any]) -> str:
    """Return the version of an upload that a form repeats: it differs after a change and after a request.

    Args:
        upload: row of :func:`upload`.
        requested: rows of :func:`launches`.
    """
    return f"{upload.updated_at.isoformat()} {requested[0].launch_id if requested else 0}"


def received(database: DatabaseSession, most: int) -> list[Any]:
    """Return received files that are not stored yet, newest first: drafts, and those whose run was requested.

    Args:
        database: an open transaction.
        most: number of files.
    """
    return database.rows(
        f"""
        SELECT f.file_id, f.filename, f.size_bytes, f.state, f.created_by, f.created_at, l.state AS launch,
            l.message, r.run_id, {RUN_STATUS} AS run_status
        FROM console.files f
        LEFT JOIN LATERAL (SELECT * FROM console.launches l WHERE l.file_id = f.file_id
            ORDER BY l.launch_id DESC LIMIT 1) l ON f.state = 'confirmed'
        LEFT JOIN pipeline.runs r ON r.run_id = coalesce(l.run_id, l.name)
        WHERE (f.state = 'draft' OR f.state = 'confirmed' AND f.created_at > now() - make_interval(days => :days))
            AND NOT EXISTS (SELECT FROM viewership.uploads u WHERE u.sha256 = f.sha256
                AND (u.status NOT IN ('replaced', 'retracted') OR u.created_at >= f.created_at))
        ORDER BY f.created_at DESC, f.file_id DESC LIMIT :most
        """,  # noqa: S608 - SQL of ours
        days=_OPEN_DAYS,
        most=most,
    )


def attention(database: DatabaseSession, since: date, cap: int) -> tuple[int, int, int]:
    """Return the numbers of uploads that failed since a day, of those that need an answer, and of drafts.

    Drafts are received files whose run nobody has started or cancelled.

    Args:
        database: an open transaction.
        since: the day, in UTC.
        cap: counting stops above this number.
    """
    (row,) = database.rows(
        f"""
        SELECT (SELECT count(*) FROM (SELECT FROM viewership.uploads WHERE status = ANY (:failed)
                AND updated_at >= {start_of_day("since")} LIMIT :most) AS found) AS failed,
            (SELECT count(*) FROM (SELECT FROM viewership.uploads WHERE status = ANY (:asked)
                LIMIT :most) AS found) AS asked,
            (SELECT count(*) FROM (SELECT FROM console.files WHERE state = 'draft' LIMIT :most) AS found) AS drafts
        """,  # noqa: S608 - SQL of ours
        since=since,
        failed=list(FAILED),
        asked=list(ASKED),
        most=cap + 1,
    )
    return row.failed, row.asked, row.drafts


def uploads_named(database: DatabaseSession, text: str, most: int) -> list[Any]:
    """Return uploads with this number, or one of whose names starts with a text in any case; newest first."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None  # noqa: PLR2004 - a bigint
    return database.rows(
        "SELECT u.upload_id, u.filename, u.platform, u.status FROM viewership.uploads u"
        " WHERE u.upload_id = :number OR u.upload_id IN (SELECT n.upload_id FROM viewership.upload_names n"
        " WHERE lower(n.filename) LIKE :prefix) ORDER BY u.upload_id = :number DESC NULLS LAST, u.upload_id DESC"
        " LIMIT :most",
        number=number,
        prefix=like(text.lower()),
        most=most,
    )


def place(bucket: str, upload: Any) -> str:
    """Return the URI of an upload's raw file.

    Args:
        bucket: URI of the bucket of viewership.
        upload: row of :func:`upload`.
    """
    return join_uri(bucket, upload.object_key)


def flags(choices: Mapping[str, Any]) -> dict[str, str]:
    """Return the choices of an upload as flags of `viewership run`, without dashes, and their text.

    Args:
        choices: the column ``choices``: names of settings and their values.

    Example:
        >>> flags({"date_order": "dmy", "map": ["hours=Time", "date=Day"], "header_line": 3, "round_money": True})
        {'date-order': 'dmy', 'map': 'hours=Time,date=Day', 'header-line': '3', 'round-money': 'true'}
    """
    return {
        name.replace("_", "-"): join_list(value) if isinstance(value, list) else "true" if value is True else str(value)
        for name, value in choices.items()
        if value not in (None, "", [], False)
    }
