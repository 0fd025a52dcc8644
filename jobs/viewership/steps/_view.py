"""Print viewership's reports on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.report.terminal import counted, find_table, print_sample

if TYPE_CHECKING:
    from rich.console import Console

    from shared.report import Report

__all__ = ["show_sample"]


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
