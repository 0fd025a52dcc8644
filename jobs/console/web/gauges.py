"""Gauges that are read from the database: at most once a minute, and never at the expense of `/metrics` itself."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Final

from jobs.console.tables.trakt.levels import clock, levels
from jobs.console.tables.trakt.objectives import OBJECTIVES
from shared.errors import TelecineError

if TYPE_CHECKING:
    from jobs.console.tables.database import Database
    from jobs.console.web.metrics import Metrics

__all__ = ["Gauges"]

_LOG: Final = logging.getLogger("telecine.console")
_EVERY_S: Final = 60.0
# Prometheus waits 10 s for a scrape, and so does a connection to a host that does not answer.
_WAIT_S: Final = 2.0
# Days change once a day: figures survive a restart of PostgreSQL, but not an outage.
_KEPT_S: Final = 900.0


class Gauges:
    """Refreshes the gauges of service levels before a scrape.

    Args:
        database: the console's database.
        metrics: the metrics to set.
    """

    def __init__(self, database: Database, metrics: Metrics) -> None:
        self._database = database
        self._metrics = metrics
        self._lock = threading.Lock()
        self._tried_at = -_EVERY_S
        self._read_at = 0.0

    def refresh(self) -> None:
        """Read the figures if the last attempt is older than a minute, and wait up to 2 s for them; never raise."""
        with self._lock:
            now = time.monotonic()
            if now - self._tried_at < _EVERY_S:
                return
            self._tried_at = now
        # If it takes longer, the next scrape has the figures.
        thread = threading.Thread(target=self._read, name="gauges", daemon=True)
        thread.start()
        thread.join(_WAIT_S)

    def _read(self) -> None:
        try:
            with self._database.read() as database:
                found = levels(database, list(OBJECTIVES.values()), clock())
        except TelecineError as error:
            _LOG.debug("the gauges of service levels could not be read: %s", error)
            if time.monotonic() - self._read_at > _KEPT_S:
                self._metrics.levels(())
        except Exception:  # noqa: BLE001 - a bug must not end the metrics of all else
            _LOG.exception("the gauges of service levels could not be read")
            self._metrics.levels(())
        else:
            self._read_at = time.monotonic()
            # Without any measured day, trakt is not in use.
            self._metrics.levels(each for each in found if each.is_installed)
