"""Snapshots: copies of slow views, updated when their source tables have changed."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

from jobs.console.tables.screenalytics import screen_copy
from jobs.console.tables.viewership import viewership_copies
from shared.database.session import transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from jobs.console.tables.database import Database
    from shared.database.session import DatabaseSession

__all__ = ["Name", "Snapshots", "Taken"]

Name = Literal["review_keys", "match_rates", "screenalytics"]

_LOG: Final = logging.getLogger("telecine.console")
# Slower copies are made in the background: each decision makes one out of date, and the next card must come within
# 100 ms, of which the decision itself takes 45.
_AT_ONCE_MS: Final = 50
# Seconds between copies in the background. A slow one is made less often, so that it takes a tenth of a core at most.
_LEAST_S: Final = 15
_TIMES: Final = 10
# A phase may log its end just before its commit: a copy of that moment has the mark without the rows.
_MOST_S: Final = 300
# 50,000 keys or a million metrics take a second; the limit only ends what hangs.
_TIMEOUT: Final = "120s"
_CLOSE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class _Source:
    """The source tables of a copy.

    Attributes:
        mark: query of their state as one text; another text means that the copy is out of date.
        make: brings the copy to their rows.
    """

    mark: str
    make: Callable[[DatabaseSession], None]


_SOURCES: Final[Mapping[Name, _Source]] = {
    "review_keys": _Source(viewership_copies.MARK, partial(viewership_copies.make, name="review_keys")),
    "match_rates": _Source(viewership_copies.MARK, partial(viewership_copies.make, name="match_rates")),
    "screenalytics": _Source(screen_copy.MARK, screen_copy.make),
}


@dataclass(frozen=True, slots=True)
class Taken:
    """The state of a copy: its time, and whether it is current."""

    at: datetime
    is_current: bool


@dataclass(frozen=True, slots=True)
class _State:
    taken: Taken
    age_s: float
    took_ms: int

    @property
    def is_due(self) -> bool:
        return not self.taken.is_current or self.age_s >= max(_MOST_S, self.pause_s)

    @property
    def pause_s(self) -> float:
        return max(_LEAST_S, _TIMES * self.took_ms / 1000)


class Snapshots:
    """The copies in schema console.

    Args:
        database: the console's connections.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._running: dict[str, threading.Thread] = {}

    def current(self, name: Name) -> Taken:
        """Return the state of a copy, and update it if it is out of date: in the background if that is slow.

        Call it before the page opens its own transaction.

        Args:
            name: the copy.

        Raises:
            DatabaseUnreachable: no connection.
            DatabaseNotMigrated: a table is missing.
            TransientError: the first copy took longer than two minutes.
        """
        found = self._state(name)
        if found is None or (found.is_due and found.took_ms <= _AT_ONCE_MS):
            self._make(name, wait=found is None)
            found = self._state(name) or found
            if found is None:  # pragma: no cover - another replica deleted the row that was just written
                raise RuntimeError(f"the copy {name} was not made")
        elif found.is_due and found.age_s >= found.pause_s:
            self._start(name)
        return found.taken

    def refresh(self, name: Name) -> None:
        """Make a copy now; wait for another process that makes it.

        Args:
            name: the copy.

        Raises:
            DatabaseUnreachable: no connection.
            TransientError: it took longer than two minutes.
        """
        self._make(name, wait=True)

    def wait(self, seconds: float = _CLOSE_S) -> None:
        """Wait for copies that are being made, at most this long each."""
        with self._lock:
            running = list(self._running.values())
        for thread in running:
            thread.join(seconds)

    def _state(self, name: Name) -> _State | None:
        with self._database.read() as database:
            rows = database.rows(
                f"SELECT taken_at, mark = ({_SOURCES[name].mark}) AS is_current, took_ms,"  # noqa: S608 - our constants
                " extract(epoch FROM clock_timestamp() - taken_at)::float AS age_s"
                " FROM console.snapshots WHERE name = :name",
                name=name,
            )
        if not rows:
            return None
        (row,) = rows
        return _State(Taken(row.taken_at, row.is_current), row.age_s, row.took_ms)

    def _start(self, name: Name) -> None:
        with self._lock:
            running = self._running.get(name)
            if running is not None and running.is_alive():
                return
            thread = threading.Thread(target=self._try, args=(name,), name=f"snapshot {name}", daemon=True)
            self._running[name] = thread
            thread.start()

    def _try(self, name: Name) -> None:
        """Make a copy; if that fails, pages keep showing the previous one."""
        try:
            self._make(name, wait=False)
        except Exception as error:  # noqa: BLE001 - a thread has no caller
            _LOG.warning("the copy %s was not made: %s", name, error)

    def _make(self, name: Name, *, wait: bool) -> None:
        """Make a copy; without ``wait``, leave it to another process that is making it."""
        source = _SOURCES[name]
        lock = f"telecine console {name}"
        with transaction(self._database.settings) as database:
            database.rows("SELECT set_config('statement_timeout', :timeout, true)", timeout=_TIMEOUT)
            if wait:
                database.lock(lock)
            elif not database.rows("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0)) AS free", name=lock)[
                0
            ].free:
                return
            # The mark is read first, so a change during the copy makes it out of date, even if its rows are included.
            ((began, mark),) = database.rows(f"SELECT clock_timestamp(), ({source.mark})")
            source.make(database)
            database.run(
                """
                INSERT INTO console.snapshots (name, mark, taken_at, took_ms)
                VALUES (:name, :mark, CAST(:began AS timestamptz),
                    round(extract(epoch FROM clock_timestamp() - CAST(:began AS timestamptz)) * 1000))
                ON CONFLICT (name) DO UPDATE SET mark = EXCLUDED.mark, taken_at = EXCLUDED.taken_at,
                    took_ms = EXCLUDED.took_ms
                """,
                name=name,
                mark=mark,
                began=began,
            )
