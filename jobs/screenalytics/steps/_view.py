"""Print screenalytics' reports on a terminal: failures and persons, findings of verify, and the sample set."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from jobs.screenalytics.steps.verify import FINDINGS
from jobs.screenalytics.steps.write_manifest import MANIFEST, MANIFESTS
from jobs.screenalytics.tables.persons import PERSONS
from shared.report.sections import Text
from shared.report.terminal import counted, find_table, print_line, print_rest, print_sample, print_table

if TYPE_CHECKING:
    from rich.console import Console

    from shared.report import Report, Table

__all__ = ["show", "show_manifests", "show_sample", "show_verify"]

_NUMBERS: Final = frozenset({"on screen", "speaking", "confessional", "confidence", "persons", "artifacts"})


def show(report: Report, console: Console) -> None:
    """Print failed runs, the persons seen most, and the counts.

    Args:
        report: report of ingest or replay.
        console: the terminal.
    """
    if report.failures:
        rows = [[each.item, each.code, each.message] for each in report.failures]
        print_table(console, ["not ingested", "code", "why"], rows)
        _print_rest(console, report, len(report.failures) + report.failures_truncated)
    table = find_table(report, PERSONS)
    if table is not None:
        columns, rows = _dense(table, without="run")
        # Show the name of an episode only in its first row.
        for row, before in zip(rows[:0:-1], rows[-2::-1], strict=True):
            row[0] = "" if row[0] == before[0] else row[0]
        print_table(console, columns, rows, right=_NUMBERS)
    if report.headline:
        print_line(console, report.headline)


def show_verify(report: Report, console: Console) -> None:
    """Print the findings and the counts.

    Args:
        report: report of verify.
        console: the terminal.
    """
    table = find_table(report, FINDINGS)
    if table is not None:
        print_table(console, *_dense(table), right=_NUMBERS)
        _print_rest(console, report, sum(report.rejects.values()))
    print_line(console, report.headline)


def show_manifests(report: Report, console: Console) -> None:
    """Print the manifests of a dry run, what was written of each run, and the counts.

    Args:
        report: report of write-manifest.
        console: the terminal.
    """
    for section in report.sections:
        if isinstance(section, Text) and section.title.startswith(MANIFEST):
            for line in section.body.splitlines():
                print_line(console, line)
    table = find_table(report, MANIFESTS)
    if table is not None:
        columns, rows = _dense(table)
        shown = [[cell[0] if isinstance(cell, tuple) else cell for cell in row] for row in rows]
        print_table(console, columns, shown, right=_NUMBERS)
    print_line(console, report.headline)


def show_sample(report: Report, console: Console) -> None:
    """Print the number of runs of each kind in the set.

    Args:
        report: report of the sample step, with its table.
        console: the terminal.
    """
    written, table = report.counts.get("written", 0), find_table(report)
    kinds = Counter(str(row[1]) for row in table.rows) if table is not None else Counter()
    print_sample(
        console,
        report,
        total=counted(report.counts.get("runs", 0), "run", "runs"),
        written=f"{written:,} objects written" if written else "nothing changed",
        kinds=[f"{count} {kind}" if count > 1 else kind for kind, count in kinds.items()],
    )


def _print_rest(console: Console, report: Report, count: int) -> None:
    print_rest(console, count, f": {report.show_command}")


def _dense(table: Table, *, without: str = "") -> tuple[list[str], list[list[Any]]]:
    """Return columns and rows without one column and without empty columns."""
    positions = [
        position
        for position, name in enumerate(table.columns)
        if name != without and any(row[position] is not None for row in table.rows)
    ]
    return [table.columns[position] for position in positions], [
        [row[position] for position in positions] for row in table.rows
    ]
