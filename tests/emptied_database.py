"""A migrated database that tests use one after another: emptied, instead of made and dropped for each.

    from tests.emptied_database import database  # instead of the one in tests.postgres_server
    from tests.postgres_server import postgres

For tests that write rows. One that changes the schema may use it, too: the next test then gets another database.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.postgres_server import at_end, made_database

if TYPE_CHECKING:
    from tests.postgres_server import Database

__all__ = ["database"]

_OURS = "nspname !~ '^pg_' AND nspname <> 'information_schema'"
# Of tables not their row in pg_class as a whole, which TRUNCATE and ANALYZE write. Ids from 16384 are not PostgreSQL's.
_SCHEMA = f"""
SELECT (SELECT md5(string_agg(concat_ws(' ', it.oid, relname, relkind, relnatts, relchecks, relacl, relowner), ','
        ORDER BY it.oid)) FROM pg_class it JOIN pg_namespace room ON room.oid = relnamespace WHERE {_OURS}),
    (SELECT string_agg(concat_ws(' ', nspname, nspacl), ',' ORDER BY oid) FROM pg_namespace WHERE {_OURS}),
    (SELECT string_agg(setconfig::text, ',') FROM pg_db_role_setting),
    (SELECT count(*) FROM pg_roles),
    (SELECT sum(xmin::text::bigint) FROM pg_attribute WHERE attrelid >= 16384),
    (SELECT sum(xmin::text::bigint) FROM pg_proc WHERE oid >= 16384),
    (SELECT sum(xmin::text::bigint) FROM pg_rewrite WHERE oid >= 16384),
    (SELECT sum(xmin::text::bigint) FROM pg_constraint WHERE oid >= 16384),
    (SELECT sum(xmin::text::bigint) FROM pg_trigger WHERE oid >= 16384)
"""
_TABLES = f"""
SELECT format('%I.%I', nspname, relname) FROM pg_class JOIN pg_namespace room ON room.oid = relnamespace
WHERE relkind IN ('r', 'p') AND {_OURS} ORDER BY 1
"""
# What a test left in a transaction would hold the locks of its tables.
_END_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'
"""


class _Emptied:
    """A database, and what it was like when it was made."""

    def __init__(self, server: str) -> None:
        self._stack = ExitStack()
        at_end(self.drop)
        self.database = self._stack.enter_context(made_database(server))
        tables = [name for (name,) in self.database.rows(_TABLES)]
        self._filled = [name for name in tables if self._rows(name)]
        empty = [name for name in tables if name not in self._filled]
        # The names of those that have rows, in one statement.
        self._written = " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in empty)
        self._as_made = self._state()

    def _rows(self, table: str) -> list[tuple[Any, ...]]:
        return self.database.rows(f"SELECT row::text FROM {table} AS row ORDER BY 1")

    def _state(self) -> list[Any]:
        return [self.database.rows(_SCHEMA), *map(self._rows, self._filled)]

    def empty(self) -> bool:
        """Delete all rows that tests wrote; return whether the database is as it was made."""
        self.database.rows(_END_OTHERS)
        if self.database.rows(_SCHEMA) != self._as_made[0]:
            return False
        if written := [name for (name,) in self.database.rows(self._written)]:
            self.database.rows(f"TRUNCATE {', '.join(written)} RESTART IDENTITY CASCADE")
        return self._state() == self._as_made

    def drop(self) -> None:
        self._stack.close()


_by_server: dict[str, _Emptied] = {}


@pytest.fixture
def database(postgres: str) -> Database:
    """A migrated database of environment dev without rows."""
    kept = _by_server.get(postgres)
    if kept is not None and not kept.empty():
        del _by_server[postgres]
        kept.drop()
        kept = None
    if kept is None:
        kept = _by_server[postgres] = _Emptied(postgres)
    return kept.database
