"""Transactions of the console: short, and those of pages may only read."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from shared.database.session import transaction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.console.settings import ConsoleSettings
    from shared.database.session import DatabaseSession

__all__ = ["Database"]


class Database:
    """The console's connections to PostgreSQL.

    Args:
        settings: where the database is, and after which time a statement is cancelled.
    """

    def __init__(self, settings: ConsoleSettings) -> None:
        self.settings = settings
        self._timeout = f"{round(settings.statement_timeout_s * 1000)}ms"

    @contextmanager
    def read(self) -> Iterator[DatabaseSession]:
        """Open a transaction that can write nothing.

        Raises:
            DatabaseUnreachable: no connection.
            DatabaseNotMigrated: a table is missing.
            TransientError: a statement took longer than the timeout.
        """
        with transaction(self.settings) as session:
            # One round trip; by set_config, since the values are data. REPEATABLE READ would change nothing: a page's
            # statements may see a run that ended between them.
            session.rows(
                "SELECT set_config('statement_timeout', :timeout, true),"
                " set_config('transaction_read_only', 'on', true)",
                timeout=self._timeout,
            )
            yield session

    @contextmanager
    def write(self) -> Iterator[DatabaseSession]:
        """Open a transaction for the console's own tables, and for functions of pipelines.

        Raises:
            DatabaseUnreachable: no connection; it is unknown whether a commit happened.
            TransientError: a statement took longer than the timeout.
        """
        with transaction(self.settings) as session:
            session.rows("SELECT set_config('statement_timeout', :timeout, true)", timeout=self._timeout)
            yield session
