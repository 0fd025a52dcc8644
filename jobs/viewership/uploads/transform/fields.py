"""Read one field from the texts of its column."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import polars as pl

from jobs.viewership.model import FIELDS, CellKind, FieldKind, Note
from jobs.viewership.uploads.formats.steps import apply_steps
from jobs.viewership.uploads.values.calendar import parse_months, parse_quarters, parse_years
from jobs.viewership.uploads.values.column import DECIMAL, Distinct, ParsedColumn, State
from jobs.viewership.uploads.values.dates import parse_dates
from jobs.viewership.uploads.values.durations import parse_durations
from jobs.viewership.uploads.values.fold import is_blank
from jobs.viewership.uploads.values.numbers import AMOUNT, COUNT, MONEY, parse_numbers

if TYPE_CHECKING:
    from jobs.viewership.uploads.formats.model import Conventions, Rule
    from jobs.viewership.uploads.transform.choices import Choices
    from jobs.viewership.uploads.values.column import Cells

__all__ = ["CONTENT", "dtype_of", "parse_field"]

CONTENT: Final = ("content_name", "content_name_2", "content_id", "series")
"""Fields that name content; a file without them has totals of channels."""

_TEXTS: Final = frozenset({FieldKind.TEXT, FieldKind.ID, FieldKind.TIME, FieldKind.NUMBER})
_WHOLE: Final = r"^0*([0-9]{1,9})(?:[.,]0+)?$"
_GROUPED: Final = r"^[1-9][0-9]{0,2}(?:,[0-9]{3})+$"


def dtype_of(field: str) -> pl.DataType | type[pl.DataType]:
    """Return the type of a field's values."""
    kind = FIELDS[field]
    if kind in _TEXTS:
        return pl.String
    if kind is FieldKind.DATE:
        return pl.Date
    return DECIMAL if kind in _DECIMALS else pl.Int64


_DECIMALS: Final = frozenset(
    {FieldKind.DECIMAL, FieldKind.MONEY, FieldKind.HOURS, FieldKind.MINUTES, FieldKind.DURATION}
)


def parse_field(rule: Rule, cells: Cells, conventions: Conventions, choices: Choices) -> ParsedColumn:
    """Read the values of a field.

    Args:
        rule: the field, its unit and its steps.
        cells: raw texts of its column.
        conventions: of the format.
        choices: of the user; they override the format.

    Raises:
        NeedsChoice: the values leave a question open.
    """
    if rule.steps:
        cells = replace(cells, texts=apply_steps(cells.texts, rule.steps))
    kind = rule.kind
    mark = choices.decimal_mark or conventions.decimal_mark
    if kind in _TEXTS:
        return _text(rule.field, cells)
    if kind is FieldKind.DATE:
        return parse_dates(cells, period=choices.period, order=choices.date_order or conventions.date_order)
    if kind in (FieldKind.HOURS, FieldKind.MINUTES, FieldKind.DURATION):
        into = {FieldKind.HOURS: "hours", FieldKind.MINUTES: "minutes", FieldKind.DURATION: "seconds"}[kind]
        return parse_durations(cells, into, unit=rule.unit, mark=mark, clock=choices.clock)  # type: ignore[arg-type]
    if kind in _NUMBERS:
        rules = _NUMBERS[kind]
        return parse_numbers(cells, replace(rules, rounded=rules.rounded or choices.round_money), mark)
    return _CALENDAR[kind](cells)


_NUMBERS: Final = {FieldKind.COUNT: COUNT, FieldKind.DECIMAL: AMOUNT, FieldKind.MONEY: MONEY}
_CALENDAR: Final = {
    FieldKind.MONTH: parse_months,
    FieldKind.QUARTER: parse_quarters,
    FieldKind.YEAR: parse_years,
}


def _text(field: str, cells: Cells) -> ParsedColumn:
    """Return texts as they are; only fields that do not name content have marks for no value, such as N/A."""
    distinct = Distinct.of(cells)
    folded = distinct.folded
    if FIELDS[field] is FieldKind.NUMBER:
        numbers = pl.DataFrame({"text": folded}).select(
            pl.coalesce(
                pl.col("text").str.extract(_WHOLE, 1),
                pl.when(pl.col("text").str.contains(_GROUPED)).then(pl.col("text").str.replace_all(",", "")),
                pl.col("text"),
            )
        )
        values = numbers.to_series()
    else:
        values = distinct.texts
    if field in CONTENT:
        blank = folded == ""
    else:
        short = folded.str.len_chars() <= _LONGEST_BLANK
        blank = short & pl.Series(
            [found and is_blank(text) for text, found in zip(folded, short, strict=True)], dtype=pl.Boolean
        )
    values = values.zip_with(~blank, pl.Series([None], dtype=pl.String))
    return distinct.parsed(values, _failed(distinct), notes=_notes(field, distinct))


_LONGEST_BLANK: Final = 13


def _failed(distinct: Distinct) -> pl.Series:
    if distinct.kinds is None:
        return pl.repeat(None, len(distinct.texts), dtype=pl.String, eager=True)
    codes = {int(CellKind.FORMULA): "FORMULA", int(CellKind.ERROR): "CELL_ERROR"}
    return distinct.kinds.replace_strict(codes, default=None, return_dtype=pl.String)


def _notes(field: str, distinct: Distinct) -> list[Note]:
    """Warn of dates in a column of texts: a spreadsheet makes 1-2 a day of January or February."""
    dated = distinct.of_kinds(CellKind.DATE, CellKind.DURATION).arg_true()
    if not len(dated) or FIELDS[field] is FieldKind.TIME:
        return []
    cells = distinct.cells
    message = (
        f"{cells.named()} is read as text for {field} and has dates or times, such as {distinct.named(dated[0])}; a "
        "spreadsheet may have made them of other texts"
    )
    return [Note("DATE_IN_TEXT", message, cells.line(int(distinct.rows[dated[0]])), cells.column or None)]


def all_values(parsed: ParsedColumn) -> pl.Series:
    """Return a mask of the cells that have a value."""
    return parsed.state == State.VALUE
