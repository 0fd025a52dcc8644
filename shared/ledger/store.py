"""The ledger's SQL statements, and the 60 s without a heartbeat after which a run counts as interrupted.

Times come from the database's clock, since the clocks of pods differ.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime, timedelta

    from sqlalchemy import Connection

    from shared.failure import Failure
    from shared.ledger.details import StageOutcome

__all__ = [
    "STALE_S",
    "Opened",
    "beat",
    "close_run",
    "close_stage",
    "open_run_row",
    "open_stage_row",
    "sweep",
    "write_errors",
]

# A heartbeat is written every 10 s; if the last one is older than this, its process is gone.
STALE_S: Final = 60
CHUNK: Final = 1000

_OPEN_RUN: Final = text("""
    INSERT INTO pipeline.runs (run_id, pipeline, status, parameters, version, host, started_at, heartbeat_at)
    VALUES (:run_id, :pipeline, 'running', CAST(:parameters AS jsonb), :version, :host,
        now() - make_interval(secs => :since_s), clock_timestamp())
    ON CONFLICT (run_id) DO UPDATE SET status = 'running', heartbeat_at = clock_timestamp(), finished_at = NULL,
        started_at = coalesce(runs.started_at, excluded.started_at)
    RETURNING now() - make_interval(secs => :since_s)
""")
_BEFORE: Final = text("""
    SELECT status, attempt, coalesce(heartbeat_at > clock_timestamp() - make_interval(secs => :stale), false) AS alive
    FROM pipeline.run_stages WHERE run_id = :run_id AND stage = :stage FOR UPDATE
""")
_OPEN_STAGE: Final = text("""
    INSERT INTO pipeline.run_stages (run_id, stage, stage_order, pipeline, status, parameters, version, host,
        input_hash, started_at, heartbeat_at)
    VALUES (:run_id, :stage, :order, :pipeline, 'running', CAST(:parameters AS jsonb), :version, :host, :input_hash,
        coalesce(CAST(:started_at AS timestamptz), clock_timestamp()), clock_timestamp())
    ON CONFLICT (run_id, stage) DO UPDATE SET attempt = run_stages.attempt + 1, status = 'running',
        stage_order = excluded.stage_order, pipeline = excluded.pipeline, parameters = excluded.parameters,
        version = excluded.version, host = excluded.host, input_hash = excluded.input_hash,
        started_at = excluded.started_at, heartbeat_at = excluded.heartbeat_at, finished_at = NULL, duration_ms = NULL,
        exit_code = NULL, output_hash = NULL, manifest_key = NULL
    RETURNING attempt
""")
# A suspended process (a closed laptop) may have been marked as interrupted by mistake.
_BEAT: Final = text("""
    WITH stage AS (
        UPDATE pipeline.run_stages SET heartbeat_at = clock_timestamp(), status = 'running', finished_at = NULL,
            error_message = CASE WHEN status = 'interrupted' THEN NULL ELSE error_message END
        WHERE run_id = :run_id AND stage = :stage AND attempt = :attempt AND status IN ('running', 'interrupted')
        RETURNING 1
    ), run AS (
        UPDATE pipeline.runs SET heartbeat_at = clock_timestamp(), status = 'running', finished_at = NULL,
            error_message = CASE WHEN status = 'interrupted' THEN NULL ELSE error_message END
        WHERE run_id = :run_id AND status IN ('running', 'interrupted')
            AND (CAST(:stage AS text) IS NULL OR EXISTS (SELECT FROM stage))
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM stage) + (SELECT count(*) FROM run)
""")
_CLOSE_STAGE: Final = text("""
    UPDATE pipeline.run_stages SET status = :status, finished_at = clock_timestamp(), heartbeat_at = clock_timestamp(),
        duration_ms = greatest(0, extract(epoch FROM clock_timestamp() - started_at) * 1000)::bigint,
        counts = CAST(:counts AS jsonb), exit_code = :exit_code, output_hash = :output_hash,
        manifest_key = :manifest_key, error_message = :message, error_details = CAST(:details AS jsonb)
    WHERE run_id = :run_id AND stage = :stage AND attempt = :attempt
    RETURNING finished_at - started_at
""")
_CLEAR: Final = text("DELETE FROM pipeline.item_errors WHERE run_id = :run_id AND stage = :stage")
# A run gets the most severe status of its stages, and ends with the last of them. What its command does afterwards,
# such as writing the report, is not counted.
_CLOSE_RUN: Final = text("""
    WITH ranked AS (
        SELECT status, stage, error_message, max(finished_at) OVER () AS last_at,
            array_position(ARRAY['skipped', 'success', 'partial', 'cancelled', 'interrupted', 'failed', 'pending',
                'running'], status) AS severity
        FROM pipeline.run_stages WHERE run_id = :run_id
    ), worst AS (SELECT * FROM ranked ORDER BY severity DESC, stage LIMIT 1)
    UPDATE pipeline.runs SET
        status = coalesce(CAST(:status AS text), worst.status),
        finished_at = CASE WHEN CAST(:status AS text) IS NOT NULL THEN clock_timestamp()
            WHEN worst.status IN ('pending', 'running') THEN NULL
            ELSE coalesce(worst.last_at, clock_timestamp()) END,
        heartbeat_at = clock_timestamp(),
        error_stage = CASE WHEN worst.status NOT IN ('skipped', 'success', 'pending', 'running')
            THEN worst.stage END,
        error_message = coalesce(CAST(:message AS text),
            CASE WHEN worst.status NOT IN ('skipped', 'success') THEN worst.error_message END)
    FROM (SELECT 1) AS one LEFT JOIN worst ON true
    WHERE run_id = :run_id AND (worst.status IS NOT NULL OR CAST(:status AS text) IS NOT NULL)
    RETURNING finished_at
""")
_SWEEP_STAGES: Final = text("""
    UPDATE pipeline.run_stages SET status = 'interrupted', finished_at = clock_timestamp(),
        duration_ms = greatest(0, extract(epoch FROM heartbeat_at - started_at) * 1000)::bigint,
        error_message = to_char(heartbeat_at AT TIME ZONE 'UTC', '"no heartbeat since" YYYY-MM-DD HH24:MI:SS "UTC"')
    WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM pipeline.run_stages
        WHERE status = 'running' AND heartbeat_at < clock_timestamp() - make_interval(secs => :stale)
        FOR UPDATE SKIP LOCKED))
    RETURNING run_id
""")
_SWEEP_RUNS: Final = text("""
    UPDATE pipeline.runs SET status = 'interrupted', finished_at = clock_timestamp(),
        error_message = to_char(heartbeat_at AT TIME ZONE 'UTC', '"no heartbeat since" YYYY-MM-DD HH24:MI:SS "UTC"')
    WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM pipeline.runs
        WHERE status = 'running' AND heartbeat_at < clock_timestamp() - make_interval(secs => :stale)
        FOR UPDATE SKIP LOCKED))
    RETURNING run_id
""")
# The last write wins, whatever its time says: clocks of nodes differ and may be set back.
# Arrays instead of rows: one statement with ten parameters for a thousand errors.
_ERRORS: Final = text("""
    INSERT INTO pipeline.item_errors (run_id, stage, item, code, retryable, attempt, input_hash, message, details, at)
    SELECT :run_id, :stage, item, code, retryable, attempt, input_hash, message, CAST(details AS jsonb), at
    FROM unnest(CAST(:items AS text[]), CAST(:codes AS text[]), CAST(:retryable AS boolean[]),
        CAST(:attempts AS integer[]), CAST(:hashes AS text[]), CAST(:messages AS text[]),
        CAST(:details AS text[]), CAST(:times AS timestamptz[]))
        AS t (item, code, retryable, attempt, input_hash, message, details, at)
    ON CONFLICT (run_id, stage, item, code) DO UPDATE SET retryable = excluded.retryable, attempt = excluded.attempt,
        input_hash = excluded.input_hash, message = excluded.message, details = excluded.details, at = excluded.at
""")


@dataclass(frozen=True, slots=True)
class Opened:
    """A stage's attempt number, and whether another process still seems to work on the stage."""

    attempt: int
    contended: bool


def open_run_row(
    connection: Connection,
    run_id: str,
    pipeline: str,
    parameters: Mapping[str, Any],
    since_s: float = 0.0,
    /,
    **who: str,
) -> datetime:
    """Insert a run, or continue an existing one (after an earlier stage of it, or for a retry).

    Args:
        connection: an open transaction.
        run_id: the run.
        pipeline: such as ``gamedata``.
        parameters: the run's parameters, without secrets.
        since_s: seconds since the command began.
        who: ``version`` and ``host``.

    Returns:
        When the command began, by the database's clock; a new run began then.
    """
    values = {"run_id": run_id, "pipeline": pipeline, "parameters": _json(parameters), "since_s": since_s, **who}
    return cast("datetime", connection.execute(_OPEN_RUN, values).scalar_one())


def open_stage_row(
    connection: Connection,
    *,
    run_id: str,
    pipeline: str,
    stage: str,
    order: int,
    parameters: Mapping[str, Any],
    input_hash: str | None,
    started_at: datetime | None = None,
    **who: str,
) -> Opened:
    """Insert a stage or start its next attempt; the attempt number fences off an older process of the same stage.

    Errors of the last attempt are kept until this one ends. Without ``started_at`` it starts now.
    """
    before = connection.execute(_BEFORE, {"run_id": run_id, "stage": stage, "stale": STALE_S}).one_or_none()
    values = {"run_id": run_id, "stage": stage, "order": order, "pipeline": pipeline, "input_hash": input_hash, **who}
    given = {"parameters": _json(parameters), "started_at": started_at}
    attempt = connection.execute(_OPEN_STAGE, {**values, **given}).scalar_one()
    return Opened(int(attempt), before is not None and before.status == "running" and before.alive)


def beat(connection: Connection, run_id: str, stage: str | None, attempt: int) -> bool:
    """Renew the heartbeat of a run and its stage; return False if another attempt has taken over the stage."""
    return bool(connection.execute(_BEAT, {"run_id": run_id, "stage": stage, "attempt": attempt}).scalar_one())


def close_stage(
    connection: Connection, run_id: str, stage: str, attempt: int, outcome: StageOutcome
) -> timedelta | None:
    """Record how an attempt ended; only a clean success clears the errors.

    Returns:
        Its duration; None if another attempt has taken the stage over.
    """
    # Rows are always locked in the same order: the run's, then the stage's.
    connection.execute(text("SELECT FROM pipeline.runs WHERE run_id = :run_id FOR UPDATE"), {"run_id": run_id})
    mine = {"run_id": run_id, "stage": stage}
    done = connection.execute(
        _CLOSE_STAGE,
        {
            **mine,
            "attempt": attempt,
            "status": outcome.status,
            "counts": _json(outcome.counts),
            "exit_code": outcome.exit_code,
            "output_hash": outcome.output_hash,
            "manifest_key": outcome.manifest_key,
            "message": outcome.message,
            "details": None if outcome.details is None else _json(outcome.details),
        },
    )
    took = cast("timedelta | None", done.scalar_one_or_none())
    if took is not None and outcome.status == "success" and outcome.details is None:
        connection.execute(_CLEAR, mine)
    return took


def close_run(
    connection: Connection, run_id: str, status: str | None = None, message: str | None = None
) -> datetime | None:
    """Set a run's status to ``status``, or to the most severe of its stages (running while one of them runs).

    Returns:
        When the run ended: with its last stage, or now if ``status`` is given; None if it has not ended.
    """
    values = {"run_id": run_id, "status": status, "message": message}
    return cast("datetime | None", connection.execute(_CLOSE_RUN, values).scalar_one_or_none())


def write_errors(connection: Connection, run_id: str, stage: str, failures: Iterable[Failure]) -> None:
    """Insert item errors; a later one replaces an earlier one with the same item and code."""
    # One statement may not change a row twice, so the last of equal keys counts; sorted, so that two writers of the
    # same items cannot deadlock.
    unique = {(failure.item, failure.code): failure for failure in failures}
    rows = [unique[key] for key in sorted(unique)]
    for start in range(0, len(rows), CHUNK):
        chunk = rows[start : start + CHUNK]
        connection.execute(
            _ERRORS,
            {
                "run_id": run_id,
                "stage": stage,
                "items": [row.item for row in chunk],
                "codes": [row.code for row in chunk],
                "retryable": [row.retryable for row in chunk],
                "attempts": [row.attempt for row in chunk],
                "hashes": [row.input_hash for row in chunk],
                "messages": [row.message for row in chunk],
                "details": [_json(row.data) for row in chunk],
                "times": [row.at for row in chunk],
            },
        )


def sweep(connection: Connection) -> list[str]:
    """Mark runs and stages without a heartbeat for 60 s as interrupted; return the runs' ids."""
    stages = connection.execute(_SWEEP_STAGES, {"stale": STALE_S}).scalars().all()
    runs = connection.execute(_SWEEP_RUNS, {"stale": STALE_S}).scalars().all()
    return sorted({*stages, *runs})


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=str)
