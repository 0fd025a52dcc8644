"""Find totals among the rows of a file, and compare them with the sums of the other rows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import polars as pl

from jobs.viewership.model import FIELDS, CellKind, FieldKind, Note
from jobs.viewership.uploads.transform.subtotals import Subtotals, named_totals, tolerance
from jobs.viewership.uploads.values.fold import MARKS, fold, is_blank
from shared.report.terminal import counted
from shared.text import cut

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from jobs.viewership.uploads.formats.binding import Binding
    from jobs.viewership.uploads.transform.source import Source
    from jobs.viewership.uploads.transform.subtotals import Candidate

__all__ = ["Controls", "additive", "find_controls"]

_LABEL: Final = (
    r"(?i)^\s*(?:grand |overall |sub-?\s?|sous-?\s?)?totals?(?: general| general| geral)?\s*:?\s*$"
    r"|^\s*(?:gesamt(?:summe)?|zwischensumme|teilsumme|subtotale)\s*:?\s*$"
    r"|^\s*(?:insgesamt|summe|suma|somma|totale|sum|total g[e\x{e9}]n[e\x{e9}]ral)\s*:?\s*$"
)
_SUBTOTAL: Final = r"(?i)^\s*(?:sub|sous|zwischen|teil)"
_LETTERS: Final = re.compile(r"[^\W\d_]{2}")
# The marks of fold.is_blank.
_NO_VALUE: Final = rf"(?i)^(?:{MARKS})$"
_HALF: Final = Decimal("0.5")
_SHOWN: Final = 80
# Of a million rows, each takes about 50 ms if it is not the sum of those just above it.
_CHECKED: Final = 200


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
    A subtotal may also name its group ("Harbour Lights Total"), and its numbers are the sums of the group: an episode
    may be called "Total Recall". Such a row that adds up nothing counts, and a note names it.

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
    labels = set(labelled["row"].to_list())
    candidates = [
        each
        for each in named_totals(source.sheet.cells, _labels(binding, source), labels)
        if _may_be(source, binding, each)
    ]
    search = Subtotals(
        source.sheet.cells,
        _headers(source, binding),
        sums,
        named=_named(binding),
        totals=labels,
        candidates=candidates,
    )
    named = search.find()
    if named:
        rows = rows.scatter(sorted(named), True)
    if (
        not labels
        and last > 0
        and last not in named
        and not _names(source, binding, pl.Series([last]))[0]
        and _is_sum(sums, rows, last)
    ):
        rows, total = rows.scatter([last], True), last
    notes = _unsure(source, [each for each in candidates if each.row not in named])
    notes += _wrong_subtotals(source, search, rows, [row for row in sorted(labels) if row != total])
    if total is not None:
        notes += _compare(source, sums, rows, total)
    return Controls(rows, tuple(notes))


def _headers(source: Source, binding: Binding) -> dict[int, str]:
    """Return the names of the columns that may name a group, by position: of names, dates, or not read."""
    read = {bound.column.position for bound in binding.columns} - _named(binding)
    places = set(_labels(binding, source)) - read
    return {column.position: column.name for column in source.layout.columns if column.position in places}


def _may_be(source: Source, binding: Binding, each: Candidate) -> bool:
    """Return whether a row that names a total has neither an id nor the number of an episode, which content has."""
    places = {bound.column.position for bound in binding.columns if bound.field in ("content_id", "episode")}
    cells = source.sheet.cells
    return all(is_blank(fold(cells.to_series(place)[each.row] or "")) for place in places - {each.place})


def _unsure(source: Source, candidates: Sequence[Candidate]) -> list[Note]:
    """Warn of rows that name a total and add up no group; they count."""
    if not candidates:
        return []
    line = int(source.sheet.lines[candidates[0].row])
    more = f" (and {counted(len(candidates) - 1, 'more row', 'more rows')})" if len(candidates) > 1 else ""
    message = (
        f"line {line} is named {cut(candidates[0].label, _SHOWN)!r} and is not the sum of a group of rows{more}; it is "
        "read as content and counts; if it is a total, remove it from the file, or filter it in a format"
    )
    return [Note("NAMED_TOTAL", message, line)]


def _wrong_subtotals(source: Source, search: Subtotals, rows: pl.Series, subtotals: Sequence[int]) -> list[Note]:
    """Warn of totals without a name, except the last one, that add up neither the rows above nor all of them."""
    kept = (~rows).arg_true()

    def groups(row: int) -> Iterator[list[int] | pl.Series]:
        yield search.block(row)
        yield kept.filter(kept < row)
        yield kept

    wrong = [
        row
        for row in subtotals[:_CHECKED]
        if not search.is_empty(row)
        and not any(search.fits(row, group) for group in groups(row))
        and not search.exhausted
    ]
    if not wrong:
        return []
    line = int(source.sheet.lines[wrong[0]])
    more = f" (and {counted(len(wrong) - 1, 'more subtotal', 'more subtotals')})" if len(wrong) > 1 else ""
    message = f"the subtotal in line {line} is not the sum of the rows above it{more}; it is not counted"
    return [Note("TOTAL_MISMATCH", message, line)]


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


def _named(binding: Binding) -> set[int]:
    """Return the positions of columns of names or dates."""
    return {
        bound.column.position
        for bound in binding.columns
        if not additive(bound.field) and FIELDS[bound.field] not in _MEASURED
    }


def _names(source: Source, binding: Binding, rows: pl.Series) -> pl.Series:
    """Return how many cells of each row hold a name: words anywhere, or any value in a column of names or dates.

    Columns are read whole: a file may consist of a million totals.
    """
    named = _named(binding)
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


# Besides the counts that can be added, of which a total has sums: viewers, of which it has another number.
_MEASURED: Final = (FieldKind.DECIMAL, FieldKind.DURATION, FieldKind.COUNT)
_FAILED: Final = (int(CellKind.ERROR), int(CellKind.FORMULA))


def _is_sum(sums: Mapping[str, pl.Series], controls: pl.Series, row: int) -> bool:
    values = [(column, column[row]) for column in sums.values() if column[row] is not None]
    if not values:
        return False
    others = [
        (column.slice(0, row).filter(~controls.slice(0, row)).drop_nulls(), Decimal(value)) for column, value in values
    ]
    added = [(column, Decimal(column.sum() or 0), value) for column, value in others]
    if all(abs(total - value) <= min(tolerance(column, value), abs(value) / 100) for column, total, value in added):
        return True
    return all(
        len(column) > 1 and value > Decimal(str(column.max())) and _HALF * total <= value <= 2 * total
        for column, total, value in added
    )


def _compare(source: Source, sums: Mapping[str, pl.Series], rows: pl.Series, total: int) -> list[Note]:
    wrong: list[str] = []
    for field, column in sums.items():
        value = column[total]
        others = column.filter(~rows).drop_nulls()
        if value is not None and abs(others.sum() - value) > tolerance(others, Decimal(value)):
            wrong.append(f"{_plain(value)} {field}, but the rows add up to {_plain(others.sum())}")
    if not wrong:
        return []
    line = int(source.sheet.lines[total])
    return [Note("TOTAL_MISMATCH", f"the total in line {line} says {'; '.join(wrong)}", line)]


def _plain(value: object) -> str:
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)
