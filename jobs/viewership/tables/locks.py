"""Transactions of the phases, which wait only a limited time for locks.

Each takes those that it needs in this order: the catalogue's, months of platforms, rows of uploads, keys of a
platform, matches and final rows of platforms.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from shared.database.session import transaction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.database.session import DatabaseSession
    from shared.settings.database import DatabaseSettings

__all__ = ["limit_waits", "phase_transaction"]

# A phase of a large upload holds its locks for minutes, and a step has an hour. Otherwise, a transaction left open at a
# console would stop all loads until the step's deadline, without an error that names the lock.
_LOCK_TIMEOUT: Final = "15min"


def limit_waits(session: DatabaseSession, limit: str | None = None) -> None:
    """Set the lock timeout of a transaction: statements that wait longer for a lock fail.

    Args:
        session: the transaction.
        limit: timeout with its unit, such as ``10s``; None for that of a phase, 15 minutes.
    """
    session.run(f"SET LOCAL lock_timeout = '{limit or _LOCK_TIMEOUT}'")


@contextmanager
def phase_transaction(settings: DatabaseSettings) -> Iterator[DatabaseSession]:
    """Run one transaction of a phase, which fails if it waits for a lock for more than 15 minutes.

    Args:
        settings: where the database is.

    Raises:
        TransientError: a lock was not free in time, or as for :func:`shared.database.session.transaction`.
    """
    with transaction(settings) as session:
        limit_waits(session)
        yield session
