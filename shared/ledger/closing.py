"""End a run as its Workflow ended, for the exit hook; record what was sent, so that a retry sends nothing twice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from shared.database.migrate import ready
from shared.ledger import store
from shared.ledger.stage import FINISH_S, process_identity, retry
from shared.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from shared.settings import StepSettings
    from shared.settings.database import DatabaseSettings

__all__ = ["Closed", "close", "interrupt_stale_runs", "once"]

# A killed pod could not end its stage, and a stopped one cannot know why it was stopped.
_END_STAGES: Final = text("""
    UPDATE pipeline.run_stages SET status = :status, finished_at = coalesce(finished_at, clock_timestamp()),
        duration_ms = coalesce(duration_ms, greatest(0, extract(epoch FROM clock_timestamp() - started_at) * 1000)),
        error_message = coalesce(error_message, :message)
    WHERE run_id = :run_id AND (status IN ('pending', 'running') OR (:stopped AND status = 'interrupted'))
""")
# The failed step never reached the ledger: a partial stage before it is not what ended the run.
_NO_STAGE: Final = text("""
    UPDATE pipeline.runs SET error_stage = NULL, error_message = :message WHERE run_id = :run_id AND NOT EXISTS (
        SELECT FROM pipeline.run_stages
        WHERE run_id = :run_id AND status IN ('failed', 'interrupted', 'cancelled') AND error_message IS NOT NULL)
""")
_RUN: Final = text("""
    SELECT r.pipeline, r.status, r.error_stage, r.error_message, s.exit_code, s.error_details
    FROM pipeline.runs r LEFT JOIN pipeline.run_stages s ON s.run_id = r.run_id AND s.stage = r.error_stage
    WHERE r.run_id = :run_id
""")
# A pipeline's first stage over items (2 extract, 4 match, …) has this run's items; later stages see all that exist.
_ITEMS: Final = text("""
    SELECT DISTINCT ON (pipeline) pipeline, coalesce((counts->>'items')::bigint, 0) AS items,
        coalesce((counts->>'failed')::bigint, 0) AS failed
    FROM pipeline.run_stages WHERE run_id = :run_id AND stage_order BETWEEN 2 AND 6
    ORDER BY pipeline, stage_order, stage
""")
_REJECTS: Final = text("""
    SELECT s.pipeline, e.code, count(DISTINCT e.item) AS number FROM pipeline.item_errors e
    JOIN pipeline.run_stages s USING (run_id, stage) WHERE e.run_id = :run_id
    GROUP BY s.pipeline, e.code ORDER BY s.pipeline, number DESC, e.code
""")
_CLAIM: Final = text("""
    INSERT INTO pipeline.notifications (run_id, channel) VALUES (:run_id, :channel) ON CONFLICT DO NOTHING
""")
_SENT: Final = text(
    "SELECT sent_at FROM pipeline.notifications WHERE run_id = :run_id AND channel = :channel FOR UPDATE"
)
_DONE: Final = text("""
    UPDATE pipeline.notifications SET sent_at = clock_timestamp() WHERE run_id = :run_id AND channel = :channel
""")


@dataclass(frozen=True, slots=True)
class Closed:
    """The end of a run, according to the ledger.

    Attributes:
        pipeline: such as ``gamedata``.
        status: success, partial, failed, cancelled, …
        stage: name of the stage with the most severe status; None if none failed.
        message: its message.
        exit_code: its exit code.
        errors: the first entries of its ``error_details``.
        items: pipeline -> this run's items and the number that failed.
        rejects: pipeline, code, number of items.
    """

    pipeline: str
    status: str
    stage: str | None
    message: str | None
    exit_code: int | None
    errors: list[dict[str, Any]] = field(default_factory=list)
    items: dict[str, tuple[int, int]] = field(default_factory=dict)
    rejects: list[tuple[str, str, int]] = field(default_factory=list)


def close(settings: StepSettings, run_id: str, pipeline: str, *, status: str | None, message: str | None) -> Closed:
    """End a run; a second call changes nothing. If no step got far enough to create the run's row, it is created.

    Args:
        settings: where the database is.
        run_id: the run.
        pipeline: used if the run has no row.
        status: ``failed`` or ``cancelled``; None: the most severe of its stages, or success if it has none.
        message: what happened, for a run or stage without its own message. It may come from any container of the
            Workflow: it is cleaned like an error's.

    Raises:
        DatabaseUnreachable: no connection for a minute.
        DatabaseNotMigrated: run ``telecine db upgrade``.
    """
    message = None if message is None else clean_text(message)

    def write(connection: Connection) -> Closed:
        there = connection.execute(_RUN, {"run_id": run_id}).one_or_none()
        if there is None:
            store.open_run_row(connection, run_id, pipeline, {}, **process_identity())
        left = "cancelled" if status == "cancelled" else "interrupted"
        stopped = status == "cancelled"
        connection.execute(_END_STAGES, {"run_id": run_id, "status": left, "message": message, "stopped": stopped})
        final = status if status is not None or there is not None else "success"
        store.close_run(connection, run_id, final)
        if status is not None:
            connection.execute(_NO_STAGE, {"run_id": run_id, "message": message})
        return _read(connection, run_id)

    retry(settings, lambda _: ready(settings), FINISH_S)
    return retry(settings, write, FINISH_S)


def _read(connection: Connection, run_id: str) -> Closed:
    run = connection.execute(_RUN, {"run_id": run_id}).one()
    details = run.error_details or {}
    return Closed(
        pipeline=run.pipeline,
        status=run.status,
        stage=run.error_stage,
        message=run.error_message,
        exit_code=run.exit_code,
        errors=list(details.get("errors", [])),
        items={row.pipeline: (row.items, row.failed) for row in connection.execute(_ITEMS, {"run_id": run_id})},
        rejects=[(row.pipeline, row.code, row.number) for row in connection.execute(_REJECTS, {"run_id": run_id})],
    )


def once(settings: StepSettings, run_id: str, channel: str, send: Callable[[], None]) -> bool:
    """Call ``send`` unless it was called for this run and channel before; concurrent calls wait for each other.

    An exception of ``send`` is raised, and the next call sends again. A process that dies between sending and commit
    causes a second send: no channel can rule that out, so messages carry a unique id.

    Args:
        settings: where the database is.
        run_id: the run, which must have a row.
        channel: such as ``webhook``.
        send: a function without arguments.

    Returns:
        Whether ``send`` was called.
    """
    from shared.database.connection import engine, translated

    mine = {"run_id": run_id, "channel": channel}
    with translated(settings), engine(settings).begin() as connection:
        connection.execute(_CLAIM, mine)
        if connection.execute(_SENT, mine).scalar_one() is not None:
            return False
        send()
        connection.execute(_DONE, mine)
    return True


def interrupt_stale_runs(settings: DatabaseSettings) -> None:
    """Mark runs and stages without a heartbeat as interrupted; they count as finished from now on.

    Raises:
        DatabaseUnreachable: no connection.
    """
    from shared.database.connection import translated

    with translated(settings), ready(settings).begin() as connection:
        store.sweep(connection)
