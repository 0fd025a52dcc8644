"""Commit a load: all rows of its page objects in one version of the table, at most once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.trakt.bronze.report import DeadLetter, LoadReport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from jobs.trakt.bronze.place import BronzePlace

__all__ = ["DeadLetter", "LoadReport", "commit_load"]


def commit_load(
    place: BronzePlace,
    load_id: str,
    *,
    page_keys: Iterable[str] | None = None,
    take: Callable[[Sequence[DeadLetter]], None] | None = None,
) -> LoadReport:
    """Commit the rows of a load's page objects, unless the table has the load already.

    Args:
        place: the bucket.
        load_id: the load; the same id is committed at most once.
        page_keys: its page objects; None takes all that the bucket has.
        take: receives items that were not accepted, page by page; None collects them in the report. They are the same
            again when a committed load is passed: a caller that was killed before it stored them gets them again.

    Raises:
        DataError: the id cannot be part of a key.
        ConfigurationError: there are erased users, and the salt is missing or differs.
        TransientError: the store or the database failed, or another writer ignores the lock; pass the load again.
    """
    raise NotImplementedError
