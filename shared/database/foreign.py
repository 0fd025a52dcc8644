"""Detect tables that another program created under one of our names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

__all__ = ["refuse_foreign"]


def refuse_foreign(connection: Connection, schema: str, names: Sequence[str], *, fix: str | None = None) -> None:
    """Stop a migration if another program has already created some of its tables.

    Args:
        connection: the migration's connection.
        schema: the schema to look in; names in other schemas are ignored.
        names: the tables and views to be created, as schema and name.
        fix: statement that renames the existing ones; by default it renames the schema, which has none of ours yet.

    Raises:
        ConfigurationError: code ``schema_foreign``; the message lists what exists and how to proceed.
    """
    from sqlalchemy import text

    bare = [name.removeprefix(f"{schema}.") for name in names if name.startswith(f"{schema}.")]
    found = connection.execute(
        text(
            "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(:schema) AND relname = ANY (:names)"
            " AND relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY array_position(CAST(:names AS text[]), relname::text)"
        ),
        {"schema": schema, "names": bare},
    ).scalars()
    there = ", ".join(f"{schema}.{name}" for name in found)
    if there:
        raise ConfigurationError(
            f"the database contains {there}, which this telecine did not create and will not touch. Nothing was"
            " changed. Give telecine a separate database (TELECINE_DATABASE_URL), or rename what exists, for example:"
            f" {fix or f'ALTER SCHEMA {schema} RENAME TO {schema}_producer'}",
            code="schema_foreign",
            schema=schema,
        )
