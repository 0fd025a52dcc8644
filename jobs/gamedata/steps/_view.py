"""Print gamedata's reports on a terminal: sessions and their flags, and the contents of a sample set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jobs.gamedata.manifest.report import SESSIONS
from shared.report.terminal import (
    ROWS,
    Styled,
    counted,
    find_table,
    print_line,
    print_rest,
    print_sample,
    print_table,
)

if TYPE_CHECKING:
    from rich.console import Console

    from shared.report import Report

__all__ = ["show", "show_sample"]

_COUNTED: Final = {
    "sessions": ("session", "sessions"),
    "flagged": ("flagged", "flagged"),
    "errors": ("error", "errors"),
}


def show(report: Report, console: Console) -> None:
    """Print one line per session: length, menu and dark share, flags and error.

    Args:
        report: report of the manifest or run step, with its sections.
        console: the terminal.
    """
    table = find_table(report, SESSIONS)
    if table is None:
        return
    # The last two columns are the flags and the error; on the terminal they share a column.
    measured = table.columns[:-2]
    rows = []
    for *values, raised, error in table.rows[:ROWS]:
        # Its code alone: there is no room for the message.
        words = [*(raised or ()), *([error.partition(":")[0]] if error else [])]
        rows.append([*values, Styled(", ".join(words), style="red" if error else "yellow")])
    print_table(console, [*measured, "flags"], rows, right=measured[1:])
    # In the report of `run`, names of counts begin with the stage's name.
    counts = {name.removeprefix("manifest."): count for name, count in report.counts.items()}
    manifest = report.outputs.get("manifest", "the manifest")
    print_rest(console, counts.get("sessions", len(table.rows)), f" in {manifest}")
    summary = ", ".join(counted(counts.get(key, 0), *words) for key, words in _COUNTED.items())
    print_line(console, f"{summary} -> {report.outputs.get('manifest', '')}")


def show_sample(report: Report, console: Console) -> None:
    """Print the number of TARs in the set, its location, and the kind of each TAR.

    Args:
        report: report of the sample step, with its table.
        console: the terminal.
    """
    table = find_table(report)
    if table is None:
        return
    written = report.counts.get("written", 0)
    news = f"{written:,} written now" if written else "all there"
    print_sample(
        console,
        report,
        total=counted(len(table.rows), "TAR", "TARs"),
        written="all written now" if written == len(table.rows) else news,
        kinds=[str(row[0]).rpartition("/")[2].removesuffix(".tar") for row in table.rows],
    )
