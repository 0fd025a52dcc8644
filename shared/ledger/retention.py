"""Deletes runs that ended long ago, with their stages, errors and messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from shared.database.connection import engine, translated
from shared.database.migrate import ready
from shared.ledger import store

if TYPE_CHECKING:
    from shared.database.settings import DatabaseSettings

__all__ = ["delete_runs"]

# A statement holds its rows' locks while it works: some tens of milliseconds for so many.
_AT_ONCE: Final = 500

_COUNT: Final = text("""
    SELECT count(*) FROM pipeline.runs WHERE finished_at < clock_timestamp() - make_interval(days => :days)
""")
_DELETE: Final = text("""
    DELETE FROM pipeline.runs WHERE run_id = ANY (ARRAY(
        SELECT run_id FROM pipeline.runs WHERE finished_at < clock_timestamp() - make_interval(days => :days)
        ORDER BY run_id LIMIT :most FOR UPDATE SKIP LOCKED))
""")


def delete_runs(settings: DatabaseSettings, days: int, *, dry_run: bool = False) -> int:
    """Delete runs that ended more than ``days`` ago; those without a heartbeat end on the way. Return how many.

    Args:
        settings: where the database is.
        days: of 24 hours, by the database's clock.
        dry_run: only count.

    Raises:
        DatabaseUnreachable: no connection; what was deleted before stays so.
    """
    known = ready(settings)
    with translated(settings):
        with known.begin() as connection:
            if dry_run:
                return int(connection.execute(_COUNT, {"days": days}).scalar_one())
            store.sweep(connection)
        deleted = 0
        while True:
            with engine(settings).begin() as connection:
                gone = connection.execute(_DELETE, {"days": days, "most": _AT_ONCE}).rowcount
            deleted += gone
            if not gone:
                return deleted
