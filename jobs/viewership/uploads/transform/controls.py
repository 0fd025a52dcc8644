"""Find totals among the rows of a file, and compare them with the sums of the other rows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import polars as pl

from jobs.viewership.model import FIELDS, CellKind, FieldKind, Note
from jobs.viewership.uploads.values.fold import MARKS, fold, is_blank

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.viewership.uploads.formats.binding import Binding
    from jobs.viewership.uploads.transform.source import Source

__all__ = ["Controls", "additive", "find_controls"]

_LABEL: Final = (
    r"(?i)^\s*(?:grand |overall |sub-?\s?)?totals?(?: general| general| geral)?\s*:?\s*$"
    r"|^\s*(?:gesamt(?:summe)?|insgesamt|summe|suma|somma|totale|sum|total g[e\x{e9}]n[e\x{e9}]ral)\s*:?\s*$"
)
_SUBTOTAL: Final = r"(?i)^\s*sub"
_LETTERS: Final = re.compile(r"[^\W\d_]{2}")
# The marks of fold.is_blank.
_NO_VALUE: Final = rf"(?i)^(?:{MARKS})$"
_HALF: Final = Decimal("0.5")


@dataclass(frozen=True, slots=True)
class Controls:
    """Totals among the rows.

    Attributes:
        rows: Boolean, True for each row that is a total.
        notes: a warning for a total that does not add up.
    """

    rows: pl.Series
    notes: tuple[Note, ...] = ()


def additive(field: str) -> bool:
    """Return True for fields whose sum over rows means something: viewers of two days are not twice the viewers."""
    kinds = (FieldKind.HOURS, FieldKind.MINUTES, FieldKind.MONEY, FieldKind.COUNT)
    return FIELDS[field] in kinds and field != "unique_viewers"


def find_controls(source: Source, binding: Binding, sums: Mapping[str, pl.Series]) -> Controls:
    """Find the totals of a file.

    A total says so in its only cell with words ("Grand total"), or is the last row, names no content, and its numbers
    are the sums of the rows above, or about them and more than every row: rows without a title have hours that count.

    Args:
        source: the rows.
        binding: their columns.
        sums: field -> its value of each row; of a wide sheet, the sum over the dates of the row.
    """
    labelled = _labelled(source, binding)
    last = source.rows - 1
    rows = pl.repeat(False, source.rows, dtype=pl.Boolean, eager=True)
    total: int | None = None
    if len(labelled):
        rows = rows.scatter(labelled["row"], True)
        totals = labelled.filter(~pl.col("label").str.contains(_SUBTOTAL))["row"]
        total = int(totals[-1]) if len(totals) else None
    elif last > 0 and not _names(source, binding, pl.Series([last]))[0] and _is_sum(sums, last):
        rows, total = rows.scatter([last], True), last
    if total is None:
        return Controls(rows)
    return Controls(rows, _compare(source, sums, rows, total))


def _labels(binding: Binding, source: Source) -> list[int]:
    """Return the positions of columns that may hold words: all but those of measures."""
    read = {bound.column.position for bound in binding.columns if additive(bound.field)}
    read |= {column.position for column in source.layout.dates}
    return [column.position for column in source.layout.columns if column.position not in read]


def _labelled(source: Source, binding: Binding) -> pl.DataFrame:
    """Return the rows with the label of a total and no other word: ``row``, in order, and ``label``."""
    cells = source.sheet.cells
    labels = pl.repeat(None, source.rows, dtype=pl.String, eager=True)
    for position in _labels(binding, source):
        column = cells.to_series(position)
        found = column.str.contains(_LABEL).fill_null(value=False) & labels.is_null()
        if found.any():
            labels = column.zip_with(found, labels)
    rows = labels.is_not_null().arg_true()
    alone = _names(source, binding, rows) <= 1
    rows = rows.filter(alone)
    return pl.DataFrame({"row": rows, "label": labels.gather(rows)})


def _names(source: Source, binding: Binding, rows: pl.Series) -> pl.Series:
    """Return how many cells of each row hold a name: words anywhere, or any value in a column of names or dates.

    Columns are read whole: a file may consist of a million totals.
    """
    named = {bound.column.position for bound in binding.columns if not additive(bound.field)} - {
        bound.column.position for bound in binding.columns if FIELDS[bound.field] in _MEASURED
    }
    counts, kinds = pl.repeat(0, len(rows), dtype=pl.UInt32, eager=True), source.sheet.kinds
    for position in _labels(binding, source):
        texts = source.sheet.cells.to_series(position).gather(rows)
        if kinds is not None:
            failed = kinds.to_series(position).gather(rows).is_in(_FAILED)
            texts = pl.repeat("#", len(rows), dtype=pl.String, eager=True).zip_with(failed, texts)
        counts += _is_name(texts, any_value=position in named).cast(pl.UInt32)
    return counts


def _is_name(texts: pl.Series, *, any_value: bool) -> pl.Series:
    """Return whether each text is a name; texts other than ASCII are folded one by one, each distinct one once."""
    stripped = texts.str.strip_chars(" ").fill_null("")
    names = stripped != "" if any_value else stripped.str.contains("[A-Za-z]{2}")
    names &= ~stripped.str.contains(_NO_VALUE)
    odd = stripped.str.contains(r"[^\x20-\x7e]")
    if not odd.any():
        return names
    distinct = stripped.filter(odd).unique()
    folded = [fold(text) for text in distinct]
    found = [not is_blank(text) and (any_value or _LETTERS.search(text) is not None) for text in folded]
    known = stripped.replace_strict(distinct, pl.Series(found, dtype=pl.Boolean), default=False)
    return known.zip_with(odd, names)


_MEASURED: Final = (FieldKind.DECIMAL, FieldKind.DURATION)
_FAILED: Final = (int(CellKind.ERROR), int(CellKind.FORMULA))


def _is_sum(sums: Mapping[str, pl.Series], row: int) -> bool:
    values = [(column, column[row]) for column in sums.values() if column[row] is not None]
    if not values:
        return False
    others = [(column.slice(0, row).drop_nulls(), Decimal(value)) for column, value in values]
    added = [(column, Decimal(column.sum() or 0), value) for column, value in others]
    if all(abs(total - value) <= min(_tolerance(column, value), abs(value) / 100) for column, total, value in added):
        return True
    return all(
        len(column) > 1 and value > Decimal(str(column.max())) and _HALF * total <= value <= 2 * total
        for column, total, value in added
    )


def _tolerance(column: pl.Series, value: Decimal) -> Decimal:
    """Return how far a total may be from the sum of rows that were rounded: four times the expected error."""
    if column.dtype.is_integer():
        return Decimal(0)
    shares = [_digits(each) for each in column.tail(1000).to_list()]
    step = Decimal(1).scaleb(-max(shares, default=0))
    return _HALF.scaleb(-_digits(value)) + 4 * step * (Decimal(len(column)) / 12).sqrt()


def _digits(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _compare(source: Source, sums: Mapping[str, pl.Series], rows: pl.Series, total: int) -> tuple[Note, ...]:
    wrong: list[str] = []
    for field, column in sums.items():
        value = column[total]
        others = column.filter(~rows).drop_nulls()
        if value is not None and abs(others.sum() - value) > _tolerance(others, Decimal(value)):
            wrong.append(f"{_plain(value)} {field}, but the rows add up to {_plain(others.sum())}")
    if not wrong:
        return ()
    line = int(source.sheet.lines[total])
    return (Note("TOTAL_MISMATCH", f"the total in line {line} says {'; '.join(wrong)}", line),)


def _plain(value: object) -> str:
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)
