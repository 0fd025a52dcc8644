"""The parsed fields of a sheet, and which of their cells make up each unit."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import polars as pl

from jobs.viewership.model import FIELDS, FieldKind, Note
from jobs.viewership.uploads.formats.model import ColumnRule
from jobs.viewership.uploads.layout.model import Column
from jobs.viewership.uploads.layout.texts import is_blank, is_number, is_total
from jobs.viewership.uploads.letters import column_letters
from jobs.viewership.uploads.transform.controls import additive
from jobs.viewership.uploads.transform.fields import parse_field
from jobs.viewership.uploads.values.column import Cells, ParsedColumn, State
from jobs.viewership.uploads.values.date_text import Reading
from jobs.viewership.uploads.values.dates import parse_dates

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import date

    from jobs.viewership.uploads.formats.binding import Binding
    from jobs.viewership.uploads.transform.choices import Choices
    from jobs.viewership.uploads.transform.source import Source

__all__ = ["Gathered", "GatheredField", "constant_rule", "gather"]

# Rows of an unread column that are searched for numbers.
_SAMPLE: Final = 1000


@dataclass(frozen=True, slots=True)
class GatheredField:
    """A field with its cells: one per row, or one per pair of date and row, those of the first date first.

    Attributes:
        field: name of the field.
        cells: raw texts.
        parsed: the values.
        paired: there is one cell per pair.
        positions: position of the column; of a pair's field, one per date; -1 for none.
        names: name of the column; of a pair's field, one per date.
    """

    field: str
    cells: Cells
    parsed: ParsedColumn
    paired: bool
    positions: tuple[int, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Gathered:
    """Fields, and the index of each unit in their cells.

    Attributes:
        source: the rows.
        fields: field -> its cells and values.
        row: UInt32, the row of each unit, in the order of the file.
        date: UInt32, the date of each unit of a wide sheet; zeros otherwise.
        notes: warnings.
    """

    source: Source
    fields: dict[str, GatheredField]
    row: pl.Series
    date: pl.Series
    notes: tuple[Note, ...]

    def at(self, field: GatheredField, series: pl.Series) -> pl.Series:
        """Return what a series of a field's cells has for each unit."""
        if field.paired:
            return series.gather(self.date * self.source.rows + self.row)
        return series if not self.source.dates else series.gather(self.row)

    def values(self, name: str) -> pl.Series | None:
        """Return the value of a field for each unit; None for a field that the file lacks."""
        field = self.fields.get(name)
        return None if field is None else self.at(field, field.parsed.values)

    def names(self, field: GatheredField) -> pl.Series:
        """Return the name of a field's column for each unit."""
        return self._named(field.names, paired=field.paired)

    def places(self, field: GatheredField) -> pl.Series:
        """Return the letters of a field's column for each unit, as spreadsheets show them."""
        letters = tuple(column_letters(position) if position >= 0 else "" for position in field.positions)
        return self._named(letters, paired=field.paired)

    def _named(self, names: tuple[str, ...], *, paired: bool) -> pl.Series:
        if paired:
            return pl.Series(names, dtype=pl.String).gather(self.date)
        return pl.repeat(names[0], len(self.row), dtype=pl.String, eager=True)


def gather(source: Source, binding: Binding, choices: Choices) -> Gathered:
    """Parse every field, and find the units: rows, or pairs of row and date with a value.

    Raises:
        NeedsChoice: the values leave a question open.
    """
    notes: list[Note] = []
    if source.dates:
        source = _without_totals(source, binding, choices, notes)
        notes += _unread_numbers(source, binding)
    fields = [*_row_fields(source, binding, choices, notes), *_pair_fields(source, binding, choices)]
    found = {field.field: field for field in fields}
    if not source.dates:
        row = pl.select(pl.int_range(source.rows, dtype=pl.UInt32)).to_series()
        return Gathered(source, found, row, pl.repeat(0, source.rows, dtype=pl.UInt32, eager=True), tuple(notes))
    pairs = pl.select(pair=pl.int_range(source.rows * len(source.dates), dtype=pl.UInt32))
    filled = pl.repeat(False, len(pairs), dtype=pl.Boolean, eager=True)
    for metric in fields:
        if metric.paired:
            filled |= metric.parsed.state != State.BLANK
    units = (
        pairs.filter(filled)
        .select(row=pl.col("pair") % source.rows, date=pl.col("pair") // source.rows)
        .sort("row", "date")
    )
    if "date" not in found:
        dates = _header_dates(source, binding, choices)
        found = {"date": dates, **found}
    return Gathered(source, found, units["row"], units["date"], tuple(notes))


def _without_totals(source: Source, binding: Binding, choices: Choices, notes: list[Note]) -> Source:
    """Leave out date columns of weeks and months whose days have columns of their own and would count twice."""
    parsed = _dates(source, binding, choices)
    readings = [
        None if first is None else Reading(first, grain)
        for first, grain in zip(parsed.values, [] if parsed.detail is None else parsed.detail, strict=True)
    ]
    covering = _covering({one for one in readings if one is not None})
    totals = {text for text, one in zip(source.dates, readings, strict=True) if one in covering}
    for column in source.layout.dates:
        if column.date_text in totals:
            message = f"column {column.name!r} is not read: it covers days that have columns of their own"
            notes.append(Note("ROW_TOTAL", message, column=column.name))
    return replace(source, dates=tuple(text for text in source.dates if text not in totals))


def _covering(readings: Collection[Reading]) -> set[Reading]:
    """Return the weeks and months that cover another reading; a header may have thousands of dates."""
    by_first: defaultdict[date, list[Reading]] = defaultdict(list)
    for one in readings:
        by_first[one.first].append(one)

    def covers(wide: Reading) -> bool:
        days = (wide.first + timedelta(days=day) for day in range((wide.last - wide.first).days + 1))
        return any(one != wide and one.last <= wide.last for day in days for one in by_first.get(day, ()))

    return {one for one in readings if one.grain != "day" and covers(one)}


def _unread_numbers(source: Source, binding: Binding) -> list[Note]:
    """Warn of unread columns of numbers among the dates: a mistyped date loses its hours."""
    first = min(column.position for column in source.layout.dates)
    notes = []
    for column in binding.unread:
        if not isinstance(column, Column) or column.position < first or not any(map(str.isdigit, column.name)):
            continue
        texts = source.column(column).texts.drop_nulls()
        values = [text for text in texts.head(_SAMPLE).to_list() if not is_blank(text)]
        if not is_total(column.name) and values and sum(map(is_number, values)) > len(values) / 2:
            message = f"column {column.name!r} is not read: it has numbers, but its header is not a known date"
            notes.append(Note("UNREAD_MEASURE", message, column=column.name))
    return notes


def _row_fields(source: Source, binding: Binding, choices: Choices, notes: list[Note]) -> list[GatheredField]:
    conventions = binding.format.conventions
    fields = []
    for bound in sorted(binding.columns, key=lambda each: each.column.position):
        column = bound.column
        if source.dates and additive(bound.field):
            message = f"column {column.name!r} is not read: it covers all dates of its row"
            notes.append(Note("ROW_TOTAL", message, column=column.name))
            continue
        cells = source.column(column)
        parsed = parse_field(bound.rule, cells, conventions, choices)
        fields.append(GatheredField(bound.field, cells, parsed, False, (column.position,), (column.name,)))
    for field, text in binding.format.constants.items():
        cells = source.constant(field, text)
        parsed = parse_field(constant_rule(field), cells, conventions, choices)
        fields.append(GatheredField(field, cells, parsed, False, (-1,), (cells.column,)))
    return fields


def constant_rule(field: str) -> ColumnRule:
    """Return a rule for a value that a format names."""
    return ColumnRule(field=field, sources=(field,), unit="seconds" if FIELDS[field] is FieldKind.DURATION else None)


def _pair_fields(source: Source, binding: Binding, choices: Choices) -> list[GatheredField]:
    fields = []
    for bound in binding.metrics:
        cells = source.metric(bound)
        parsed = parse_field(bound.rule, cells, binding.format.conventions, choices)
        columns = {column.date_text: column for column in bound.columns}
        found = [columns.get(text) for text in source.dates]
        positions = tuple(column.position if column else -1 for column in found)
        names = tuple(column.name if column else cells.column for column in found)
        fields.append(GatheredField(bound.field, cells, parsed, True, positions, names))
    return fields


def _dates(source: Source, binding: Binding, choices: Choices) -> ParsedColumn:
    texts = pl.Series(source.dates, dtype=pl.String)
    lines = pl.repeat(source.layout.header_line, len(texts), dtype=pl.UInt32, eager=True)
    order = choices.date_order or binding.format.conventions.date_order
    return parse_dates(Cells(texts, None, lines, "header"), period=choices.period, order=order)


def _header_dates(source: Source, binding: Binding, choices: Choices) -> GatheredField:
    """Read the dates of the header; each is the date of its pairs."""
    texts, parsed = pl.Series(source.dates, dtype=pl.String), _dates(source, binding, choices)
    first = {column.date_text: column for column in reversed(source.layout.dates)}
    columns = [first[text] for text in source.dates]
    date = pl.select(pl.int_range(source.rows * len(texts), dtype=pl.UInt32) // source.rows).to_series()
    spread = replace(
        parsed,
        values=parsed.values.gather(date),
        state=parsed.state.gather(date),
        code=parsed.code.gather(date),
        detail=None if parsed.detail is None else parsed.detail.gather(date),
    )
    names, positions = tuple(column.name for column in columns), tuple(column.position for column in columns)
    return GatheredField("date", Cells(texts.gather(date), column="header"), spread, True, positions, names)
