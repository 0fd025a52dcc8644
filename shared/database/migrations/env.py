"""Alembic's entry point: `shared.database.migrate` passes a connection whose transaction holds the upgrade lock."""

from __future__ import annotations

from alembic import context

from shared.database._schema import SCHEMA, VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    version_table=VERSION_TABLE,
    version_table_schema=SCHEMA,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
