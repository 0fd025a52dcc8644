"""The publish step: copy a build of gold to PostgreSQL, all tables in one transaction."""

from __future__ import annotations

import logging
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jobs.trakt.datasets import PUBLISH, gold_file, gold_table
from jobs.trakt.gold.build import TABLES, read_build
from shared.lineage.trace import trace
from shared.report import Part, Report, Shares, Table
from shared.report.sections import MERGED
from shared.report.terminal import find_table, print_line, print_table
from shared.settings import StepSettings
from shared.settings.next_command import next_command

if TYPE_CHECKING:
    from rich.console import Console

    from jobs.trakt.gold.build import Build
    from jobs.trakt.gold.publish import Published
    from jobs.trakt.settings import PublishSettings
    from shared.database.session import DatabaseSession
    from shared.ledger import StageRun
    from shared.lineage.trace import Trace
    from shared.report import Section

__all__ = ["run", "show"]

_LOG: Final = logging.getLogger(__name__)
_ROWS: Final = "Published rows"
# Period of the quadrants that the report counts.
_PERIOD: Final = "28d"
_QUADRANTS: Final = (
    Part("phenomenon", "blue-1"),
    Part("broad hit", "blue-2"),
    Part("cult", "violet-2"),
    Part("quiet", "teal-2"),
    Part("borderline", "amber"),
    Part("insufficient", "light-gray"),
)


def run(settings: PublishSettings, stage_run: StageRun) -> Report:
    """Publish a build, without touching unchanged rows, and return the report.

    Repeated or concurrent runs produce the same rows; a build that is published already changes nothing.

    Raises:
        UsageError: the build does not exist, or a newer one is published.
        DataError: a file is damaged, or does not fit its table; nothing was published.
        TransientError: the store or the database does not answer.
        ConfigurationError: access is denied, or the database is not migrated.
    """
    from jobs.trakt.gold.parquet import fetch, further_columns
    from jobs.trakt.gold.publish import columns_of, lock_gold, publish
    from shared.database.migrate import ready
    from shared.database.session import transaction
    from shared.storage import open_store

    began = time.monotonic()
    ready(settings)
    build_again = next_command("trakt model", model=StepSettings, settings=settings)
    store = open_store(settings.bucket, settings)
    with trace(settings, PUBLISH, stage_run) as traced, tempfile.TemporaryDirectory(prefix="telecine-gold-") as folder:
        with transaction(settings) as session:
            # Also while files are read: a vacuum would delete the build.
            lock_gold(session)
            locked = time.monotonic()
            build = read_build(store, settings.build, build_again=build_again)
            files = {table: fetch(store, build, table, Path(folder)) for table in TABLES}
            read = time.monotonic()
            total = sum(build.tables[table].rows for table in TABLES)
            stage_run.progress.start(total, "rows")
            columns = {table: columns_of(session, table) for table in TABLES}
            for table, path in files.items():
                if further := further_columns(path, columns[table]):
                    _LOG.warning("gold.%s lacks columns of its file, which are left out: %s", table, ", ".join(further))
            done = publish(
                session,
                build,
                files,
                run_id=stage_run.run_id,
                replace_newer=settings.replace_newer,
                replace_source=settings.replace_source,
                copied=lambda _, rows: stage_run.progress.advance(rows),
            )
            quadrants = _quadrants(session)
        sizes = {table: path.stat().st_size for table, path in files.items()}
        _name_datasets(traced, build, columns)
    stage_run.progress.finish()
    report = _report(
        settings,
        build,
        done,
        sizes,
        {"wait": locked - began, "read": read - locked, "publish": time.monotonic() - read},
    )
    report.sections[:0] = _charts(done, quadrants)
    return report


def _quadrants(session: DatabaseSession) -> dict[str, dict[str, int]]:
    """Return the titles of the newest day: kind -> quadrant -> number."""
    rows = session.rows(
        "SELECT title_kind, quadrant, count(*) AS titles FROM gold.trakt_quadrants_daily WHERE period = :period"
        " AND as_of = (SELECT max(as_of) FROM gold.trakt_quadrants_daily) GROUP BY 1, 2 ORDER BY 1, 2",
        period=_PERIOD,
    )
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        found.setdefault(row.title_kind, {})[row.quadrant] = row.titles
    return found


def _charts(done: dict[str, Published], quadrants: dict[str, dict[str, int]]) -> list[Section]:
    changes = [
        (f"gold.{table}", [each.inserted, each.updated, each.unchanged, each.removed]) for table, each in done.items()
    ]
    charts: list[Section] = [Shares("Rows by change", "rows", MERGED, changes)]
    if quadrants:
        bars = [
            (f"{kind}s", [counts.get(part.name.replace(" ", "_"), 0) for part in _QUADRANTS])
            for kind, counts in quadrants.items()
        ]
        note = f"For the newest published day, over the {_PERIOD.removesuffix('d')} days that end with it."
        charts.append(Shares("Titles by quadrant", "titles", _QUADRANTS, bars, note))
    return charts


def _name_datasets(traced: Trace, build: Build, columns: dict[str, dict[str, str]]) -> None:
    for table in TABLES:
        rows = build.tables[table].rows
        traced.inputs.append(gold_file(table, columns[table], build_id=build.build_id, rows=rows))
        traced.outputs.append(gold_table(table, columns[table], version=build.build_id, rows=rows))


def _report(
    settings: PublishSettings,
    build: Build,
    done: dict[str, Published],
    sizes: dict[str, int],
    seconds: dict[str, float],
) -> Report:
    counts = {
        name: sum(getattr(each, name) for each in done.values())
        for name in ("inserted", "updated", "unchanged", "removed")
    }
    rows = sum(build.tables[table].rows for table in TABLES)
    changed = counts["inserted"] + counts["updated"] + counts["removed"]
    what = (
        f"{rows:,} rows: {counts['inserted']:,} new, {counts['updated']:,} changed, {counts['removed']:,} removed"
        if changed
        else f"{rows:,} rows, all unchanged"
    )
    return Report(
        headline=f"build {build.build_id} is published: {what}",
        items=rows,
        counts={"rows": rows, **counts},
        bytes={"files": sum(sizes.values())},
        rates={"rows_per_s": rows / max(seconds["publish"], 1e-3)},
        durations=seconds,
        outputs={
            "source": f"{settings.bucket}/gold/{build.build_id}",
            "output_hash": f"{build.bronze_version}-{build.project_hash[:12]}-{build.as_of}",
        },
        sections=[
            Table(
                _ROWS,
                ["table", "rows", "new", "changed", "unchanged", "removed", "replaces"],
                [
                    [
                        f"gold.{table}",
                        build.tables[table].rows,
                        each.inserted,
                        each.updated,
                        each.unchanged,
                        each.removed,
                        "the whole table" if build.tables[table].replaces == "all" else "the days of the file",
                    ]
                    for table, each in done.items()
                ],
                note=f"Bronze version {build.bronze_version}, as of {build.as_of}, from {build.source_system}.",
            ),
        ],
    )


def show(report: Report, console: Console) -> None:
    """Print the rows of each table.

    Args:
        report: report of publish.
        console: the terminal.
    """
    table = find_table(report, _ROWS)
    if table is not None:
        print_table(console, table.columns, table.rows, right={"rows", "new", "changed", "unchanged", "removed"})
    print_line(console, report.headline)
