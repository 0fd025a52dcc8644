"""The vacuum step: compact the bronze table, delete files that it no longer needs, and old builds of gold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jobs.trakt.bronze.live_files import snapshot
from jobs.trakt.bronze.place import BronzePlace
from jobs.trakt.bronze.vacuum import vacuum_table
from jobs.trakt.gold.vacuum import vacuum_builds
from shared.database.session import transaction
from shared.report import Amounts, Part, Report, Shares, Table
from shared.report.terminal import counted, find_table, print_line, print_table

if TYPE_CHECKING:
    from rich.console import Console

    from jobs.trakt.bronze.vacuum import VacuumReport
    from jobs.trakt.gold.vacuum import StoredBuild
    from jobs.trakt.settings.bronze import TraktVacuumSettings
    from shared.step.contract import UnrecordedRun

__all__ = ["run", "show"]

_BUILDS: Final = "Builds of gold"


def run(settings: TraktVacuumSettings, _: UnrecordedRun) -> Report:
    """Compact and vacuum the table, delete old builds, and return the report.

    Args:
        settings: the bucket and the retention.

    Raises:
        ConfigurationError: the database is not migrated.
        TransientError: the store or the database failed.
    """
    place = BronzePlace(settings)
    found = vacuum_table(place, settings.retention_days, dry_run=settings.dry_run)
    with transaction(settings) as session:
        builds = vacuum_builds(
            session,
            place.store,
            retention_days=settings.retention_days,
            erasures=snapshot(place).erasures,
            dry_run=settings.dry_run,
        )
    return _report(settings, found, builds)


def _report(settings: TraktVacuumSettings, found: VacuumReport, builds: list[StoredBuild]) -> Report:
    old = [build for build in builds if build.is_deleted]
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
        f"{counted(found.deleted, 'file', 'files')} unused for {settings.retention_days} days {verb}; "
        f"{len(old):,} of {counted(len(builds), 'build', 'builds')} of gold "
        f"({sum(build.size for build in old) / 1e6:,.1f} MB) {verb}",
        items=made.files_before,
        counts={
            "files_before": made.files_before,
            "files_after": made.files_after,
            "deleted": found.deleted,
            "builds": len(builds),
            "builds_deleted": len(old),
        },
        bytes={
            "before": made.bytes_before,
            "after": made.bytes_after,
            "builds_deleted": sum(build.size for build in old),
        },
        durations={"read_p95_before": made.p95_before_s, "read_p95_after": made.p95_after_s},
        sections=[
            Amounts(
                "Files of the bronze table",
                "files",
                [Part("files", "blue-2")],
                [("before compaction", [made.files_before]), ("after it", [made.files_after])],
            ),
            Amounts(
                "Size of the bronze table",
                "MB",
                [Part("MB", "blue-2")],
                [("before compaction", [made.bytes_before / 1e6]), ("after it", [made.bytes_after / 1e6])],
            ),
            *(
                [
                    Shares(
                        "Size of the builds of gold",
                        "kB",
                        [Part("kept", "teal-2"), Part(verb, "red")],
                        [("all builds", _sizes(builds))],
                    )
                ]
                if builds
                else []
            ),
            Table(
                _BUILDS,
                ["build", "last change", "kB", "result", "reason"],
                [
                    [
                        build.build_id,
                        f"{build.modified:%Y-%m-%d %H:%M} UTC",
                        round(build.size / 1e3, 1),
                        verb if build.is_deleted else "kept",
                        build.reason,
                    ]
                    for build in builds
                ],
                note="Published: by this database. A build that another database has published is not known here.",
            ),
        ],
    )


def _sizes(builds: list[StoredBuild]) -> list[float]:
    """Return the kB of builds that are kept, and of those that are deleted."""
    return [sum(build.size for build in builds if build.is_deleted is deleted) / 1e3 for deleted in (False, True)]


def show(report: Report, console: Console) -> None:
    """Print the builds of gold, and the headline.

    Args:
        report: report of vacuum.
        console: the terminal.
    """
    table = find_table(report, _BUILDS)
    if table is not None and table.rows:
        print_table(console, table.columns, table.rows, right={"kB"})
    print_line(console, report.headline)
