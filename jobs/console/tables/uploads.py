"""Queries of uploads: their facts, phases, and received files that are not stored yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jobs.console.tables.ledger import RUN_STATUS, like, status_of
from shared.storage.uris import join_uri

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.database.session import DatabaseSession

__all__ = [
    "ACTIVE",
    "ASKED",
    "FAILED",
    "MATCHED",
    "PHASES",
    "STATUSES",
    "Live",
    "Phase",
    "attention",
    "exists",
    "flags",
    "launches",
    "live",
    "phase_words",
    "place",
    "received",
    "upload",
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
"""Statuses of uploads that wait for a user's answer."""
FAILED: Final = ("refused", "partial")
"""Statuses of uploads that are not stored, or not completely matched."""

PHASES: Final = ("upload", "normalize", "match", "load")
"""The phases of an upload, in order."""
_DONE: Final = {"read": 1, "normalized": 2, "matched": 3, "loaded": 4, "partial": 4}

_COLUMNS: Final = (
    "u.upload_id, u.sha256, u.object_key, u.filename, u.size_bytes, u.platform, u.domain, u.label, u.format, u.choices,"
    " u.answers, u.status, u.code, u.message, u.units, u.hours, u.revenue, u.unparsable, u.notes, u.others,"
    " u.others_left_out, u.first_date, u.last_date, u.replaces, u.rereads, u.replaced_by, u.retracted_by,"
    " u.retracted_reason, u.loaded_at, u.pipeline_run_id, u.created_at, u.updated_at"
)
# Files that were confirmed before this are no longer shown, stored or not.
_OPEN_DAYS: Final = 7
# A child process writes its run to the ledger a few seconds after it was started, a pod within minutes.
_START_MINUTES: Final = 10


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


def phase_words(status: str, code: str | None) -> list[str]:
    """Return the state of each phase of an upload: ``upload: done``, ``match: open``.

    Args:
        status: status of the upload.
        code: its code.
    """
    done = _DONE.get(status, 4 if status in ("replaced", "retracted") else 0)
    words = ["done" if place < done else "open" for place in range(len(PHASES))]
    if status in ASKED:
        words[0] = "asks"
    elif status in ("refused", "skipped"):
        words[0] = "failed" if status == "refused" else "skipped"
    elif code == "BUCKET_FAILED":
        words[2] = "partial"
    return [f"{name}: {word}" for name, word in zip(PHASES, words, strict=True)]


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
        minutes=_START_MINUTES,
    )


def version(upload: Any, requested: Sequence[Any]) -> str:
    """Return the version of an upload that a form repeats: it differs after a change and after a request.

    Args:
        upload: row of :func:`upload`.
        requested: rows of :func:`launches`.
    """
    return f"{upload.updated_at.isoformat()} {requested[0].launch_id if requested else 0}"


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase of an upload, or a later change such as ``retract``.

    Attributes:
        name: its name.
        status: status of its last attempt; ``open`` before the first, ``running`` during one.
        seconds: duration of the last attempt; of a running one, until its last heartbeat.
        expected: rows that it had to account for; None if its run processed several uploads.
        actual: rows that it accounted for.
        rows: rows that it wrote, or keys that it matched.
        attempts: number of attempts.
        message: why it failed.
        run_id: run of the last attempt.
    """

    name: str
    status: str
    seconds: float | None = None
    expected: int | None = None
    actual: int | None = None
    rows: int | None = None
    attempts: int = 0
    message: str | None = None
    run_id: str | None = None


@dataclass(frozen=True, slots=True)
class Live:
    """The state of an upload while it is processed.

    Attributes:
        phases: the four phases, then later changes.
        buckets: steps of the match.
        is_running: a run may still change it.
    """

    phases: list[Phase]
    buckets: list[Phase]
    is_running: bool


def live(database: DatabaseSession, upload: Any, requested: Sequence[Any]) -> Live:
    """Return the phases of an upload.

    Args:
        database: an open transaction.
        upload: row of :func:`upload`.
        requested: rows of :func:`launches`.
    """
    logged = {
        row.name: row
        for row in database.rows(
            "SELECT DISTINCT ON (l.procedure_name) l.procedure_name AS name, l.status, l.rows_affected AS rows,"
            " l.execution_ms / 1000.0 AS seconds, l.error_message AS message, l.pipeline_run_id AS run_id,"
            " l.log_time, count(*) OVER (PARTITION BY l.procedure_name) AS attempts FROM viewership.error_log l"
            " WHERE l.upload_id = :upload ORDER BY l.procedure_name, l.id DESC",
            upload=upload.upload_id,
        )
    }
    opened = [row.run_id for row in requested if row.is_open and row.run_id is not None]
    runs = {upload.pipeline_run_id, *opened, *(row.run_id for row in logged.values())}
    stages = {
        (row.run_id, row.stage): row
        for row in database.rows(
            f"""
            SELECT s.run_id, s.stage, {status_of("s")} AS status, s.started_at, s.counts,
                extract(epoch FROM coalesce(s.finished_at, s.heartbeat_at) - s.started_at)::float8 AS seconds
            FROM pipeline.run_stages s WHERE s.run_id = ANY (CAST(:runs AS text[]))
            """,  # noqa: S608 - SQL of ours
            runs=sorted(runs),
        )
    }
    current = {row.stage: row for row in stages.values() if row.status == "running" and _is_recent(row, logged)}
    phases = [_phase(name, logged.get(name), current.get(name), stages) for name in PHASES]
    others = [name for name in logged if name not in PHASES and not name.startswith("match ")]
    phases += [
        _phase(name, logged[name], None, stages) for name in sorted(others, key=lambda name: logged[name].log_time)
    ]
    buckets = [_phase(name, row, None, stages) for name, row in logged.items() if name.startswith("match ")]
    return Live(phases, buckets, bool(current) or any(row.is_open for row in requested))


def _is_recent(stage: Any, logged: Mapping[str, Any]) -> bool:
    """Return whether a running stage has not logged this upload yet; other uploads of its run may keep it running."""
    row = logged.get(stage.stage)
    return row is None or row.run_id != stage.run_id


def _phase(name: str, row: Any, running: Any, stages: Mapping[tuple[str, str], Any]) -> Phase:
    if running is not None:
        attempts = 1 + (row.attempts if row is not None else 0)
        return Phase(name, "running", running.seconds, attempts=attempts, run_id=running.run_id)
    if row is None:
        return Phase(name, "open")
    stage = stages.get((row.run_id, name))
    expected, actual = _accounted(stage)
    return Phase(
        name,
        row.status,
        float(row.seconds),
        expected,
        actual,
        row.rows,
        row.attempts,
        row.message,
        row.run_id if any(run == row.run_id for run, _ in stages) else None,
    )


def _accounted(stage: Any) -> tuple[int | None, int | None]:
    """Return the expected and the actual rows of a stage that processed one upload only."""
    counts = stage.counts if stage is not None and isinstance(stage.counts, dict) else {}
    if counts.get("files", counts.get("uploads")) != 1:
        return None, None
    found = [counts.get(name) for name in ("expected_units", "actual_units")]
    expected, actual = (value if isinstance(value, int) else None for value in found)
    return expected, actual


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


def attention(database: DatabaseSession, cap: int) -> tuple[int, int]:
    """Return the numbers of uploads that failed in the last 24 hours, and of those that wait for an answer.

    Args:
        database: an open transaction.
        cap: counting stops above this number.
    """
    (row,) = database.rows(
        """
        SELECT (SELECT count(*) FROM (SELECT FROM viewership.uploads WHERE status = ANY (:failed)
                AND updated_at > now() - interval '24 hours' LIMIT :most) AS found) AS failed,
            (SELECT count(*) FROM (SELECT FROM viewership.uploads WHERE status = ANY (:asked)
                LIMIT :most) AS found) AS asked
        """,
        failed=list(FAILED),
        asked=list(ASKED),
        most=cap + 1,
    )
    return row.failed, row.asked


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
        name.replace("_", "-"): ",".join(map(str, value))
        if isinstance(value, list)
        else "true"
        if value is True
        else str(value)
        for name, value in choices.items()
        if value not in (None, "", [], False)
    }
