"""One attempt at a stage, and writes to a ledger whose database may be temporarily unavailable."""

from __future__ import annotations

import logging
import os
import socket
import time
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final, TypeVar

from shared.database import session
from shared.errors import EXIT_OK, EXIT_TRANSIENT, Stopped, TransientError
from shared.ledger import store
from shared.ledger.details import MAX_ERRORS, StageOutcome, error_details, of_exception, of_report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import timedelta

    from sqlalchemy import Connection

    from shared.failure import Failure
    from shared.progress import Progress
    from shared.settings import StepSettings

__all__ = ["FINISH_S", "OPEN_S", "STOPPED_S", "StageRun", "process_identity", "retry"]

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")

# Seconds for which a write is retried: at the start of a run (nothing is lost yet), at its end (by then a database that
# restarts or fails over is back), and after a signal (Kubernetes waits 30 s in total).
OPEN_S: Final = 15.0
FINISH_S: Final = 60.0
STOPPED_S: Final = 8.0


@cache
def process_identity() -> dict[str, str]:
    """Return the identity of this process for the ledger: telecine's version, host and process id."""
    try:
        ours = version("telecine")
    except PackageNotFoundError:
        ours = "unknown"
    return {"version": ours, "host": f"{socket.gethostname()}:{os.getpid()}"}


def retry(settings: StepSettings, operation: Callable[[Connection], _T], seconds: float) -> _T:
    """Run one transaction; retries after transient errors until ``seconds`` have passed.

    Every operation of the ledger produces the same rows when it runs twice (the response to its commit may have been
    lost), except for a stage's attempt number, which may then skip one.
    """
    return session.retry(settings, operation, seconds, waiting="the ledger")


class StageRun:
    """One attempt at one stage, for use by a step. Created by :func:`open_stage` and :meth:`Run.stage`.

    A lost database does not end the stage: errors are kept until :meth:`finish`, which retries for a minute; if that
    fails, :attr:`exit_code` is 75 and the outputs stay committed.

    Attributes:
        run_id: the run.
        pipeline: such as ``gamedata``.
        stage: such as ``extract``.
        attempt: number from 1; a retry of the same run and stage gets the next one.
        progress: the stage's progress.
        exit_code: 0, or 75 if the ledger could not be written; to be merged with the step's exit code.
        began: when it was opened, on the monotonic clock.
        seconds: its duration according to the ledger; None until its end is recorded.
    """

    def __init__(
        self, settings: StepSettings, *, run_id: str, pipeline: str, stage: str, attempt: int, progress: Progress
    ) -> None:
        self.run_id = run_id
        self.pipeline = pipeline
        self.stage = stage
        self.attempt = attempt
        self.progress = progress
        self.exit_code = EXIT_OK
        self.began = time.monotonic()
        self.seconds: float | None = None
        self._settings = settings
        self._pending: dict[tuple[str, str], Failure] = {}
        self._first: list[Failure] = []
        self._recorded: set[int] = set()
        self._away_until = 0.0
        self._ended = False

    def record_errors(self, failures: Iterable[Failure]) -> None:
        """Record item errors; a later one replaces an earlier one with the same item and code. Never fails.

        Args:
            failures: the failed items.
        """
        for failure in failures:
            key = (failure.item, failure.code)
            if hash(key) not in self._recorded and len(self._first) < MAX_ERRORS:
                self._first.append(failure)
            self._recorded.add(hash(key))
            self._pending[key] = failure
        if self._pending and time.monotonic() >= self._away_until:
            try:
                retry(self._settings, self._write_pending, 0)
            except TransientError as error:
                # 10 s until the next attempt: a hanging connection must not slow down every batch.
                self._away_until = time.monotonic() + 10
                _LOG.warning("item errors of run %s are waiting for the database: %s", self.run_id, error)
            else:
                self._pending.clear()

    def finish(self, report: Any, *, output_hash: str | None = None, manifest_key: str | None = None) -> None:
        """Record how the stage ended. Does not raise if the database is lost: see :attr:`exit_code`.

        Args:
            report: a :class:`shared.report.Report`: status, counts, failures, outputs, exit code. Its ``seconds`` are
                replaced with the ledger's.
            output_hash: hash of the stage's output; by default the report's output ``output_hash``.
            manifest_key: key of the stage's output; by default the report's output ``manifest``.
        """
        self._end(of_report(report, output_hash, manifest_key), FINISH_S)
        if self.seconds is not None:
            report.seconds = self.seconds

    def _write_pending(self, connection: Connection) -> None:
        store.write_errors(connection, self.run_id, self.stage, list(self._pending.values()))

    def _end(self, outcome: StageOutcome, seconds: float) -> None:
        self._ended = True

        def write(connection: Connection) -> timedelta | None:
            self._write_pending(connection)
            return store.close_stage(connection, self.run_id, self.stage, self.attempt, outcome)

        try:
            took = retry(self._settings, write, seconds)
            if took is not None:
                self.seconds = max(0.0, took.total_seconds())
            else:
                _LOG.warning("run %s, stage %s: a later attempt has replaced this one", self.run_id, self.stage)
        except TransientError as error:
            self.exit_code = EXIT_TRANSIENT
            _LOG.warning(
                "run %s, stage %s ended as %s, but the ledger could not be written: %s. The stage's output is"
                " committed; run the same command again to continue from there.",
                self.run_id,
                self.stage,
                outcome.status,
                error,
            )
        self._pending.clear()

    def fail(self, error: BaseException) -> None:
        """Record that an exception ended the stage."""
        stopped = isinstance(error, Stopped | KeyboardInterrupt)
        outcome = of_exception(error, self.stage, self._first, len(self._recorded))
        self._end(outcome, STOPPED_S if stopped else FINISH_S)

    def conclude(self) -> None:
        """Record a failure if the stage's code ended without a report; silence does not mean success."""
        if not self._ended:
            message = "the stage ended without a report"
            details = error_details({}, [failure.as_json() for failure in self._first], len(self._recorded))
            self._end(StageOutcome(status="failed", exit_code=70, message=message, details=details), FINISH_S)
