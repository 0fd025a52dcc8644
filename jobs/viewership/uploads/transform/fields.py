"""Read one field from the texts of its column."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import polars as pl

from jobs.viewership.model import FIELDS, CellKind, FieldKind, Note
from jobs.viewership.uploads.formats.steps import apply_steps
from jobs.viewership.uploads.values.calendar import parse_months, parse_quarters, parse_years
from jobs.viewership.uploads.values.column import DECIMAL, ParsedColumn, State
from jobs.viewership.uploads.values.dates import parse_dates
from jobs.viewership.uploads.values.durations import parse_durations
from jobs.viewership.uploads.values.numbers import AMOUNT, COUNT, MONEY, parse_numbers

if TYPE_CHECKING:
    from jobs.viewership.uploads.formats.model import Conventions, Rule
    from jobs.viewership.uploads.transform.choices import Choices
    from jobs.viewership.uploads.values.column import Cells

__all__ = ["CONTENT", "dtype_of", "parse_field", "without_nul"]

CONTENT: Final = ("content_name", "content_name_2", "content_id", "series")
"""Fields that name content; a file without them has totals of channels."""

_TEXTS: Final = frozenset({FieldKind.TEXT, FieldKind.ID, FieldKind.TIME, FieldKind.NUMBER})
_WHOLE: Final = r"^\s*0*([0-9]{1,9})(?:[.,]0+)?\s*$"
_GROUPED: Final = r"^\s*[1-9][0-9]{0,2}(?:,[0-9]{3})+\s*$"
_INVISIBLE: Final = r"\s\x{0}\x{200b}-\x{200f}\x{2060}\x{feff}"
_VISIBLE: Final = rf"[^{_INVISIBLE}]"
# The marks of fold.is_blank.
_BLANK: Final = (
    rf"(?i)^[{_INVISIBLE}]*(?:[-\x{{2010}}-\x{{2015}}\x{{2212}}]*|n/?a|n\.a\.|null|none|nan|nil|\(null\)|\(none\)|\(blank\)"
    rf"|not available)[{_INVISIBLE}]*$"
)
_NUL: Final = "\0"
_FAILED: Final = {int(CellKind.FORMULA): "FORMULA", int(CellKind.ERROR): "CELL_ERROR"}


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


def without_nul(texts: pl.Series) -> pl.Series:
    """Return texts without NUL characters."""
    if not texts.str.contains(_NUL, literal=True).any():
        return texts
    return texts.str.replace_all(_NUL, "", literal=True)


def _text(field: str, cells: Cells) -> ParsedColumn:
    """Return texts as they are; only fields that do not name content have marks for no value, such as N/A."""
    text = pl.col("text")
    blank = ~text.str.contains(_VISIBLE) if field in CONTENT else text.str.contains(_BLANK)
    value = text
    if FIELDS[field] is FieldKind.NUMBER:
        grouped = pl.when(text.str.contains(_GROUPED)).then(text.str.replace_all(r"[^0-9]", ""))
        value = pl.coalesce(text.str.extract(_WHOLE, 1), grouped, text.str.strip_chars())
    code = pl.lit(None, dtype=pl.String)
    # PostgreSQL cannot store NUL, and one bad cell must not affect the others.
    columns = {"text": without_nul(cells.texts)}
    notes: list[Note] = []
    if cells.kinds is not None:
        columns["kind"] = cells.kinds
        code = pl.col("kind").replace_strict(_FAILED, default=None, return_dtype=pl.String)
        notes = _notes(field, cells, cells.kinds)
    frame = pl.DataFrame(columns).select(
        value=pl.when(~blank & code.is_null()).then(value),
        state=pl.when(code.is_not_null())
        .then(State.UNPARSABLE)
        .when(text.is_null() | blank)
        .then(State.BLANK)
        .otherwise(State.VALUE)
        .cast(pl.UInt8),
        code=code,
    )
    return ParsedColumn(frame["value"], frame["state"], frame["code"], notes=tuple(notes))


def _notes(field: str, cells: Cells, kinds: pl.Series) -> list[Note]:
    """Warn of dates in a column of texts: a spreadsheet makes 1-2 a day of January or February."""
    dated = kinds.is_in([int(CellKind.DATE), int(CellKind.DURATION)]).arg_true()
    if not len(dated) or FIELDS[field] is FieldKind.TIME:
        return []
    line = cells.line(dated[0])
    message = (
        f"{cells.named()} is read as text for {field} and has {len(dated):,} dates or times, first in line {line} "
        f"({cells.texts[dated[0]]!r}); a spreadsheet may have made them from other text"
    )
    return [Note("DATE_IN_TEXT", message, line, cells.column or None)]
