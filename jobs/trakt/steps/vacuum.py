"""The vacuum step: compact the bronze table, and delete files that it no longer needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.trakt.bronze.place import BronzePlace
from jobs.trakt.bronze.vacuum import vacuum_table
from shared.report import Report
from shared.report.terminal import counted

if TYPE_CHECKING:
    from jobs.trakt.settings.bronze import TraktVacuumSettings
    from shared.step.contract import UnrecordedRun

__all__ = ["run"]


def run(settings: TraktVacuumSettings, _: UnrecordedRun) -> Report:
    """Compact and vacuum the table, and return the report.

    Args:
        settings: the bucket and the retention.

    Raises:
        TransientError: the store or the database failed.
    """
    found = vacuum_table(BronzePlace(settings), settings.retention_days, dry_run=settings.dry_run)
    made = found.compaction
    verb = "would be deleted" if settings.dry_run else "deleted"
    reads = (
        f"; reading all ids takes {1000 * made.p95_before_s:,.1f} ms (p95 of {counted(made.reads, 'read', 'reads')})"
        f" before and {1000 * made.p95_after_s:,.1f} ms after"
        if made.reads
        else ""
    )
    return Report(
        headline=f"{counted(made.files_before, 'file', 'files')} ({made.bytes_before / 1e6:,.1f} MB) in use before, "
        f"{made.files_after:,} ({made.bytes_after / 1e6:,.1f} MB) after compaction{reads}; "
        f"{counted(found.deleted, 'file', 'files')} unused for {settings.retention_days} days {verb}",
        items=made.files_before,
        counts={"files_before": made.files_before, "files_after": made.files_after, "deleted": found.deleted},
        bytes={"before": made.bytes_before, "after": made.bytes_after},
        durations={"read_p95_before": made.p95_before_s, "read_p95_after": made.p95_after_s},
    )
