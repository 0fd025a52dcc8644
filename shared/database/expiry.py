"""Delete old database rows, from the tables that the migrations declare as expiring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from shared.database._schema import declared
from shared.database.connection import translated
from shared.database.migrate import ready

if TYPE_CHECKING:
    from shared.database._schema import Expiring
    from shared.settings.database import DatabaseSettings

__all__ = ["delete_old_rows", "expiring_tables"]

# A statement locks its rows until it ends: tens of milliseconds for 500.
_BATCH: Final = 500


def expiring_tables() -> tuple[Expiring, ...]:
    """Return the tables whose old rows are deleted, in the order of their migrations."""
    return declared().expiring


def delete_old_rows(settings: DatabaseSettings, table: Expiring, days: int, *, dry_run: bool = False) -> int:
    """Delete the rows of a table that are older than ``days`` and return their number.

    Args:
        settings: where the database is.
        table: declares the column with a row's age.
        days: days of 24 hours, by the database's clock.
        dry_run: only count.

    Raises:
        DatabaseUnreachable: the connection failed; rows deleted before that stay deleted.
    """
    engine = ready(settings)
    old = f"FROM {table.table} WHERE {table.time} < clock_timestamp() - make_interval(days => :days)"
    count = text(f"SELECT count(*) {old}")
    delete = text(
        f"DELETE FROM {table.table} WHERE {table.key} = ANY (ARRAY("  # noqa: S608 - names from our migrations
        f"SELECT {table.key} {old} ORDER BY {table.time} LIMIT {_BATCH} FOR UPDATE SKIP LOCKED))"
    )
    deleted = 0
    with translated(settings):
        if dry_run:
            with engine.connect() as connection:
                return int(connection.execute(count, {"days": days}).scalar_one())
        while True:
            with engine.begin() as connection:
                batch = connection.execute(delete, {"days": days}).rowcount
            deleted += batch
            if not batch:
                return deleted
