"""The phases of an upload, from its status, the log of viewership, and the stages of its runs in the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jobs.console.tables.runs.ledger import RUN_STATUS, status_of
from jobs.console.tables.viewership.uploads import ASKED, UNFINISHED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.database.session import DatabaseSession

__all__ = ["PHASES", "Live", "Phase", "live", "phase_words"]

PHASES: Final = ("upload", "normalize", "match", "load")
"""The phases of an upload, in order."""
_DONE: Final = {"read": 1, "normalized": 2, "matched": 3, "loaded": 4, "partial": 4}


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


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase of an upload, or a later change such as ``retract``.

    Attributes:
        name: its name.
        status: status of its last attempt; ``open`` before the first, ``running`` during one.
        seconds: duration of the last attempt; of a running one, until its last heartbeat.
        expected: rows that it had to account for; None if unknown.
        actual: rows that it accounted for; None if it failed and its run processed several uploads.
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
        shares_runs: True if a run processed other uploads too: the rows are then from viewership's log, not the ledger.
    """

    phases: list[Phase]
    buckets: list[Phase]
    is_running: bool
    shares_runs: bool


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
    due = _due(upload, logged)
    phases = [_phase(name, logged.get(name), current.get(name), stages, due.get(name)) for name in PHASES]
    others = [name for name in logged if name not in PHASES and not name.startswith("match ")]
    phases += [
        _phase(name, logged[name], None, stages) for name in sorted(others, key=lambda name: logged[name].log_time)
    ]
    buckets = [_phase(name, row, None, stages) for name, row in logged.items() if name.startswith("match ")]
    is_running = bool(current) or any(row.is_open for row in requested) or _is_left(database, upload)
    shares_runs = any(_files(stages.get((row.run_id, name))) > 1 for name, row in logged.items())
    return Live(phases, buckets, is_running, shares_runs)


def _is_left(database: DatabaseSession, upload: Any) -> bool:
    """Return whether the run of an upload is between two of its phases."""
    if upload.status not in UNFINISHED:
        return False
    rows = database.rows(
        f"SELECT {RUN_STATUS} AS status FROM pipeline.runs r WHERE r.run_id = :run",  # noqa: S608 - SQL of ours
        run=upload.pipeline_run_id,
    )
    return any(row.status in ("pending", "running") for row in rows)


def _is_recent(stage: Any, logged: Mapping[str, Any]) -> bool:
    """Return whether a running stage has not logged this upload yet; other uploads of its run may keep it running."""
    row = logged.get(stage.stage)
    return row is None or row.run_id != stage.run_id


def _due(upload: Any, logged: Mapping[str, Any]) -> dict[str, int | None]:
    """Return the rows that each phase of an upload must account for: all rows of the file, or those stored.

    Args:
        upload: row of :func:`upload`.
        logged: name of a phase -> its last row in viewership's log; `upload` and `normalize` log the stored rows.
    """
    rows = [logged[name].rows for name in ("normalize", "upload") if name in logged]
    stored = next((each for each in rows if each is not None), None)
    return {"upload": upload.units, "normalize": stored, "match": stored, "load": upload.units}


def _phase(name: str, row: Any, running: Any, stages: Mapping[tuple[str, str], Any], due: int | None = None) -> Phase:
    if running is not None:
        attempts = 1 + (row.attempts if row is not None else 0)
        return Phase(name, "running", running.seconds, attempts=attempts, run_id=running.run_id)
    if row is None:
        return Phase(name, "open")
    stage = stages.get((row.run_id, name))
    expected, actual = _accounted(stage, row.status, due)
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


def _accounted(stage: Any, status: str, due: int | None) -> tuple[int | None, int | None]:
    """Return the expected and the actual rows of a phase.

    The ledger counts all uploads of a stage together. If there were several, a phase that has ended without an error
    accounted for every row: viewership compares the sums of each upload, and logs a difference as a failure.
    """
    if _files(stage) != 1:
        return due, due if status in ("success", "partial") else None
    counts = stage.counts
    found = [counts.get(name) for name in ("expected_units", "actual_units")]
    expected, actual = (value if isinstance(value, int) else None for value in found)
    return expected, actual


def _files(stage: Any) -> int:
    """Return how many files or uploads a stage processed; 0 if that is not known."""
    counts = stage.counts if stage is not None and isinstance(stage.counts, dict) else {}
    found = counts.get("files", counts.get("uploads"))
    return found if isinstance(found, int) else 0
