"""The next command of a report: its last section, and the last lines on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.report import Table
from shared.report.terminal import find_table, print_line

if TYPE_CHECKING:
    from rich.console import Console

    from shared.report import Report

__all__ = ["next_section", "print_next"]

_TITLE: Final = "Next"


def next_section(command: str) -> Table:
    """Return a section with a command that :func:`shared.settings.next_command.next_command` has built."""
    return Table(_TITLE, ("command",), [[command]])


def print_next(report: Report, console: Console) -> None:
    """Print the next command of a report, if it names one.

    Args:
        report: report of a step.
        console: the terminal.
    """
    table = find_table(report, _TITLE)
    if table is not None:
        print_line(console, "next:")
        for row in table.rows:
            print_line(console, f"  {row[0]}")
