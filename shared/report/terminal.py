"""Print parts of a report on a terminal. Text from outside is never interpreted as markup or escape sequences."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from shared.report.sections import Code, Table
from shared.scrub import scrub
from shared.text import one_line

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from rich.console import Console
    from rich.style import Style
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
# Blanks between two columns.
_GAP: Final = 2


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
    console: Console, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, right: Collection[str] = ()
) -> None:
    """Print the first :data:`ROWS` rows of a table. Text is wrapped at spaces only, so that a word can be copied.

    If the words of a row do not fit side by side, each row is a list of its columns, one below the other.

    Args:
        console: the terminal.
        columns: headings.
        rows: cells, printed with :func:`safe_text`.
        right: columns of numbers, which are aligned right and never wrapped.
    """
    from rich import table as rich
    from rich.text import Text

    # Only a Text is never parsed as markup or for emoji.
    heads = [Text(safe_text(name)) for name in columns]
    cells = [[_cell(value) for value in row] for row in rows[:ROWS]]
    widths = _widths(
        console.width, [[head, *column] for head, *column in zip(heads, *cells, strict=True)], columns, right
    )
    if widths is None:
        _print_rows(console, heads, cells)
        return
    table = rich.Table(box=None, pad_edge=False)
    for name, head, width in zip(columns, heads, widths, strict=True):
        table.add_column(head, justify="right" if name in right else "left", width=width, no_wrap=name in right)
    for row in cells:
        table.add_row(*row)
    console.print(table)


def _widths(
    available: int, columns: Sequence[Sequence[Text]], names: Sequence[str], right: Collection[str]
) -> list[int] | None:
    """Return the width of each column, at least that of its longest word; None if these do not fit."""
    from rich.cells import cell_len

    full = [max(cell_len(cell.plain) for cell in column) for column in columns]
    least = [
        whole if name in right else max(cell_len(word) for cell in column for word in (*cell.plain.split(), ""))
        for name, column, whole in zip(names, columns, full, strict=True)
    ]
    left = available - sum(least) - _GAP * (len(columns) - 1)
    if left < 0:
        return None
    widths = list(least)
    # Short columns first: what they do not need goes to the long ones.
    wanting = sorted(range(len(columns)), key=lambda position: full[position] - least[position])
    for number, position in enumerate(wanting):
        more = min(full[position] - least[position], left // (len(wanting) - number))
        widths[position] += more
        left -= more
    return widths


def _print_rows(console: Console, heads: Sequence[Text], cells: Sequence[Sequence[Text]]) -> None:
    """Print each row as a list: its first cell, then the other columns with their names, indented."""
    width = max(console.width - _GAP, 1)
    for first, *rest in cells:
        print_line(console, first.plain, style=first.style)
        for head, cell in zip(heads[1:], rest, strict=True):
            if cell.plain != safe_text(None):
                text = f"{head.plain}: {cell.plain}"
                # A long word, such as a digest or a path in a command, stays whole; the terminal itself wraps it.
                for line in textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False):
                    print_line(console, " " * _GAP + line, style=cell.style)


def _cell(value: Any) -> Text:
    from rich.text import Text

    return Text(safe_text(value.text), style=value.style) if isinstance(value, Styled) else Text(safe_text(value))


def print_rest(console: Console, total: int, location: str) -> None:
    """Print the number of rows that :func:`print_table` omitted and their location; nothing if it printed all."""
    if total > ROWS:
        print_line(console, f"… and {total - ROWS:,} more{location}")


def print_line(console: Console, text: str, *, style: Style | str = "") -> None:
    """Print one line of plain text, unwrapped."""
    from rich.text import Text

    # A Text, since rich replaces ":skull:" in plain text by an emoji even without markup.
    console.print(Text(safe_text(text), style=style), soft_wrap=True)


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
    if value is None:
        return "-"
    return one_line(scrub(value.text if isinstance(value, Code) else str(value)))
