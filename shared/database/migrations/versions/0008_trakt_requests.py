"""Requests to the Trakt API that are reserved, so that all processes with one key keep to one quota."""

from __future__ import annotations

from alembic import op

from shared.database.foreign import refuse_foreign

revision = "0008"
down_revision = "0007"

TABLES: tuple[str, ...] = ()


def upgrade() -> None:
    refuse_foreign(op.get_bind(), "trakt", TABLES)
    op.execute("CREATE SCHEMA IF NOT EXISTS trakt")
