"""What gamedata's commands print for people: sessions and their flags, and what the sample set shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jobs.gamedata.manifest.report import SESSIONS
from shared.report import Table as Section

if TYPE_CHECKING:
    from rich.console import Console

    from shared.report import Report

__all__ = ["show", "show_sample"]

_ROWS: Final = 40


def show(report: Report, console: Console) -> None:
    """Print one line a session: length, menu and dark share, the flags that it has, its error.

    Args:
        report: of the manifest step or of run, with its sections.
        console: where it goes.
    """
    from rich.table import Table
    from rich.text import Text

    found = next((each for each in report.sections if isinstance(each, Section) and each.title == SESSIONS), None)
    if found is None:
        return
    # The last two columns are the flags and the error; they share one here.
    measured = found.columns[:-2]
    table = Table(box=None, pad_edge=False)
    for place, name in enumerate([*measured, "flags"]):
        right = 0 < place < len(measured)
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    for row in found.rows[:_ROWS]:
        *values, raised, error = row
        words = [*(raised or ()), *([error] if error else [])]
        table.add_row(*map(_text, values), Text(", ".join(words), style="red" if error else "yellow"))
    console.print(table)
    # `run` puts the stage's name before what its stages count.
    counts = {name.removeprefix("manifest."): count for name, count in report.counts.items()}
    sessions = counts.get("sessions", len(found.rows))
    left = sessions - min(len(found.rows), _ROWS)
    if left > 0:
        console.print(f"… and {left:,} more in {report.outputs.get('manifest', 'the manifest')}", soft_wrap=True)
    said = ", ".join(_count(counts.get(key, 0), *words) for key, words in _COUNTED.items())
    console.print(f"{said} -> {report.outputs.get('manifest', '')}", soft_wrap=True, highlight=False, markup=False)


def show_sample(report: Report, console: Console) -> None:
    """Print how many TARs the set has and where, what they show in a word each, and where the truth stands.

    Args:
        report: of the sample step, with its table.
        console: where it goes.
    """
    found = next((each for each in report.sections if isinstance(each, Section)), None)
    if found is None:
        return
    kinds = ", ".join(str(row[0]).rpartition("/")[2].removesuffix(".tar") for row in found.rows)
    written = report.counts.get("written", 0)
    news = "all written now" if written == len(found.rows) else f"{written:,} written now" if written else "all there"
    said = _count(len(found.rows), "TAR", "TARs")
    console.print(f"{said} in {report.outputs.get('bucket', '')} ({news}): {kinds}", markup=False, highlight=False)
    console.print(f"their truth: {report.outputs.get('truth', '')}", soft_wrap=True, markup=False, highlight=False)


_COUNTED: Final = {
    "sessions": ("session", "sessions"),
    "flagged": ("flagged", "flagged"),
    "errors": ("error", "errors"),
}


def _count(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.1f}"
    return "".join(letter if letter.isprintable() else "?" for letter in str(value)).replace("[", r"\[")
