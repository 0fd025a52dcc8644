"""The process of a run as the ledger knows it: its name, its day, and the lock that shows that it is alive."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from shared.database.session import transaction

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date, datetime

    from shared.database.session import DatabaseSession
    from shared.settings.database import DatabaseSettings

__all__ = ["Process", "is_dead"]

_LOCK: Final = "telecine trakt ingest "


def is_dead(session: DatabaseSession, owner: str) -> bool:
    """Return whether the process with this name has ended; its lock is then free."""
    # A shared lock, because two transactions that ask at once must not take each other for the process.
    free = session.rows(
        "SELECT pg_try_advisory_xact_lock_shared(hashtextextended(:name, 0)) AS free", name=f"{_LOCK}{owner}"
    )
    return bool(free[0].free)


class Process:
    """One process that writes the ledger.

    Args:
        settings: where the database is.
        run_id: the run.
        owner: name of this process, unique.
        day: the day that planned pages count for.
    """

    def __init__(self, settings: DatabaseSettings, run_id: str, owner: str, day: date) -> None:
        self.run_id = run_id
        self.owner = owner
        self.day = day
        self._settings = settings
        self._planned_at: datetime | None = None

    @contextmanager
    def alive(self) -> Iterator[None]:
        """Hold the lock that tells other processes that this one still reads."""
        with transaction(self._settings) as session:
            # This transaction is idle as long as the run takes; it has read nothing, so it holds back no vacuum.
            session.run("SET LOCAL idle_in_transaction_session_timeout = 0")
            session.lock(f"{_LOCK}{self.owner}")
            yield

    def planning(self) -> None:
        """Remember the time: titles that another process reads completely from now on are not read again."""
        with transaction(self._settings) as session:
            self._planned_at = session.rows("SELECT clock_timestamp() AS now")[0].now
