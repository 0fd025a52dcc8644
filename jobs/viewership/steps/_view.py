"""Print viewership's reports on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jobs.viewership.steps._stages import HELD_TABLE
from shared.report.terminal import counted, find_table, print_line, print_sample, print_table

if TYPE_CHECKING:
    from rich.console import Console

    from shared.report import Report

__all__ = ["show_sample", "show_uploads"]

# Most files and rows that are listed. A file with a wrong period has thousands of rejected rows with the same error.
_FAILURES: Final = 8
_NUMBERS: Final = frozenset({"upload", "rows", "rejected"})


def show_sample(report: Report, console: Console) -> None:
    """Print the files of the set.

    Args:
        report: report of the sample step, with its table.
        console: the terminal.
    """
    written, table = report.counts.get("written", 0), find_table(report)
    rows = table.rows if table is not None else []
    print_sample(
        console,
        report,
        total=counted(len(rows), "file", "files"),
        written=counted(written, "file written", "files written") if written else "nothing changed",
        kinds=list(dict.fromkeys(str(row[1]) for row in rows)),
    )


def show_uploads(report: Report, console: Console) -> None:
    """Print failures, the outcome of each file, and the counts.

    Args:
        report: report of upload, run or a phase.
        console: the terminal.
    """
    if report.failures:
        shown_failures = report.failures[:_FAILURES]
        print_table(
            console, ["not stored", "code", "why"], [[each.item, each.code, each.message] for each in shown_failures]
        )
        rest = len(report.failures) + report.failures_truncated - len(shown_failures)
        if rest:
            print_line(console, f"… and {rest:,} more; see the report")
    table = find_table(report, "Files")
    if table is not None:
        shown = [table.columns.index(name) for name in ("file", "outcome", "rows", "rejected")]
        rows = [[row[index] for index in shown] for row in table.rows]
        print_table(console, [table.columns[index] for index in shown], rows, right=_NUMBERS)
        failed = {each.item for each in report.failures}
        file, note = table.columns.index("file"), table.columns.index("what to know")
        notes = [[row[file], row[note]] for row in table.rows if row[note] and row[file] not in failed]
        if notes:
            print_table(console, ["file", "what to know"], notes[:_FAILURES])
            if len(notes) > _FAILURES:
                print_line(console, f"… and {len(notes) - _FAILURES:,} more; see the report")
    held = find_table(report, HELD_TABLE)
    if held is not None:
        print_table(console, held.columns, held.rows[:_FAILURES], right=_NUMBERS)
    print_line(console, report.headline)
