"""Tables that somebody else made under a name of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

__all__ = ["refuse_foreign"]


def refuse_foreign(connection: Connection, schema: str, names: Sequence[str]) -> None:
    """Stop a migration that is about to make tables, where somebody else has made some of these.

    Args:
        connection: of the migration.
        schema: the schema to look in; names in other schemas are ignored.
        names: of the tables and views to be created, as schema and name.

    Raises:
        ConfigurationError: code ``schema_foreign``; the message names what is there and the ways out.
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
            f"the database has {there}, which this telecine did not make and will not touch. Nothing was changed. Give"
            " telecine a database of its own (TELECINE_DATABASE_URL), or rename what is there, such as: ALTER SCHEMA"
            f" {schema} RENAME TO {schema}_producer",
            code="schema_foreign",
            schema=schema,
        )
