"""Find ids, seasons and episodes that are kept as text and that no episode of the catalogue can have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from jobs.viewership.keys.ids import mangled_id
from jobs.viewership.keys.numbering import whole_number
from jobs.viewership.model import FIELDS, Fate, FieldKind, Note
from shared.text import cut

if TYPE_CHECKING:
    from jobs.viewership.uploads.transform.gathered import Gathered

__all__ = ["mangled_ids", "textual_numbers"]

_SHOWN: Final = 60


def mangled_ids(frame: pl.DataFrame, gathered: Gathered) -> tuple[pl.Series, Note | None]:
    """Flag ids that a spreadsheet has rounded; matching ignores them.

    Args:
        frame: the units.
        gathered: the fields of the file.

    Returns:
        Whether each unit has such an id, and a warning if one has.
    """
    field = gathered.fields.get("content_id")
    ids = frame["content_id"]
    suspect = ids.str.contains(r"(?i)[0-9]e[+-]?[0-9]{1,3}\s*$|^\s*#").fill_null(value=False)
    rows = suspect.arg_true()
    flags = pl.Series([mangled_id(text) for text in ids.gather(rows)], dtype=pl.Boolean)
    rows = rows.filter(flags)
    mask = pl.repeat(False, len(frame), dtype=pl.Boolean, eager=True).scatter(rows, True)
    if field is None or not len(rows):
        return mask, None
    line = int(frame["line"][rows[0]])
    message = (
        f"content_id is mangled in {len(rows):,} of {len(frame):,} units, first in line {line} ({ids[rows[0]]!r}): a "
        "spreadsheet has rounded it; it is kept as text and not used to match; export ids as text"
    )
    return mask, Note("MANGLED_ID", message, line, field.cells.column or None)


def textual_numbers(frame: pl.DataFrame, gathered: Gathered) -> list[Note]:
    """Warn about seasons and episodes that are not whole numbers, such as `one` and `1.5`.

    Args:
        frame: the units, with their fates: totals and repeated headers are not counted.
        gathered: the fields of the file.
    """
    notes = []
    for name in (name for name, kind in FIELDS.items() if kind is FieldKind.NUMBER and name in gathered.fields):
        texts = frame[name]
        found = [text for text in texts.unique().drop_nulls() if whole_number(text) is None]
        if not found:
            continue
        kept = (pl.col("fate").is_null() | (pl.col("fate") != str(Fate.FILTERED))) & pl.col(name).is_in(found)
        units = frame.select(kept).to_series().arg_true()
        if not len(units):
            continue
        line = int(frame["line"][units[0]])
        message = (
            f"{name} is not a whole number in {len(units):,} of {len(frame):,} units, first in line {line} "
            f"({cut(texts[units[0]], _SHOWN)!r}); it is kept as text and matches no {name} of the catalogue"
        )
        notes.append(Note("NUMBER_AS_TEXT", message, line, gathered.fields[name].cells.column or None))
    return notes
