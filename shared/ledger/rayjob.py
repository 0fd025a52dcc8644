"""Record the RayJob that did a stage's work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from shared.database.connection import engine, translated

if TYPE_CHECKING:
    from shared.settings import StepSettings

__all__ = ["record_rayjob"]

_RECORD: Final = text("UPDATE pipeline.run_stages SET rayjob_uid = :uid WHERE run_id = :run_id AND stage = :stage")


def record_rayjob(settings: StepSettings, run_id: str, stage: str, uid: str) -> bool:
    """Store a RayJob's uid with the stage that its driver has opened.

    Args:
        settings: where the database is.
        run_id: the run.
        stage: such as ``extract``.
        uid: of the RayJob.

    Returns:
        Whether the stage exists; the driver opens it some seconds after the RayJob is created.

    Raises:
        DatabaseUnreachable: no connection at the moment.
        ConfigurationError: no database is configured, or it refuses the connection.
    """
    with translated(settings), engine(settings).begin() as connection:
        done = connection.execute(_RECORD, {"uid": uid, "run_id": run_id, "stage": stage})
        return done.rowcount > 0
