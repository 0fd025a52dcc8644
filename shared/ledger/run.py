"""Runs and their stages, recorded as they happen; an existing ``--run-id`` continues that run."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from shared.database.migrate import ready
from shared.errors import EXIT_OK, EXIT_TRANSIENT, Stopped, TransientError
from shared.ledger import store
from shared.ledger.details import of_exception
from shared.ledger.heartbeat import Heartbeat
from shared.ledger.origin import KEY, origin
from shared.ledger.run_id import check_run_id
from shared.ledger.stage import FINISH_S, OPEN_S, STOPPED_S, StageRun, process_identity, retry
from shared.progress import Progress
from shared.text import clean_data

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from sqlalchemy import Connection

    from shared.settings import StepSettings

__all__ = ["Command", "Run", "StageRun", "new_run_id", "open_run", "open_stage"]

_LOG = logging.getLogger(__name__)


def new_run_id() -> str:
    """Return a new run id: a uuid7, which sorts by time."""
    import uuid_utils

    return str(uuid_utils.uuid7())


class Command(Protocol):
    """The command that a run belongs to, such as :class:`shared.step.contract.UnrecordedRun`.

    Attributes:
        began: when it began, on the monotonic clock; a new run begins then.
        seconds: duration of the run, from then to the end of its last stage; None until that is known.
    """

    began: float
    seconds: float | None


class Run:
    """A run with one or more stages, from :func:`open_run`.

    Attributes:
        run_id: the run.
        pipeline: such as ``gamedata``.
        exit_code: 0, or 75 if the ledger could not be written.
        opened_at: when its command began, by the database's clock.
        seconds: seconds from then to the end of the run; None until it has ended.
    """

    def __init__(
        self, settings: StepSettings, run_id: str, pipeline: str, heartbeat: Heartbeat, opened_at: datetime
    ) -> None:
        self.run_id = run_id
        self.pipeline = pipeline
        self.exit_code = EXIT_OK
        self.opened_at = opened_at
        self.seconds: float | None = None
        # The exception that a stage has already recorded: the run's status then follows from its stages.
        self.recorded: BaseException | None = None
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
        started_at: datetime | None = None,
    ) -> Iterator[StageRun]:
        """Start a stage; it ends with the block, or with the exception that leaves it.

        Args:
            name: such as ``extract``.
            order: 1 plan, 2 extract, 3 manifest, 4 match, 5 trakt, 6 sync_screenalytics, 7 publish.
            pipeline: the run's by default.
            parameters: the stage's parameters, without secrets; those of the settings by default.
            input_hash: identity of the input.
            progress: shows the stage's progress; by default on the terminal or as the pod needs it.
            started_at: when it started, by the database's clock; now by default.

        Raises:
            DatabaseUnreachable: no connection for 15 s.
        """
        values = clean_data(dict(self._settings.parameters() if parameters is None else parameters))
        # Built of cleaned values; its command is longer than a parameter may be.
        started = {**values, KEY: origin(self._settings, self.run_id)}
        pipeline = pipeline or self.pipeline

        def begin(connection: Connection) -> store.Opened:
            store.open_run_row(connection, self.run_id, self.pipeline, values, **process_identity())
            return store.open_stage_row(
                connection,
                run_id=self.run_id,
                pipeline=pipeline,
                stage=name,
                order=order,
                parameters=started,
                input_hash=input_hash,
                started_at=started_at,
                **process_identity(),
            )

        opened = retry(self._settings, begin, OPEN_S)
        if opened.contended:
            _LOG.warning("run %s, stage %s: another process was working on it less than 60 s ago", self.run_id, name)
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
            self.recorded = error
            raise
        else:
            stage_run.conclude()
        finally:
            self._heartbeat.leave()
            stage_run.progress.finish()
            self.exit_code = self.exit_code or stage_run.exit_code

    def close(self, status: str | None, message: str | None, seconds: float) -> None:
        """Record how the run ended: ``status``, or the most severe of its stages."""
        try:
            ended_at = retry(
                self._settings, lambda connection: store.close_run(connection, self.run_id, status, message), seconds
            )
            if ended_at is not None:
                self.seconds = max(0.0, (ended_at - self.opened_at).total_seconds())
        except TransientError as error:
            self.exit_code = EXIT_TRANSIENT
            _LOG.warning("the end of run %s could not be written to the ledger: %s", self.run_id, error)


@contextmanager
def open_run(
    settings: StepSettings,
    pipeline: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    heartbeat_s: float | None = None,
    command: Command | None = None,
) -> Iterator[Run]:
    """Start a run, or continue the one that ``settings.run_id`` names; it ends with the block.

    Runs of dead processes are marked as interrupted along the way.

    Args:
        settings: where the database is; ``run_id`` if the run already has an id.
        pipeline: such as ``gamedata``.
        parameters: the run's parameters, without secrets; those of the settings by default.
        heartbeat_s: seconds between heartbeats; 10 by default.
        command: its ``began`` is when the run begins (default: now); its ``seconds`` are set when the run ends.

    Raises:
        UsageError: ``run_id`` is not a valid run id.
        DatabaseUnreachable: no connection for 15 s.
        DatabaseNotMigrated: run ``telecine db upgrade``.
        WrongEnvironment: the database belongs to another environment.
    """
    run_id = settings.run_id or new_run_id()
    check_run_id(run_id)
    values = clean_data(dict(settings.parameters() if parameters is None else parameters))

    began = time.monotonic() if command is None else command.began

    def begin(connection: Connection) -> tuple[datetime, list[str]]:
        since_s = time.monotonic() - began
        opened_at = store.open_run_row(connection, run_id, pipeline, values, since_s, **process_identity())
        return opened_at, store.sweep(connection)

    _ready(settings)
    opened_at, interrupted = retry(settings, begin, OPEN_S)
    for swept in interrupted:
        _LOG.info("run %s has had no heartbeat for %d s: marked as interrupted", swept, store.STALE_S)
    heartbeat = Heartbeat(settings, run_id) if heartbeat_s is None else Heartbeat(settings, run_id, heartbeat_s)
    run = Run(settings, run_id, pipeline, heartbeat, opened_at)
    heartbeat.start()
    try:
        yield run
    except BaseException as error:
        outcome = of_exception(error, pipeline, (), 0)
        stopped = isinstance(error, Stopped | KeyboardInterrupt)
        heartbeat.stop()
        status, message = (None, None) if run.recorded is error else (outcome.status, outcome.message)
        run.close(status, message, STOPPED_S if stopped or run.exit_code else FINISH_S)
        raise
    else:
        heartbeat.stop()
        # If the stage's end could not be written a moment ago, one short attempt is enough.
        run.close(None, None, STOPPED_S if run.exit_code else FINISH_S)
    finally:
        if command is not None:
            command.seconds = run.seconds


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
    began: float | None = None,
) -> Iterator[StageRun]:
    """Start one stage of a new run, or of the run that ``settings.run_id`` names.

    A new run begins and ends with the stage, so both have the same duration.

    Args:
        settings: as in :func:`open_run`.
        pipeline: such as ``gamedata``.
        stage: such as ``extract``.
        order: as in :meth:`Run.stage`.
        parameters: without secrets; those of the settings by default.
        input_hash: identity of the input.
        progress: shows the stage's progress.
        heartbeat_s: seconds between heartbeats; 10 by default.
        began: when the command began, on the monotonic clock; the stage began then. Now by default.

    Raises:
        DatabaseUnreachable: no connection for 15 s.
        DatabaseNotMigrated: run ``telecine db upgrade``.
        WrongEnvironment: the database belongs to another environment.
    """
    stage_run: StageRun | None = None
    command = _Began(time.monotonic() if began is None else began)
    try:
        with (
            open_run(settings, pipeline, parameters, heartbeat_s=heartbeat_s, command=command) as run,
            run.stage(
                stage,
                order,
                parameters=parameters,
                input_hash=input_hash,
                progress=progress,
                started_at=run.opened_at,
            ) as stage_run,
        ):
            yield stage_run
    finally:
        # The caller sees only the stage, so the stage also reports that the run's end could not be written.
        if stage_run is not None:
            stage_run.exit_code = stage_run.exit_code or run.exit_code


@dataclass(slots=True)
class _Began:
    began: float
    seconds: float | None = None


def _ready(settings: StepSettings) -> None:
    """Wait until the database is reachable and migrated."""
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
