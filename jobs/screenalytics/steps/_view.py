"""Print screenalytics' reports on a terminal: persons and failures, findings of verify, the sample set."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from jobs.screenalytics.steps.verify import FINDINGS
from jobs.screenalytics.tables.persons import PERSONS
from shared.report.terminal import counted, find_table, print_line, print_rest, print_sample, print_table

if TYPE_CHECKING:
    from rich.console import Console

    from shared.report import Report, Table

__all__ = ["show", "show_sample", "show_verify"]

_UNWRAPPED: Final = frozenset({"episode", "not ingested", "run", "code"})
_NUMBERS: Final = frozenset({"on screen", "speaking", "confessional", "confidence", "persons"})


def show(report: Report, console: Console) -> None:
    """Print failed runs, the persons seen most, and the counts.

    Args:
        report: of ingest or replay.
        console: the terminal.
    """
    if report.failures:
        rows = [[each.item, each.code, each.message] for each in report.failures]
        _print(console, ["not ingested", "code", "why"], rows)
        _print_rest(console, report, len(report.failures) + report.failures_truncated)
    found = find_table(report, PERSONS)
    if found is not None:
        columns, rows = _dense(found, without="run")
        # Name each episode once.
        for row, before in zip(rows[:0:-1], rows[-2::-1], strict=True):
            row[0] = "" if row[0] == before[0] else row[0]
        _print(console, columns, rows)
    if report.headline:
        print_line(console, report.headline)


def show_verify(report: Report, console: Console) -> None:
    """Print the findings and the counts.

    Args:
        report: of verify.
        console: the terminal.
    """
    found = find_table(report, FINDINGS)
    if found is not None:
        _print(console, *_dense(found))
        _print_rest(console, report, sum(report.rejects.values()))
    print_line(console, report.headline)


def show_sample(report: Report, console: Console) -> None:
    """Print how many runs the set has of each kind.

    Args:
        report: of the sample step, with its table.
        console: the terminal.
    """
    written, found = report.counts.get("written", 0), find_table(report)
    kinds = Counter(str(row[1]) for row in found.rows) if found is not None else Counter()
    print_sample(
        console,
        report,
        total=counted(report.counts.get("runs", 0), "run", "runs"),
        written=f"{written:,} objects written" if written else "nothing changed",
        kinds=[f"{count} {kind}" if count > 1 else kind for kind, count in kinds.items()],
    )


def _print(console: Console, columns: Any, rows: Any) -> None:
    print_table(console, columns, rows, right=_NUMBERS, unwrapped=_UNWRAPPED)


def _print_rest(console: Console, report: Report, count: int) -> None:
    print_rest(console, count, f": telecine runs show {report.run_id}")


def _dense(table: Table, *, without: str = "") -> tuple[list[str], list[list[Any]]]:
    """Leave out one column, and all empty ones."""
    kept = [
        place
        for place, name in enumerate(table.columns)
        if name != without and any(row[place] is not None for row in table.rows)
    ]
    return [table.columns[place] for place in kept], [[row[place] for place in kept] for row in table.rows]
