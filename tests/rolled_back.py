"""A database whose changes are rolled back after each test: no copy of it, and a session that has planned all before.

    from tests.rolled_back import database  # instead of the one in tests.postgres_server
    with rolled_back(filled) as same: ...  # for a database with rows

All that this process does runs on one connection, in one transaction: a transaction of the product is a savepoint of
it. A copy, its drop and its new sessions take 0.15 s of processor time, and a session's first statements more than
later ones, since it must read the catalogue of each table and view.

Mark as `committed`, and so give a database of their own: tests of processes, of threads that use the database at once,
of what two connections see of each other, of constraints that are checked at a commit, and of a step that ends its
transaction with ROLLBACK. `now()` is the same within a test.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import QueuePool, create_engine, event

from shared.database import connection as product
from tests.postgres_server import Database, at_end, made_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

__all__ = ["RolledBack", "database", "rolled_back", "scratch"]

_sessions: dict[str, _Session] = {}
_blank: dict[str, Database] = {}

# A number that a sequence gave is not taken back.
_SEQUENCES = """
SELECT coalesce(string_agg(format('SELECT setval(%L, %s, %L)', format('%I.%I', schemaname, sequencename),
    coalesce(last_value, start_value), last_value IS NOT NULL), '; '), 'SELECT') FROM pg_sequences
"""


class RolledBack(Database):
    """A database on which tests and product use one connection."""

    def connect(self, **values: Any) -> Any:
        assert not values, f"there is one connection only; expected no {sorted(values)}"
        return _Lent(_sessions[self.url].connection)

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        session = _sessions[self.url].connection
        with session.transaction():
            cursor = session.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def close(self) -> None:
        raise AssertionError("a database that is rolled back cannot be a template; use tests.postgres_server")


class _Lent:
    """The connection for a `with` block, which would close it."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def __enter__(self) -> psycopg.Connection[Any]:
        return self._connection

    def __exit__(self, *_: object) -> None:
        pass


def _keep_level(_: object, __: object, statement: str, parameters: Any, *___: object) -> tuple[str, Any]:
    """Leave out the isolation level, which a savepoint cannot have: nothing else writes meanwhile."""
    return ("SELECT" if statement.startswith("SET TRANSACTION ISOLATION LEVEL") else statement), parameters


class _Session:
    """The one connection to a database, and an engine whose transactions are savepoints of it."""

    def __init__(self, database: Database) -> None:
        self.connection = database.connect(prepare_threshold=None)
        self._depth = 0
        [[self._numbers]] = self.connection.execute(_SEQUENCES).fetchall()
        self.engine: Engine = create_engine(
            "postgresql+psycopg://",
            creator=lambda: self.connection,
            hide_parameters=True,
            poolclass=QueuePool,
            pool_size=1,
            max_overflow=0,
            pool_timeout=0.5,
            pool_reset_on_return=None,
        )
        dialect: Any = self.engine.dialect
        dialect.do_begin = self._begin
        dialect.do_commit = self._commit
        dialect.do_rollback = self._rollback
        dialect.do_close = dialect.do_terminate = lambda _: None
        event.listen(self.engine, "handle_error", product._hide_rows_of)
        event.listen(self.engine, "before_cursor_execute", _keep_level, retval=True)

    def _begin(self, _: object) -> None:
        self._depth += 1
        self.connection.execute(f"SAVEPOINT at_{self._depth}".encode())

    def _commit(self, _: object) -> None:
        # Temporary tables end with the product's transaction, and none of ours is older.
        self.connection.execute(f"DISCARD TEMP; RELEASE SAVEPOINT at_{self._depth}".encode())
        self._depth -= 1

    def _rollback(self, _: object) -> None:
        # SQLAlchemy also rolls back what it did to get to know the server.
        if self._depth:
            name = f"at_{self._depth}"
            self.connection.execute(f"ROLLBACK TO SAVEPOINT {name}; RELEASE SAVEPOINT {name}".encode())
            self._depth -= 1

    def begin(self) -> None:
        self._depth = 0
        self.connection.execute("BEGIN")

    def end(self) -> None:
        self.connection.execute(f"ROLLBACK; RESET ALL; {self._numbers}".encode())


def _closed(url: str) -> None:
    if session := _sessions.pop(url, None):
        session.connection.close()


def _begun(database: Database) -> _Session:
    if session := _sessions.get(database.url):
        try:
            session.begin()
        except psycopg.OperationalError:
            # Ended for a copy of the database.
            _closed(database.url)
        else:
            return session
    database.close()
    session = _sessions[database.url] = _Session(database)
    at_end(lambda: _closed(database.url))
    session.begin()
    return session


@contextmanager
def rolled_back(database: Database) -> Iterator[RolledBack]:
    """Undo at the end of the block all that was done to a database in it, its schema included."""
    session = _begun(database)
    made = product._create

    def create(url: str, pooled: bool) -> Engine:
        return session.engine if url.endswith(f"/{database.name}") or f"/{database.name}?" in url else made(url, pooled)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(product, "_create", create)
        patch.setattr(product, "_engines", {})
        try:
            yield RolledBack(database.name, database.url)
        finally:
            session.end()


@contextmanager
def scratch(request: pytest.FixtureRequest, filled: Database) -> Iterator[Database]:
    """A database whose changes are rolled back, or a copy of it for a test marked `committed`."""
    is_committed = request.node.get_closest_marker("committed") is not None
    opened = made_database(request.getfixturevalue("postgres"), filled) if is_committed else rolled_back(filled)
    with opened as made:
        yield made


@pytest.fixture
def database(request: pytest.FixtureRequest, postgres: str) -> Iterator[Database]:
    """A migrated database of environment dev without rows."""
    if postgres not in _blank:
        stack = ExitStack()
        at_end(lambda: _drop(postgres, stack))
        _blank[postgres] = stack.enter_context(made_database(postgres))
    with scratch(request, _blank[postgres]) as made:
        yield made


def _drop(server: str, stack: ExitStack) -> None:
    del _blank[server]
    stack.close()
