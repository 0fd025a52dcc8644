"""Transactions for pipelines: SQL as text, typed errors, one retry rule (only this room uses SQLAlchemy)."""

from __future__ import annotations

import logging
import random
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from shared.database.connection import engine, hide_rows, is_global, translated
from shared.errors import TelecineError, TransientError
from shared.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sqlalchemy import Connection

    from shared.settings.database import DatabaseSettings

__all__ = ["DatabaseSession", "retry", "retry_session", "transaction"]

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")


class DatabaseSession:
    """One transaction, from :func:`transaction` or :func:`retry_session`; not thread-safe."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def rows(self, statement: str, /, **values: Any) -> list[Any]:
        """Return the rows of a statement, as named tuples.

        Args:
            statement: SQL with ``:name`` for values, ``CAST(:name AS uuid)`` if PostgreSQL cannot infer their type.
            values: by name; lists become arrays; dictionaries and lists for jsonb are passed as JSON text.
        """
        from sqlalchemy import text

        with _logged(statement) as done:
            found = list(self._connection.execute(text(statement), values))
            done.append(len(found))
        return found

    def run(self, statement: str, /, **values: Any) -> int:
        """Run a statement and return the number of affected rows."""
        from sqlalchemy import text

        with _logged(statement) as done:
            count = int(self._connection.execute(text(statement), values).rowcount)
            done.append(count)
        return count

    def lock(self, name: str) -> None:
        """Acquire the advisory lock with this name, waiting if needed; the end of the transaction releases it."""
        self.rows("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))", name=name)

    def copy(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
        """Write rows with COPY and return their number.

        Args:
            table: schema and name.
            columns: in the order of each row's values.
            rows: values that psycopg accepts; lists become arrays.
        """
        driver: Any = self._connection.connection.driver_connection
        count = 0
        statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
        with _logged(statement) as done:
            with driver.cursor() as cursor, cursor.copy(statement) as copy:
                for row in rows:
                    copy.write_row(row)
                    count += 1
            done.append(count)
        return count

    def copy_bytes(self, table: str, columns: Sequence[str], blocks: Iterable[bytes], *, form: str = "csv") -> int:
        """Write encoded rows with COPY and return their number.

        Args:
            table: schema and name.
            columns: in the order of each row's values.
            blocks: bytes in this form, cut anywhere. In CSV, an empty field is null and ``""`` an empty text.
            form: ``csv``, ``text`` or ``binary``.
        """
        driver: Any = self._connection.connection.driver_connection
        statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT {form})"
        with _logged(statement) as done, driver.cursor() as cursor:
            with cursor.copy(statement) as copy:
                for block in blocks:
                    copy.write(block)
            done.append(int(cursor.rowcount))
            return done[0]

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Run statements that are undone alone when they fail; the transaction continues either way.

        Raises:
            TelecineError: code ``statement_failed``: PostgreSQL refused a statement for a reason that is neither the
                connection, contention, rights nor a missing table; those errors end the transaction. Data:
                ``sqlstate``, and ``said``, PostgreSQL's message alone.
        """
        import psycopg
        from sqlalchemy.exc import DBAPIError

        try:
            with self._connection.begin_nested():
                yield
        except (DBAPIError, psycopg.Error) as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            hide_rows(error)
            state = getattr(cause, "sqlstate", None)
            if state is None or is_global(state):
                raise
            first = clean_text(" ".join(str(cause).split()), 300)
            diagnosis = getattr(cause, "diag", None)
            said = clean_text(getattr(diagnosis, "message_primary", None) or first, 1000)
            raise TelecineError(
                f"a statement failed: {first}", code="statement_failed", sqlstate=state, said=said
            ) from error


@contextmanager
def _logged(statement: str) -> Iterator[list[int]]:
    """Log a statement with its rows and milliseconds at level DEBUG, but never its values."""
    done: list[int] = []
    if not _LOG.isEnabledFor(logging.DEBUG):
        yield done
        return
    began = time.monotonic()
    outcome = "failed"
    try:
        yield done
        outcome = f"{done[0]:,} rows"
    finally:
        _LOG.debug("%s: %s, %.1f ms", " ".join(statement.split()), outcome, 1000 * (time.monotonic() - began))


@contextmanager
def transaction(settings: DatabaseSettings) -> Iterator[DatabaseSession]:
    """Run one transaction, committed at the end and rolled back by any exception.

    Args:
        settings: where the database is.

    Raises:
        DatabaseUnreachable: the connection failed or was lost; it is then unknown whether the commit happened.
        TransientError: a deadlock, a lock timeout, a full disk.
        DatabaseNotMigrated: a table is missing.
        ConfigurationError: missing rights, a refused connection.
    """
    with translated(settings), engine(settings).begin() as connection:
        yield DatabaseSession(connection)


def retry(settings: DatabaseSettings, operation: Callable[[Connection], _T], seconds: float, *, waiting: str) -> _T:
    """Run one transaction, repeating it after transient errors until ``seconds`` have passed.

    The operation must produce the same rows when it runs twice, since the response to its commit may have been lost.

    Args:
        settings: where the database is.
        operation: receives the connection.
        seconds: 0 means a single attempt.
        waiting: who waits, for the log.
    """
    deadline = time.monotonic() + seconds
    pause = 0.25
    while True:
        try:
            with translated(settings), engine(settings).begin() as connection:
                return operation(connection)
        except TransientError as error:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise
            _LOG.warning("%s waits: %s", waiting, error)
            time.sleep(min(random.uniform(0, pause), remaining))  # noqa: S311 - jitter
            pause = min(2 * pause, 5.0)


def retry_session(
    settings: DatabaseSettings, operation: Callable[[DatabaseSession], _T], seconds: float, *, waiting: str
) -> _T:
    """Run one transaction like :func:`retry`; the operation receives a session.

    Args:
        settings: where the database is.
        operation: produces the same rows when it runs twice.
        seconds: 0 means a single attempt.
        waiting: who waits, for the log.
    """
    return retry(settings, lambda connection: operation(DatabaseSession(connection)), seconds, waiting=waiting)
