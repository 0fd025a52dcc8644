"""Print parts of a report on a terminal. Text from outside is never interpreted as markup or escape sequences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from shared.report.sections import Table
from shared.scrub import scrub
from shared.text import one_line

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from rich.console import Console
    from rich.text import Text

    from shared.report.model import Report

__all__ = [
    "ROWS",
    "Styled",
    "counted",
    "find_table",
    "open_console",
    "print_line",
    "print_rest",
    "print_sample",
    "print_table",
    "safe_text",
]

# Maximum rows of a table on a terminal; the report has more.
ROWS: Final = 40


@dataclass(frozen=True, slots=True)
class Styled:
    """A cell with a style of rich, such as ``red``."""

    text: str
    style: str


def open_console() -> Console:
    """Return a console on standard output that raises BrokenPipeError, where rich would exit with 1."""
    from rich.console import Console

    class QuietConsole(Console):
        """A console that keeps the step's exit code on a broken pipe."""

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    return QuietConsole(highlight=False)


def find_table(report: Report, title: str | None = None) -> Table | None:
    """Return the report's table with this title, or its first table; None without one."""
    tables = (section for section in report.sections if isinstance(section, Table))
    return next((table for table in tables if title in (None, table.title)), None)


def print_table(
    console: Console,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    right: Collection[str] = (),
    unwrapped: Collection[str] = (),
) -> None:
    """Print the first :data:`ROWS` rows of a table.

    Args:
        console: the terminal.
        columns: headings.
        rows: cells, printed with :func:`safe_text`.
        right: columns of numbers, which are aligned right and never wrapped.
        unwrapped: further columns that are never wrapped.
    """
    from rich import table as rich
    from rich.text import Text

    # Only a Text is never parsed as markup or for emoji.
    table = rich.Table(box=None, pad_edge=False)
    for name in columns:
        justify: Any = "right" if name in right else "left"
        table.add_column(
            Text(safe_text(name)), justify=justify, overflow="fold", no_wrap=name in right or name in unwrapped
        )
    for row in rows[:ROWS]:
        table.add_row(*map(_cell, row))
    console.print(table)


def _cell(value: Any) -> Text:
    from rich.text import Text

    return Text(safe_text(value.text), style=value.style) if isinstance(value, Styled) else Text(safe_text(value))


def print_rest(console: Console, total: int, location: str) -> None:
    """Print the number of rows that :func:`print_table` omitted and their location; nothing if it printed all."""
    if total > ROWS:
        print_line(console, f"… and {total - ROWS:,} more{location}")


def print_line(console: Console, text: str) -> None:
    """Print one line of plain text, unwrapped."""
    from rich.text import Text

    # A Text, since rich replaces ":skull:" in plain text by an emoji even without markup.
    console.print(Text(safe_text(text)), soft_wrap=True)


def print_sample(console: Console, report: Report, *, total: str, written: str, kinds: Sequence[str]) -> None:
    """Print the contents of a sample set and the location of its ground truth.

    Args:
        console: the terminal.
        report: report of a sample step, with ``outputs["bucket"]`` and ``outputs["truth"]``.
        total: size of the set, such as ``27 TARs``.
        written: what this command wrote, such as ``3 written now``.
        kinds: names of the kinds in the set.
    """
    print_line(console, f"{total} in {report.outputs.get('bucket', '')} ({written}): {', '.join(kinds)}")
    print_line(console, f"ground truth: {report.outputs.get('truth', '')}")


def counted(count: int, singular: str, plural: str) -> str:
    """Return a count with its noun: ``1 TAR``, ``2,000 TARs``."""
    return f"{count:,} {singular if count == 1 else plural}"


def safe_text(value: Any) -> str:
    r"""Return a value as one line without secrets, with a dash for None and escapes such as ``\x1b``."""
    return "-" if value is None else one_line(scrub(str(value)))
