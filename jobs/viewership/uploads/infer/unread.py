"""Find columns that are not read although their names say that they have the hours or the revenue of a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jobs.viewership.model import Note
from jobs.viewership.uploads.formats.binding import map_option
from jobs.viewership.uploads.infer.names import name_votes
from jobs.viewership.uploads.letters import column_letters
from shared.text import cut, one_line

if TYPE_CHECKING:
    from jobs.viewership.uploads.formats.binding import Binding

__all__ = ["unread_measures"]

# A report may have its hours as minutes.
_MEASURES: Final = {"revenue": ("revenue",), "hours": ("hours", "minutes"), "minutes": ("hours", "minutes")}
_SHOWN: Final = 60


def unread_measures(binding: Binding) -> tuple[Note, ...]:
    """Return a warning for each unread column that seems to have what no other column is read as.

    Without it, a report whose column is called `Revenue (USD)` would have no revenue, and nobody would notice.

    Args:
        binding: the columns of the format's fields.
    """
    notes: dict[str, Note] = {}
    for column in binding.unread:
        name = getattr(column, "metric", "") or column.name
        best = next((vote.field for vote in name_votes(name)), None)
        if best in _MEASURES and not set(_MEASURES[best]) & set(binding.fields):
            shown = one_line(cut(name, _SHOWN))
            # The name comes from the file: it must stay one argument when the flag is pasted into a shell.
            mapping = map_option(best, shown if shown == name else f"Column {column_letters(column.position)}")
            notes[name] = Note(
                "UNREAD_MEASURE",
                f"column '{shown}' is not read, and no other column is read as {best}; if it has the {best}, pass "
                f"--map {mapping}",
                column=shown,
            )
    return tuple(notes.values())
