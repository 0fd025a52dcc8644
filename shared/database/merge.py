"""Publish rows: replace those of several tables in one transaction, leaving equal rows untouched."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from shared.database.connection import engine, translated
from shared.database.migrate import ready
from shared.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from shared.settings.database import DatabaseSettings

__all__ = ["Merged", "Merger", "content_hash", "merging"]

# Wait this long for another publish of the same table; 200,000 rows took 17 s on two busy cores.
_LOCK_S: Final = 300


@dataclass(frozen=True, slots=True)
class Merged:
    """Number of rows that a merge inserted, updated, left unchanged and removed."""

    inserted: int
    updated: int
    unchanged: int
    removed: int


def content_hash(row: Mapping[str, Any]) -> str:
    """Return the sha256 of a row's values, independent of their order."""
    document = json.dumps(row, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return sha256(document.encode()).hexdigest()


@contextmanager
def merging(settings: DatabaseSettings, *, prefix: str, run_id: str) -> Iterator[Merger]:
    """Replace rows of several tables in one transaction, which is committed at the end of the block.

    A row with unchanged content is not touched and keeps its ``run_id`` and ``published_at``. Readers see either all
    old rows or all new ones. Merges of one table wait for each other.

    Args:
        settings: where the database is.
        prefix: rows with this key prefix that are not merged are deleted.
        run_id: written to new and changed rows.

    Raises:
        DataError: a key occurs twice.
        TransientError: another merge held the table for five minutes, or the connection was lost.
        ConfigurationError: the role lacks a right.
        DatabaseNotMigrated: run ``telecine db upgrade``.
    """
    import psycopg

    ready(settings)
    try:
        with translated(settings), engine(settings).begin() as connection:
            yield Merger(connection, prefix=prefix, run_id=run_id)
    except psycopg.errors.UniqueViolation as error:
        raise DataError(
            f"the rows to publish contain a key twice: {error.diag.message_detail}", code="key_twice"
        ) from error


class Merger:
    """The transaction of :func:`merging`.

    Tables have ``content_hash``, ``run_id`` and ``published_at`` besides the columns that are written.
    """

    def __init__(self, connection: Connection, *, prefix: str, run_id: str) -> None:
        self._connection = connection
        self._prefix = prefix
        self._run_id = run_id

    def merge(
        self,
        table: str,
        rows: Iterable[Mapping[str, Any]],
        *,
        key: str,
        columns: Sequence[str],
        compared: Sequence[str] = (),
        unhashed: Sequence[str] = (),
    ) -> Merged:
        """Replace the rows of ``table`` whose key starts with the prefix.

        Args:
            table: schema and name.
            rows: column -> value, JSON columns as text; each key at most once.
            key: the primary key's column, of type text.
            columns: all columns to write, including the key.
            compared: columns that are compared by their values: a row with the same hash and another value here has
                changed. They are among ``unhashed``.
            unhashed: columns of which no hash is kept; unless they are compared, those of an unchanged row stay.
        """
        self._begin(table)
        self._stage(table, key)
        hashed = [name for name in columns if name not in unhashed]
        self._copy([*columns, "content_hash"], ([*(row[n] for n in columns), _hash(row, hashed)] for row in rows))
        total = self._scalar("SELECT count(*) FROM incoming")
        removed = self._remove(table, key)
        inserted, updated = self._write(table, key, columns, compared)
        self._execute("DROP TABLE incoming")
        return Merged(inserted, updated, total - inserted - updated, removed)

    def merge_changed(
        self,
        table: str,
        hashes: Iterable[tuple[str, str]],
        rows: Callable[[Collection[str]], Iterable[Mapping[str, Any]]],
        *,
        key: str,
        columns: Sequence[str],
    ) -> Merged:
        """Replace the rows of ``table`` as :meth:`merge`, but ask only for those that have changed.

        Args:
            table: schema and name.
            hashes: key and content hash of every row.
            rows: returns the rows of these keys.
            key: the primary key's column, of type text.
            columns: all columns to write, including the key.
        """
        self._begin(table)
        self._stage(table, key)
        self._execute(
            f"""ALTER TABLE incoming {", ".join(f"ALTER {name} DROP NOT NULL" for name in columns if name != key)}"""
        )
        self._copy([key, "content_hash"], hashes)
        total = self._scalar("SELECT count(*) FROM incoming")
        removed = self._remove(table, key)
        found = self._connection.execute(
            text(f"""
                SELECT incoming.{key} AS key, incoming.content_hash AS hash
                FROM incoming LEFT JOIN {table} AS there USING ({key})
                WHERE there.content_hash IS DISTINCT FROM incoming.content_hash
            """)  # noqa: S608 - names of our own
        )
        changed: dict[str, str] = {row.key: row.hash for row in found}
        self._execute("TRUNCATE incoming")
        lines = ([*(row[name] for name in columns), changed[row[key]]] for row in rows(changed.keys()))
        self._copy([*columns, "content_hash"], lines)
        inserted, updated = self._write(table, key, columns)
        self._execute("DROP TABLE incoming")
        return Merged(inserted, updated, total - inserted - updated, removed)

    def remove_details(self, table: str, *, of: str, key: str) -> int:
        """Delete the rows of ``table`` whose row in the table ``of`` was written in this transaction."""
        return self._connection.execute(
            text(f"""
                DELETE FROM {table} AS there USING {of} AS main WHERE main.{key} = there.{key}
                    AND main.run_id = :run_id AND main.published_at = now()
            """),  # noqa: S608 - names of our own
            {"run_id": self._run_id},
        ).rowcount

    def _begin(self, table: str) -> None:
        self._execute(f"SET LOCAL lock_timeout = '{_LOCK_S}s'")
        self._connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:table, 0))"), {"table": table})

    def _stage(self, table: str, key: str) -> None:
        # Not INCLUDING INDEXES: those of lists would be built for nothing.
        self._execute(f"CREATE TEMP TABLE incoming (LIKE {table}) ON COMMIT DROP")
        self._execute(f"ALTER TABLE incoming DROP COLUMN run_id, DROP COLUMN published_at, ADD PRIMARY KEY ({key})")

    def _copy(self, names: Sequence[str], lines: Iterable[Sequence[Any]]) -> None:
        driver: Any = self._connection.connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(f"COPY incoming ({', '.join(names)}) FROM STDIN") as copy:
            for line in lines:
                copy.write_row(line)
        self._execute("ANALYZE incoming")

    def _remove(self, table: str, key: str) -> int:
        return self._connection.execute(
            text(f"""
                DELETE FROM {table} AS there WHERE starts_with(there.{key}, :prefix)
                    AND NOT EXISTS (SELECT FROM incoming WHERE incoming.{key} = there.{key})
            """),  # noqa: S608 - names of our own
            {"prefix": self._prefix},
        ).rowcount

    def _write(self, table: str, key: str, columns: Sequence[str], compared: Sequence[str] = ()) -> tuple[int, int]:
        """Write the rows of ``incoming``; return the number of new and of changed ones."""
        names = [*columns, "content_hash"]
        changes = ", ".join(f"{name} = excluded.{name}" for name in [*names, "run_id", "published_at"] if name != key)
        differs = " OR ".join(f"there.{name} IS DISTINCT FROM excluded.{name}" for name in ("content_hash", *compared))
        written = self._connection.execute(
            text(f"""
                INSERT INTO {table} AS there ({", ".join(names)}, run_id, published_at)
                SELECT {", ".join(names)}, :run_id, now() FROM incoming
                ON CONFLICT ({key}) DO UPDATE SET {changes} WHERE {differs}
                RETURNING xmax = 0
            """),  # noqa: S608 - names of our own
            {"run_id": self._run_id},
        ).scalars()
        fresh = list(written)
        return sum(fresh), len(fresh) - sum(fresh)

    def _execute(self, statement: str) -> None:
        self._connection.execute(text(statement))

    def _scalar(self, statement: str) -> int:
        return int(self._connection.execute(text(statement)).scalar_one())


def _hash(row: Mapping[str, Any], names: Sequence[str]) -> str:
    return content_hash({name: row[name] for name in names})
