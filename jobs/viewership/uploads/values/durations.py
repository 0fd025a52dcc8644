"""Durations of a column: clocks, words, ISO 8601 and plain numbers, as exact hours, minutes or seconds."""

from __future__ import annotations

import itertools
import re
from decimal import Context, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Final, Literal

import polars as pl

from jobs.viewership.errors import NeedsChoice
from jobs.viewership.model import CellKind
from jobs.viewership.uploads.values.column import DECIMAL, SCALE, WHOLE_DIGITS, Distinct
from jobs.viewership.uploads.values.duration_text import DurationText, read_duration
from jobs.viewership.uploads.values.fold import is_blank
from jobs.viewership.uploads.values.numbers import CELL_ERRORS, NumberRules, Shapes, find_mark, notes_of

if TYPE_CHECKING:
    from jobs.viewership.uploads.values.column import Cells, ParsedColumn
    from jobs.viewership.uploads.values.duration_text import ClockForm
    from jobs.viewership.uploads.values.number_text import DecimalMark

__all__ = ["UNIT_SECONDS", "DurationUnit", "in_unit", "parse_durations"]

DurationUnit = Literal["hours", "minutes", "seconds"]

UNIT_SECONDS: Final[dict[DurationUnit, int]] = {"hours": 3600, "minutes": 60, "seconds": 1}
"""Unit -> its seconds."""

_RULES: Final = NumberRules()
_NOT_NUMBER: Final = r"[:A-DF-Za-df-z]"
_THREE: Final = r"^(-?)([0-9]{1,9}):([0-5][0-9]):([0-5][0-9])$"
_MINUTES: Final = 60
_CONTEXT: Final = Context(prec=60)
_KIND_CODES: Final[dict[int, str]] = {
    CellKind.ERROR: "CELL_ERROR",
    CellKind.FORMULA: "FORMULA",
    CellKind.BOOLEAN: "DURATION",
    CellKind.DATE: "DURATION",
}


def in_unit(seconds: Fraction, unit: DurationUnit) -> Decimal | None:
    """Return seconds in a unit, rounded once, half to even, to the stored digits; None if there are too many digits.

    >>> from fractions import Fraction
    >>> in_unit(Fraction(100), "minutes")
    Decimal('1.6666666667')
    """
    scaled = round(seconds / UNIT_SECONDS[unit] * 10**SCALE)
    if abs(scaled) >= 10 ** (SCALE + WHOLE_DIGITS):
        return None
    return Decimal(scaled).scaleb(-SCALE, _CONTEXT)


def parse_durations(
    cells: Cells,
    into: DurationUnit,
    *,
    unit: DurationUnit | None = None,
    mark: DecimalMark | None = None,
    clock: ClockForm | None = None,
) -> ParsedColumn:
    """Read the durations of a column.

    Args:
        cells: the column.
        into: unit of the values.
        unit: unit of numbers without one; None is ``into``.
        mark: decimal mark, if a format or a flag says it.
        clock: form of a clock of two numbers (37:44), if a format or a flag says it.

    Returns:
        Decimal values in the unit ``into``, each rounded once.

    Raises:
        NeedsChoice: the decimal mark or the form of the clock stays open.
    """
    distinct = Distinct.of(cells)
    folded, kinds = distinct.folded, distinct.kinds
    numeric = ~folded.str.contains(_NOT_NUMBER) & distinct.of_kinds(CellKind.TEXT, CellKind.NUMBER)
    threes = folded.str.contains(_THREE) & distinct.of_kinds(CellKind.TEXT, CellKind.DURATION)
    rest = (~numeric & ~threes).arg_true()
    texts = {place: _read(folded[place], CellKind.TEXT if kinds is None else kinds[place]) for place in rest.to_list()}
    places = numeric.arg_true()
    numbers = distinct if len(places) == len(folded) else distinct.only(places)
    shapes = Shapes.of(numbers)
    plain = ((places[place], number) for place, number in shapes.numbers())
    words = ((place, number) for place, text in texts.items() if text for number in text.numbers())
    decided, evidence = find_mark(distinct, itertools.chain(plain, words), _RULES, mark)
    form, reason = _clock_form(distinct, texts, threes, clock)
    result = shapes.values(decided or ".", _RULES)
    notes = notes_of(numbers, result)
    if not len(rest) and not threes.any():
        values = _converted(result["value"], unit or into, into)
        return distinct.parsed(values, result["code"], convention=decided, evidence=evidence, notes=notes)

    values = pl.repeat(None, len(folded), dtype=DECIMAL, eager=True)
    codes = pl.repeat(None, len(folded), dtype=pl.String, eager=True)
    values = values.scatter(places, _converted(result["value"], unit or into, into))
    codes = codes.scatter(places, result["code"])
    values = values.scatter(threes.arg_true(), _converted(_seconds(folded.filter(threes)), "seconds", into))
    slow = []
    for place, text in texts.items():
        seconds = None if text is None else text.read(decided or ".", form, UNIT_SECONDS[unit or into])
        slow.append(_value(folded[place], seconds, into))
    if kinds is not None:
        failed = [_KIND_CODES.get(kinds[place]) for place in texts]
        slow = [(None, code) if code else pair for code, pair in zip(failed, slow, strict=True)]
    values = values.scatter(rest, pl.Series([value for value, _ in slow], dtype=DECIMAL))
    codes = codes.scatter(rest, pl.Series([code for _, code in slow], dtype=pl.String))
    return distinct.parsed(
        values,
        codes,
        convention=", ".join(filter(None, (decided, form if reason else None))) or None,
        evidence="; ".join(filter(None, (evidence, reason))) or None,
        notes=notes,
    )


def _read(folded: str, kind: int) -> DurationText | None:
    return read_duration(folded) if kind in (CellKind.TEXT, CellKind.NUMBER, CellKind.DURATION) else None


def _value(folded: str, seconds: Fraction | None, into: DurationUnit) -> tuple[Decimal | None, str | None]:
    if seconds is not None:
        value = in_unit(seconds, into)
        return value, "TOO_LARGE" if value is None else None
    if is_blank(folded):
        return None, None
    return None, "CELL_ERROR" if folded.upper() in CELL_ERRORS else "DURATION"


def _seconds(clocks: pl.Series) -> pl.Series:
    frame = pl.DataFrame({"text": clocks})
    hours, minutes, seconds = (pl.col("text").str.extract(_THREE, group).cast(pl.Int64) for group in (2, 3, 4))
    total = hours * 3600 + minutes * 60 + seconds
    negative = pl.col("text").str.starts_with("-")
    return frame.select(pl.when(negative).then(-total).otherwise(total)).to_series()


def _converted(values: pl.Series, unit: DurationUnit, into: DurationUnit) -> pl.Series:
    """Convert values to another unit; Polars divides decimals half to even."""
    values = values.cast(DECIMAL)
    ratio = Fraction(UNIT_SECONDS[unit], UNIT_SECONDS[into])
    if ratio == 1 or not len(values):
        return values
    if ratio > 1:
        return values * pl.Series([Decimal(int(ratio))], dtype=DECIMAL)
    return values / pl.Series([Decimal(ratio.denominator)], dtype=DECIMAL)


def _clock_form(
    distinct: Distinct, texts: dict[int, DurationText | None], threes: pl.Series, clock: ClockForm | None
) -> tuple[ClockForm, str | None]:
    """Decide whether 37:44 is hours and minutes, or minutes and seconds."""
    pairs = [(place, text.pair) for place, text in texts.items() if text is not None and text.pair is not None]
    if not pairs or clock is not None:
        return clock or "hh:mm", f"{clock} was given" if pairs else None
    if all(pair == (0, 0) for _, pair in pairs):
        return "hh:mm", None
    fractions = [place for place in texts if re.search(r"^-?\d+:\d\d[.,]\d+$", distinct.folded[place])]
    if fractions:
        return "mm:ss", f"{distinct.named(fractions[0])} has a fraction, which only seconds have"
    # A program that leaves out hours writes 1:02:13 and 37:44; one that writes 0:37:44 does not.
    full = (threes & distinct.of_kinds(CellKind.TEXT)).arg_true()
    if len(full) and all(first < _MINUTES for _, (first, _) in pairs):
        hours = distinct.folded.gather(full).str.extract(_THREE, 2).cast(pl.Int64)
        if (hours > 0).all():
            return "mm:ss", f"{distinct.named(full[0])} has hours, and {distinct.named(pairs[0][0])} leaves them out"
    place, (first, second) = pairs[0]
    cells = distinct.cells
    raise NeedsChoice(
        f"{cells.named()} has ambiguous durations, and none that settles their form: {distinct.named(place)} is "
        f"{first} h {second} min or {first} min {second} s; expected one form; pass --clock hh:mm or --clock mm:ss",
        column=cells.column,
        flags=["--clock"],
        answers=[["--clock", "hh:mm"], ["--clock", "mm:ss"]],
    )
