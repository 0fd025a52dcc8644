"""Publish rows: replace a table's rows in one transaction, leaving equal rows untouched."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from shared.database.connection import engine, translated
from shared.database.migrate import ready
from shared.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from shared.settings.database import DatabaseSettings

__all__ = ["Merged", "content_hash", "merge"]

# Wait this long for another publish of the same table; 200,000 rows took 17 s on two busy cores.
_LOCK_S: Final = 300


@dataclass(frozen=True, slots=True)
class Merged:
    """Number of rows that :func:`merge` inserted, updated, left unchanged and removed."""

    inserted: int
    updated: int
    unchanged: int
    removed: int


def content_hash(row: Mapping[str, Any]) -> str:
    """Return the sha256 of a row's values, independent of their order."""
    text = json.dumps(row, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()


def merge(
    settings: DatabaseSettings,
    table: str,
    rows: Iterable[Mapping[str, Any]],
    *,
    key: str,
    columns: Sequence[str],
    prefix: str,
    run_id: str,
) -> Merged:
    """Replace the rows of ``table`` whose key starts with ``prefix`` by these rows.

    A row with an unchanged content hash is not touched and keeps its ``run_id`` and ``published_at``. Readers see
    either all old rows or all new ones. Merges of one table wait for each other.

    Args:
        settings: where the database is.
        table: schema and name; has ``content_hash``, ``run_id`` and ``published_at`` besides ``columns``.
        rows: column -> value, JSON columns as text; each key at most once.
        key: the primary key's column, of type text.
        columns: all columns to write, including the key.
        prefix: rows with this key prefix that are not in ``rows`` are deleted.
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
            return _merge(connection, table, rows, key=key, columns=columns, prefix=prefix, run_id=run_id)
    except psycopg.errors.UniqueViolation as error:
        raise DataError(
            f"the rows to publish contain a {key} twice: {error.diag.message_detail}", code="key_twice"
        ) from error


def _merge(
    connection: Connection,
    table: str,
    rows: Iterable[Mapping[str, Any]],
    *,
    key: str,
    columns: Sequence[str],
    prefix: str,
    run_id: str,
) -> Merged:
    from sqlalchemy import text

    connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_S}s'"))
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:table, 0))"), {"table": table})
    connection.execute(text(f"CREATE TEMP TABLE incoming (LIKE {table} INCLUDING INDEXES) ON COMMIT DROP"))
    for column in ("run_id", "published_at"):
        connection.execute(text(f"ALTER TABLE incoming DROP COLUMN {column}"))
    names = [*columns, "content_hash"]
    _copy(connection, f"COPY incoming ({', '.join(names)}) FROM STDIN", _lines(rows, columns))
    connection.execute(text("ANALYZE incoming"))
    total = connection.execute(text("SELECT count(*) FROM incoming")).scalar_one()
    removed = connection.execute(
        text(f"""
            DELETE FROM {table} AS there WHERE starts_with(there.{key}, :prefix)
                AND NOT EXISTS (SELECT FROM incoming WHERE incoming.{key} = there.{key})
        """),  # noqa: S608 - names of our own
        {"prefix": prefix},
    ).rowcount
    changes = ", ".join(f"{name} = excluded.{name}" for name in [*names, "run_id", "published_at"] if name != key)
    written = connection.execute(
        text(f"""
            INSERT INTO {table} AS there ({", ".join(names)}, run_id, published_at)
            SELECT {", ".join(names)}, :run_id, now() FROM incoming
            ON CONFLICT ({key}) DO UPDATE SET {changes}
            WHERE there.content_hash IS DISTINCT FROM excluded.content_hash
            RETURNING xmax = 0
        """),  # noqa: S608 - names of our own
        {"run_id": run_id},
    ).scalars()
    fresh = list(written)
    inserted = sum(fresh)
    return Merged(inserted, len(fresh) - inserted, total - len(fresh), removed)


def _copy(connection: Connection, statement: str, lines: Iterable[Sequence[Any]]) -> None:
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        for line in lines:
            copy.write_row(line)


def _lines(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> Iterator[list[Any]]:
    for row in rows:
        yield [*(row[name] for name in columns), content_hash(row)]
