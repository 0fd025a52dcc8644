"""Verify what is stored, from the page ledger to gold; nothing is changed."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from jobs.trakt.audit.bronze import Expected, pages_without_rows, read_rows
from jobs.trakt.audit.gold import check_gold
from jobs.trakt.audit.model import Check
from jobs.trakt.audit.pages import find_loads, read_pages
from jobs.trakt.audit.silver import check_silver
from jobs.trakt.bronze.live_files import snapshot
from jobs.trakt.bronze.place import BronzePlace
from jobs.trakt.bronze.tombstones import erased_users
from shared.database.session import transaction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.trakt.settings import VerifySettings
    from shared.database.session import DatabaseSession
    from shared.progress import Progress
    from shared.settings.database import DatabaseSettings

__all__ = ["verify"]


class _Done(Exception):
    """Raised to roll back a transaction that must not be committed."""


@contextmanager
def _rolled_back(settings: DatabaseSettings) -> Iterator[DatabaseSession]:
    """Run statements on one snapshot of the database; only temporary tables are written, and they vanish."""
    try:
        with transaction(settings) as session:
            session.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            session.run("SET LOCAL idle_in_transaction_session_timeout = 0")
            yield session
            raise _Done  # noqa: TRY301 - the only way to end it without a commit
    except _Done:
        pass


@contextmanager
def _timed(check: Check) -> Iterator[None]:
    began = time.monotonic()
    try:
        yield
    finally:
        check.seconds += time.monotonic() - began


def verify(settings: VerifySettings, progress: Progress) -> list[Check]:
    """Run all checks, and return them in the order of the data.

    The table's lock is held while pages and bronze are compared: a commit in between would look like damage.

    Args:
        settings: the bucket, the database, the folder of builds.
        progress: receives one step per load.

    Raises:
        ConfigurationError: the salt or dbt's environment is missing.
        IntegrityError: the DuckDB file cannot be read.
        TransientError: the store or the database does not answer.
    """
    place = BronzePlace(settings)
    pages, bronze = Check("ledger and page objects"), Check("page objects and bronze")
    silver, gold = Check("bronze and silver"), Check("gold files and tables")
    with place.locked() as session:
        with _timed(pages):
            loads = find_loads(session, place, pages)
        progress.start(len(loads.versions) + 2, "loads")
        with _timed(bronze):
            erased = erased_users(session, settings)
            exact = snapshot(place).erasures == 0
            rows = read_rows(place)
            reported = pages_without_rows(loads, rows, bronze)
            expected = Expected(rows, bronze, exact=exact, reported=reported)
            for _, contents in read_pages(place, loads, erased, pages):
                expected.compare(contents)
                progress.advance()
            expected.finish()
    with _timed(silver):
        check_silver(settings, place, silver)
    progress.advance()
    with _timed(gold), _rolled_back(settings) as session:
        check_gold(session, place.store, gold)
    progress.advance()
    return [pages, bronze, silver, gold]
