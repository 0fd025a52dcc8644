"""Read past runs, their stages and failed items, for `telecine runs` and the index page of `media`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, text
from sqlalchemy.types import Text

from shared.database.connection import database_command, translated
from shared.database.migrate import ready
from shared.errors import ConfigurationError, DataError
from shared.failure import Failure
from shared.ledger import store

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection, Engine

    from shared.settings.database import DatabaseSettings

__all__ = ["RunRow", "StageRow", "failed_items", "list_runs", "pipelines", "show_run"]

# A reader without write access sees the status that a sweep would have stored.
_SHOWN: Final = """CASE WHEN status = 'running' AND heartbeat_at < clock_timestamp() - make_interval(secs => :stale)
    THEN 'interrupted' ELSE status END AS status"""
_RUNS: Final = text(f"""
    SELECT run_id, pipeline, {_SHOWN}, started_at, coalesce(finished_at, clock_timestamp()) - started_at AS took,
        error_stage, error_message, parameters, version, host
    FROM pipeline.runs
    WHERE (:pipeline IS NULL OR pipeline = :pipeline) AND (:prefix IS NULL OR starts_with(run_id, :prefix))
    ORDER BY created_at DESC, run_id DESC LIMIT :limit
""").bindparams(bindparam("pipeline", type_=Text), bindparam("prefix", type_=Text))  # noqa: S608 - our constant
_STAGES: Final = text(f"""
    SELECT stage, stage_order, pipeline, {_SHOWN}, attempt, started_at,
        coalesce(finished_at, clock_timestamp()) - started_at AS took, counts, exit_code, input_hash, output_hash,
        manifest_key, error_message, error_details, parameters -> '_origin' -> 'changed' AS changed,
        (SELECT count(*) FROM pipeline.item_errors e WHERE e.run_id = s.run_id AND e.stage = s.stage) AS failed_items
    FROM pipeline.run_stages s WHERE run_id = :run_id ORDER BY stage_order, started_at, stage
""")  # noqa: S608 - our constant
_FAILED: Final = text("""
    SELECT item, code, message, retryable, attempt, input_hash, details, at FROM pipeline.item_errors
    WHERE run_id = :run_id AND (:stage IS NULL OR stage = :stage) ORDER BY item, code LIMIT :limit
""").bindparams(bindparam("stage", type_=Text))


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run; `seconds` keeps growing while it is running."""

    run_id: str
    pipeline: str
    status: str
    started_at: datetime | None
    seconds: float
    error_stage: str | None
    error_message: str | None
    parameters: dict[str, Any]
    version: str | None
    host: str | None


@dataclass(frozen=True, slots=True)
class StageRow:
    """One stage of a run.

    Attributes:
        failed_items: number of its item errors.
        changed: names of parameters that differ from their defaults; None if an older version recorded it.
    """

    stage: str
    order: int
    pipeline: str
    status: str
    attempt: int
    started_at: datetime | None
    seconds: float
    counts: dict[str, Any]
    exit_code: int | None
    input_hash: str | None
    output_hash: str | None
    manifest_key: str | None
    error_message: str | None
    error_details: dict[str, Any] | None
    failed_items: int
    changed: tuple[str, ...] | None


def list_runs(settings: DatabaseSettings, *, limit: int = 20, pipeline: str | None = None) -> list[RunRow]:
    """Return the latest runs, newest first; marks those without a heartbeat as interrupted.

    Args:
        settings: where the database is.
        limit: maximum number of runs.
        pipeline: return only runs of this pipeline.

    Raises:
        DatabaseNotMigrated: run ``telecine db upgrade``.
    """
    with translated(settings), _swept(settings).connect() as connection:
        return _runs(connection, limit=limit, pipeline=pipeline)


def pipelines(settings: DatabaseSettings) -> list[str]:
    """Return the pipelines that have runs, by name.

    Args:
        settings: where the database is.
    """
    with translated(settings), _swept(settings).connect() as connection:
        found = connection.execute(text("SELECT DISTINCT pipeline FROM pipeline.runs ORDER BY pipeline"))
        return [row.pipeline for row in found]


def show_run(settings: DatabaseSettings, run_id: str) -> tuple[RunRow, list[StageRow]]:
    """Return one run and its stages, in order.

    Args:
        settings: where the database is.
        run_id: the id, or a unique prefix of it.

    Raises:
        DataError: the run does not exist or the prefix is ambiguous (code ``run_missing``, ``run_ambiguous``).
    """
    with translated(settings), _swept(settings).connect() as connection:
        found = _runs(connection, limit=5, prefix=run_id)
        exact = [run for run in found if run.run_id == run_id] or found
        if not exact:
            raise DataError(
                f"run '{run_id}' does not exist; list runs with: {database_command(settings, 'runs list')}",
                code="run_missing",
                run_id=run_id,
            )
        if len(exact) > 1:
            names = ", ".join(run.run_id for run in exact)
            raise DataError(f"several runs start with '{run_id}': {names}", code="run_ambiguous", run_id=run_id)
        rows = connection.execute(_STAGES, {"run_id": exact[0].run_id, "stale": store.STALE_S})
        stages = [
            StageRow(
                stage=row.stage,
                order=row.stage_order,
                pipeline=row.pipeline,
                status=row.status,
                attempt=row.attempt,
                started_at=row.started_at,
                seconds=_seconds(row.took),
                counts=row.counts,
                exit_code=row.exit_code,
                input_hash=row.input_hash,
                output_hash=row.output_hash,
                manifest_key=row.manifest_key,
                error_message=row.error_message,
                error_details=row.error_details,
                failed_items=row.failed_items,
                changed=tuple(map(str, row.changed)) if isinstance(row.changed, list) else None,
            )
            for row in rows
        ]
    return exact[0], stages


def failed_items(
    settings: DatabaseSettings, run_id: str, stage: str | None = None, *, limit: int | None = None
) -> list[Failure]:
    """Return the item errors of a run, ordered by item and code.

    Args:
        settings: where the database is.
        run_id: the run.
        stage: return only errors of this stage.
        limit: maximum number of errors; None: all.
    """
    with translated(settings), ready(settings).connect() as connection:
        rows = connection.execute(_FAILED, {"run_id": run_id, "stage": stage, "limit": limit})
        return [
            Failure(row.item, row.code, row.message, row.retryable, row.attempt, row.input_hash, row.details, row.at)
            for row in rows
        ]


def _swept(settings: DatabaseSettings) -> Engine:
    known = ready(settings)
    try:
        with translated(settings), known.begin() as connection:
            store.sweep(connection)
    except ConfigurationError:
        # A role that may only read; the statements show such runs as interrupted anyway.
        pass
    return known


def _runs(
    connection: Connection, *, limit: int, pipeline: str | None = None, prefix: str | None = None
) -> list[RunRow]:
    values = {"limit": limit, "pipeline": pipeline, "prefix": prefix, "stale": store.STALE_S}
    return [
        RunRow(
            run_id=row.run_id,
            pipeline=row.pipeline,
            status=row.status,
            started_at=row.started_at,
            seconds=_seconds(row.took),
            error_stage=row.error_stage,
            error_message=row.error_message,
            parameters=row.parameters,
            version=row.version,
            host=row.host,
        )
        for row in connection.execute(_RUNS, values)
    ]


def _seconds(took: Any) -> float:
    # The server's clock may have been set back in the meantime.
    return 0.0 if took is None else max(0.0, float(took.total_seconds()))
