"""A thread that marks a run as alive every 10 s, over a separate connection."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from shared.database.connection import engine, translated
from shared.errors import ConfigurationError, TelecineError, TransientError
from shared.ledger import store

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from shared.settings import StepSettings

__all__ = ["EVERY_S", "Heartbeat"]

_LOG = logging.getLogger(__name__)
EVERY_S: Final = 10.0


class Heartbeat:
    """Renews ``heartbeat_at`` of a run and its current stage until :meth:`stop`.

    If the database is unreachable, the thread continues, and the next beat opens a new connection.

    Args:
        settings: where the database is.
        run_id: the run.
        every_s: seconds between beats.
    """

    def __init__(self, settings: StepSettings, run_id: str, every_s: float = EVERY_S) -> None:
        self._settings = settings
        self._run_id = run_id
        self._every_s = every_s
        self._stage: tuple[str | None, int] = (None, 0)
        self._ended = threading.Event()
        self._connection: Connection | None = None
        self._thread = threading.Thread(target=self._loop, name=f"heartbeat-{run_id}", daemon=True)
        self.superseded = False

    def start(self) -> None:
        """Start the thread; the rows are fresh, so the first beat comes after one interval."""
        self._thread.start()

    def enter(self, stage: str, attempt: int) -> None:
        """From now on, beat for this stage as well."""
        self.superseded = False
        self._stage = (stage, attempt)

    def leave(self) -> None:
        """Beat only for the run."""
        self._stage = (None, 0)

    def stop(self) -> None:
        """End the thread and close its connection; waits at most 5 s for a beat in progress."""
        self._ended.set()
        self._thread.join(timeout=5)

    def _loop(self) -> None:
        while not self._ended.wait(self._every_s):
            try:
                self._beat()
            except (TransientError, ConfigurationError) as error:
                _LOG.warning("no heartbeat for run %s: %s", self._run_id, error)
                self._drop()
            except Exception:  # noqa: BLE001 - the heartbeat only informs readers of the ledger: it must not end the run
                _LOG.exception("no heartbeat for run %s", self._run_id)
                self._drop()
        self._drop()

    def _beat(self) -> None:
        stage, attempt = self._stage
        with translated(self._settings):
            if self._connection is None:
                self._connection = engine(self._settings, pooled=False).connect()
            with self._connection.begin():
                mine = store.beat(self._connection, self._run_id, stage, attempt)
        if not mine and (stage, attempt) == self._stage and not self.superseded:
            self.superseded = True
            _LOG.warning("run %s, stage %s: another process has started a later attempt", self._run_id, stage)

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                with translated(self._settings):
                    connection.close()
            except TelecineError as error:
                _LOG.debug("cannot close the heartbeat's connection: %s", error)
