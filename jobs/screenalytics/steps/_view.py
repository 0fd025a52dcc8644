"""Prints the results of screenalytics' commands to the terminal."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from jobs.screenalytics.steps.verify import FINDINGS
from jobs.screenalytics.tables.persons import PERSONS
from shared.report import Table as Section

if TYPE_CHECKING:
    from rich.console import Console

    from shared.report import Report

__all__ = ["show", "show_sample", "show_verify"]

_ROWS: Final = 40
_WHOLE: Final = frozenset({"episode", "not ingested", "run", "code"})
_NUMBERS: Final = frozenset({"on screen", "speaking", "confessional", "confidence", "persons"})


def show(report: Report, console: Console) -> None:
    """Print failures, the persons seen most, and the counts.

    Args:
        report: the report of ingest or replay.
        console: the terminal.
    """
    if report.failures:
        _print(
            console, ["not ingested", "code", "why"], [[each.item, each.code, each.message] for each in report.failures]
        )
        _more(console, report, len(report.failures) + report.failures_truncated)
    found = _section(report, PERSONS)
    if found is not None:
        columns, rows = _dense(found, without="run")
        # Name each episode once.
        for row, before in zip(rows[:0:-1], rows[-2::-1], strict=True):
            row[0] = "" if row[0] == before[0] else row[0]
        _print(console, columns, rows)
    if report.headline:
        console.print(report.headline, soft_wrap=True, markup=False, highlight=False)


def show_verify(report: Report, console: Console) -> None:
    """Print the findings and the counts.

    Args:
        report: the report of verify.
        console: the terminal.
    """
    found = _section(report, FINDINGS)
    if found is not None:
        _print(console, *_dense(found))
        _more(console, report, sum(report.rejects.values()))
    console.print(report.headline, soft_wrap=True, markup=False, highlight=False)


def show_sample(report: Report, console: Console) -> None:
    """Print how many runs of each kind the set has, and where its record is.

    Args:
        report: the report of sample, with its table.
        console: the terminal.
    """
    runs, written = report.counts.get("runs", 0), report.counts.get("written", 0)
    found = next((each for each in report.sections if isinstance(each, Section)), None)
    kinds = Counter(str(row[1]) for row in found.rows) if found is not None else Counter()
    named = ", ".join(f"{count} {kind}" if count > 1 else kind for kind, count in kinds.items())
    news = f"{written:,} objects written" if written else "nothing changed"
    text = f"{runs:,} {'run' if runs == 1 else 'runs'} in {report.outputs.get('bucket', '')} ({news}): {named}"
    console.print(text, soft_wrap=True, markup=False, highlight=False)
    console.print(
        f"expected outcomes: {report.outputs.get('truth', '')}", soft_wrap=True, markup=False, highlight=False
    )


def _section(report: Report, title: str) -> Section | None:
    return next((each for each in report.sections if isinstance(each, Section) and each.title == title), None)


def _print(console: Console, columns: Any, rows: Any) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name in columns:
        kept = name in _WHOLE or name in _NUMBERS
        table.add_column(name, justify="right" if name in _NUMBERS else "left", overflow="fold", no_wrap=kept)
    for row in rows[:_ROWS]:
        # As text, never as markup: a producer's texts may contain brackets.
        table.add_row(*(Text(_text(value)) for value in row))
    console.print(table)


def _more(console: Console, report: Report, count: int) -> None:
    if count > _ROWS:
        text = f"… and {count - _ROWS:,} more: telecine runs show {report.run_id}"
        console.print(text, soft_wrap=True, markup=False, highlight=False)


def _dense(section: Section, *, without: str = "") -> tuple[list[str], list[list[Any]]]:
    """Leave out one column, and all empty ones."""
    kept = [
        place
        for place, name in enumerate(section.columns)
        if name != without and any(row[place] is not None for row in section.rows)
    ]
    return [section.columns[place] for place in kept], [[row[place] for place in kept] for row in section.rows]


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return "".join(letter if letter.isprintable() else "?" for letter in str(value))
