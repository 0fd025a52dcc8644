"""Transactions of the console: short, and read-only for pages."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from shared.database.session import transaction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.console.settings import ConsoleSettings
    from shared.database.session import DatabaseSession

__all__ = ["Database", "start_of_day"]


class Database:
    """The console's connections to PostgreSQL.

    Args:
        settings: the database's address and the statement timeout.
    """

    def __init__(self, settings: ConsoleSettings) -> None:
        self.settings = settings
        self._timeout = f"{round(settings.statement_timeout_s * 1000)}ms"

    @contextmanager
    def read(self) -> Iterator[DatabaseSession]:
        """Open a read-only transaction.

        Raises:
            DatabaseUnreachable: no connection.
            DatabaseNotMigrated: a table is missing.
            TransientError: a statement took longer than the timeout.
        """
        with transaction(self.settings) as session:
            # set_config takes parameters and needs one round trip. READ COMMITTED is enough: a run may end between two
            # statements of a page.
            session.rows(
                "SELECT set_config('statement_timeout', :timeout, true),"
                " set_config('transaction_read_only', 'on', true)",
                timeout=self._timeout,
            )
            yield session

    @contextmanager
    def write(self) -> Iterator[DatabaseSession]:
        """Open a transaction that writes to the console's own tables or calls functions of pipelines.

        Raises:
            DatabaseUnreachable: no connection; the commit may or may not have happened.
            TransientError: a statement took longer than the timeout.
        """
        with transaction(self.settings) as session:
            session.rows("SELECT set_config('statement_timeout', :timeout, true)", timeout=self._timeout)
            yield session


def start_of_day(name: str) -> str:
    """Return SQL for the first moment of a day in UTC; a plain date would be in the session's time zone.

    Args:
        name: name of the parameter with the day.
    """
    return f"CAST(:{name} AS timestamp) AT TIME ZONE 'UTC'"
