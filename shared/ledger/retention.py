"""Deletes what ended long ago: runs with their stages, errors and messages, and attempts to ingest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from shared.database.connection import engine, translated
from shared.database.migrate import ready
from shared.ledger import store

if TYPE_CHECKING:
    from sqlalchemy import TextClause

    from shared.settings.database import DatabaseSettings

__all__ = ["delete_attempts", "delete_runs"]

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
# What became of each key stays in ingest_items: these are only how it came to that.
_COUNT_ATTEMPTS: Final = text("""
    SELECT count(*) FROM screenalytics.ingest_attempts WHERE at < clock_timestamp() - make_interval(days => :days)
""")
_DELETE_ATTEMPTS: Final = text("""
    DELETE FROM screenalytics.ingest_attempts WHERE id = ANY (ARRAY(
        SELECT id FROM screenalytics.ingest_attempts WHERE at < clock_timestamp() - make_interval(days => :days)
        ORDER BY at LIMIT :most FOR UPDATE SKIP LOCKED))
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
        return _delete(settings, _DELETE, days)


def delete_attempts(settings: DatabaseSettings, days: int, *, dry_run: bool = False) -> int:
    """Delete attempts to ingest a Screenalytics run that are older than ``days``. Return how many.

    Args:
        settings: where the database is.
        days: of 24 hours, by the database's clock.
        dry_run: only count.

    Raises:
        DatabaseUnreachable: no connection; what was deleted before stays so.
    """
    known = ready(settings)
    with translated(settings):
        if dry_run:
            with known.begin() as connection:
                return int(connection.execute(_COUNT_ATTEMPTS, {"days": days}).scalar_one())
        return _delete(settings, _DELETE_ATTEMPTS, days)


def _delete(settings: DatabaseSettings, statement: TextClause, days: int) -> int:
    deleted = 0
    while True:
        with engine(settings).begin() as connection:
            gone = connection.execute(statement, {"days": days, "most": _AT_ONCE}).rowcount
        deleted += gone
        if not gone:
            return deleted
