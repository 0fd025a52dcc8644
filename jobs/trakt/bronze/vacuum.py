"""Vacuum: delete files that the table no longer uses, and files that were never committed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.trakt.bronze.compaction import CompactionReport, compact
from jobs.trakt.bronze.table import delta_errors, open_table
from jobs.trakt.settings.bronze import MIN_RETENTION_DAYS

if TYPE_CHECKING:
    from jobs.trakt.bronze.place import BronzePlace

__all__ = ["VacuumReport", "vacuum_table"]

_HOURS = 24


@dataclass(frozen=True, slots=True)
class VacuumReport:
    """The result of a vacuum.

    Attributes:
        compaction: the compaction of the live files.
        deleted: number of deleted files; in a dry run, of files that would be deleted.
    """

    compaction: CompactionReport
    deleted: int


def vacuum_table(place: BronzePlace, retention_days: int, *, dry_run: bool = False) -> VacuumReport:
    """Compact the table, and delete files that no version of the last days needs.

    Holds the lock of the commits, so a file that is written but not yet committed is never taken for a leftover.

    Args:
        place: the table.
        retention_days: days to keep files that newer versions lack, at least 7.
        dry_run: only report.

    Raises:
        ValueError: the retention is below 7 days, which is a bug in the caller.
        TransientError: the store or the database failed.
    """
    if retention_days < MIN_RETENTION_DAYS:
        raise ValueError(f"retention of {retention_days} days; expected at least {MIN_RETENTION_DAYS}")
    with place.locked():
        compaction = compact(place, dry_run=dry_run)
        table = open_table(place)
        if table is None:
            return VacuumReport(compaction, 0)
        with delta_errors(place, "vacuum"):
            deleted = table.vacuum(retention_days * _HOURS, dry_run=dry_run, full=True)
            if not dry_run:
                table.update_incremental()
                table.create_checkpoint()
                table.cleanup_metadata()
        return VacuumReport(compaction, len(deleted))
