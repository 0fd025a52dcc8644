"""Runs and their stages, written while they happen."""

from __future__ import annotations

import logging
import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from shared.database.migrate import ready
from shared.errors import EXIT_OK, EXIT_TRANSIENT, Stopped, TransientError, UsageError
from shared.ledger import store
from shared.ledger.details import of_exception
from shared.ledger.heartbeat import Heartbeat
from shared.ledger.stage import FINISH_S, OPEN_S, STOPPED_S, StageRun, retry, who
from shared.progress import Progress
from shared.text import clean_data

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Connection

    from shared.settings import StepSettings

__all__ = ["Run", "StageRun", "new_run_id", "open_run", "open_stage"]

_LOG = logging.getLogger(__name__)

_RUN_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def new_run_id() -> str:
    """Return a new run id: a uuid7, whose order is the order of time."""
    import uuid_utils

    return str(uuid_utils.uuid7())


class Run:
    """A run of one or several stages. Made by :func:`open_run`.

    Attributes:
        run_id: the run.
        pipeline: such as ``gamedata``.
        exit_code: 0, or 75 when the ledger could not be written.
    """

    def __init__(self, settings: StepSettings, run_id: str, pipeline: str, heartbeat: Heartbeat) -> None:
        self.run_id = run_id
        self.pipeline = pipeline
        self.exit_code = EXIT_OK
        # The exception that a stage has recorded already: the run's status then follows from its stages.
        self.told: BaseException | None = None
        self._settings = settings
        self._heartbeat = heartbeat

    @contextmanager
    def stage(
        self,
        name: str,
        order: int,
        *,
        pipeline: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        input_hash: str | None = None,
        progress: Progress | None = None,
    ) -> Iterator[StageRun]:
        """Begin a stage; the block's end, or the exception that leaves it, ends the stage.

        Args:
            name: such as ``extract``.
            order: 1 plan, 2 extract, 3 manifest, 4 match, 5 trakt, 6 sync_screenalytics, 7 publish.
            pipeline: by default the run's.
            parameters: of the stage, without secrets; by default the settings'.
            input_hash: identity of what goes in.
            progress: shows how far the stage is; by default as the terminal or pod has it.

        Raises:
            DatabaseUnreachable: no connection for 15 s.
        """
        values = clean_data(dict(self._settings.parameters() if parameters is None else parameters))
        pipeline = pipeline or self.pipeline

        def begin(connection: Connection) -> store.Opened:
            store.open_run_row(connection, self.run_id, self.pipeline, values, **who())
            return store.open_stage_row(
                connection,
                run_id=self.run_id,
                pipeline=pipeline,
                stage=name,
                order=order,
                parameters=values,
                input_hash=input_hash,
                **who(),
            )

        opened = retry(self._settings, begin, OPEN_S)
        if opened.contended:
            _LOG.warning("run %s, stage %s: another process was at it less than 60 s ago", self.run_id, name)
        stage_run = StageRun(
            self._settings,
            run_id=self.run_id,
            pipeline=pipeline,
            stage=name,
            attempt=opened.attempt,
            progress=progress or Progress(name),
        )
        self._heartbeat.enter(name, opened.attempt)
        try:
            yield stage_run
        except BaseException as error:
            stage_run.fail(error)
            self.told = error
            raise
        else:
            stage_run.conclude()
        finally:
            self._heartbeat.leave()
            stage_run.progress.finish()
            self.exit_code = self.exit_code or stage_run.exit_code

    def close(self, status: str | None, message: str | None, seconds: float) -> None:
        """Write how the run ended: ``status``, or the gravest of its stages."""
        try:
            retry(self._settings, lambda connection: store.close_run(connection, self.run_id, status, message), seconds)
        except TransientError as error:
            self.exit_code = EXIT_TRANSIENT
            _LOG.warning("the end of run %s is not in the ledger: %s", self.run_id, error)


@contextmanager
def open_run(
    settings: StepSettings,
    pipeline: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    heartbeat_s: float | None = None,
) -> Iterator[Run]:
    """Begin a run, or take up the one that ``settings.run_id`` names; the block's end ends it.

    Runs of processes that died are marked as interrupted on the way.

    Args:
        settings: where the database is; ``run_id`` where the run has an id already.
        pipeline: such as ``gamedata``.
        parameters: of the run, without secrets; by default the settings'.
        heartbeat_s: seconds between heartbeats; by default 10.

    Raises:
        UsageError: ``run_id`` is none.
        DatabaseUnreachable: no connection for 15 s.
        DatabaseNotMigrated: run ``telecine db upgrade``.
        WrongEnvironment: the database is of another environment.
    """
    run_id = settings.run_id or new_run_id()
    if not _RUN_ID.fullmatch(run_id):
        raise UsageError(
            f"run id '{run_id[:140]}' is not valid; valid are 1 to 128 letters, digits, '.', '_' and '-', the first a"
            " letter or digit"
        )
    values = clean_data(dict(settings.parameters() if parameters is None else parameters))

    def begin(connection: Connection) -> list[str]:
        store.open_run_row(connection, run_id, pipeline, values, **who())
        return store.sweep(connection)

    _ready(settings)
    for swept in retry(settings, begin, OPEN_S):
        _LOG.info("run %s has had no heartbeat for %d s: marked as interrupted", swept, store.STALE_S)
    heartbeat = Heartbeat(settings, run_id) if heartbeat_s is None else Heartbeat(settings, run_id, heartbeat_s)
    run = Run(settings, run_id, pipeline, heartbeat)
    heartbeat.start()
    try:
        yield run
    except BaseException as error:
        outcome = of_exception(error, pipeline, (), 0)
        stopped = isinstance(error, Stopped | KeyboardInterrupt)
        heartbeat.stop()
        status, message = (None, None) if run.told is error else (outcome.status, outcome.message)
        run.close(status, message, STOPPED_S if stopped or run.exit_code else FINISH_S)
        raise
    else:
        heartbeat.stop()
        # When the stage's end could not be written a moment ago, one short try is enough.
        run.close(None, None, STOPPED_S if run.exit_code else FINISH_S)


@contextmanager
def open_stage(
    settings: StepSettings,
    *,
    pipeline: str,
    stage: str,
    order: int,
    parameters: Mapping[str, Any] | None = None,
    input_hash: str | None = None,
    progress: Progress | None = None,
    heartbeat_s: float | None = None,
) -> Iterator[StageRun]:
    """Begin one stage of a run of its own, or of the run that ``settings.run_id`` names.

    Args:
        settings: as in :func:`open_run`.
        pipeline: such as ``gamedata``.
        stage: such as ``extract``.
        order: as in :meth:`Run.stage`.
        parameters: without secrets; by default the settings'.
        input_hash: identity of what goes in.
        progress: shows how far the stage is.
        heartbeat_s: seconds between heartbeats; by default 10.

    Raises:
        DatabaseUnreachable: no connection for 15 s.
        DatabaseNotMigrated: run ``telecine db upgrade``.
        WrongEnvironment: the database is of another environment.
    """
    stage_run: StageRun | None = None
    try:
        with (
            open_run(settings, pipeline, parameters, heartbeat_s=heartbeat_s) as run,
            run.stage(stage, order, parameters=parameters, input_hash=input_hash, progress=progress) as stage_run,
        ):
            yield stage_run
    finally:
        # The caller sees the stage alone, so the stage also tells when the run's own end could not be written.
        if stage_run is not None:
            stage_run.exit_code = stage_run.exit_code or run.exit_code


def _ready(settings: StepSettings) -> None:
    """Wait for a database that is there and migrated."""
    deadline = time.monotonic() + OPEN_S
    while True:
        try:
            ready(settings)
        except TransientError as error:
            if time.monotonic() > deadline:
                raise
            _LOG.warning("waiting for the database: %s", error)
            time.sleep(min(1.0, OPEN_S))
        else:
            return
