"""Numbers of a column: one decimal mark for all of them, exact values, never 0 for text that is not a number."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import TYPE_CHECKING, Final

import polars as pl

from jobs.viewership.errors import NeedsChoice
from jobs.viewership.model import CellKind, Note
from jobs.viewership.uploads.values.column import DECIMAL, SCALE, WHOLE_DIGITS, Distinct
from jobs.viewership.uploads.values.currencies import PATTERN
from jobs.viewership.uploads.values.fold import is_blank
from jobs.viewership.uploads.values.number_text import MARKS, DecimalMark, NumberText, read_number

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jobs.viewership.uploads.values.column import Cells, ParsedColumn

__all__ = [
    "AMOUNT",
    "CELL_ERRORS",
    "COUNT",
    "MONEY",
    "NumberRules",
    "Shapes",
    "find_mark",
    "notes_of",
    "parse_numbers",
]

CELL_ERRORS: Final = frozenset(
    {"#N/A", "#DIV/0!", "#REF!", "#NAME?", "#NULL!", "#NUM!", "#VALUE!", "#GETTING_DATA", "#SPILL!", "#CALC!"}
)
"""Errors that a workbook shows in a cell, also when it was saved as text."""

_PLAIN: Final = r"^-?[0-9]+(?:\.[0-9]*)?$"
_NO_AMOUNT: Final = re.compile(rf"(?:(?:{PATTERN})\s*)?\(?-+\)?(?:\s*(?:{PATTERN}|%))?")
# Longer texts are not numbers; see number_text.
_LONGEST: Final = 80
_SHORT: Final = 32

_CONTEXT: Final = Context(prec=200)
_STEP: Final = Decimal(1).scaleb(-SCALE)
_LIMIT: Final = Decimal(10) ** WHOLE_DIGITS


@dataclass(frozen=True, slots=True)
class NumberRules:
    """Rules for the values of a column.

    Attributes:
        whole: only whole numbers are values, such as counts of views. This also settles a decimal mark: 18,306 views
            are eighteen thousand.
        percent: a percentage is a value, divided by 100; else it is not a number.
        money: a currency is a part of a value; else it makes the text unparsable.
        rounded: round digits after the tenth half to even, with a warning; else they are a reject.
    """

    whole: bool = False
    percent: bool = False
    money: bool = False
    rounded: bool = True


COUNT: Final = NumberRules(whole=True)
AMOUNT: Final = NumberRules(percent=True)
MONEY: Final = NumberRules(money=True, rounded=False)


def _exact(value: Decimal, rules: NumberRules) -> tuple[Decimal | None, str | None, bool]:
    """Fit a value into the stored digits.

    Returns:
        The value, or None and a code of :data:`jobs.viewership.errors.REJECTS`; and whether it was rounded.
    """
    if abs(value) >= _LIMIT:
        return None, "TOO_LARGE", False
    fitted = value.quantize(_STEP, rounding=ROUND_HALF_EVEN, context=_CONTEXT)
    if rules.whole and value != value.to_integral_value():
        return None, "NOT_WHOLE", False
    if fitted != value and not rules.rounded:
        return None, "TOO_PRECISE", False
    return fitted, None, fitted != value


def parse_numbers(cells: Cells, rules: NumberRules, mark: DecimalMark | None = None) -> ParsedColumn:
    """Read the numbers of a column.

    Args:
        cells: the column. A number of a workbook is exact, and settles nothing for texts.
        rules: what the values may be.
        mark: the decimal mark, if a format or a flag says it; None decides it from all values.

    Returns:
        Int64 values of whole numbers, else Decimal; ``detail`` is the currency of money.

    Raises:
        NeedsChoice: the texts read both ways, or some only one way and some only the other.
    """
    distinct = Distinct.of(cells)
    shapes = Shapes.of(distinct)
    found, evidence = find_mark(distinct, shapes.numbers(), rules, mark)
    result = shapes.values(found or ".", rules)
    notes = notes_of(distinct, result)
    values = result["value"]
    if rules.whole:
        values = values.cast(pl.Int64)
    return distinct.parsed(
        values, result["code"], convention=found, evidence=evidence, notes=notes, detail=result["currency"]
    )


def notes_of(distinct: Distinct, result: pl.DataFrame) -> list[Note]:
    """Warn of values that were rounded, and of several currencies in one column."""
    notes, cells = [], distinct.cells
    rounded = result["rounded"].arg_true()
    if len(rounded):
        notes.append(
            Note(
                "ROUNDED",
                f"{cells.named()} has {len(rounded)} distinct values with more than {SCALE} digits after the decimal "
                f"mark, such as {distinct.named(rounded[0])}; they were rounded half to even",
                cells.line(int(distinct.rows[rounded[0]])),
                cells.column or None,
            )
        )
    currencies = result["currency"].drop_nulls().unique(maintain_order=True).to_list()
    if len(currencies) > 1:
        notes.append(
            Note(
                "CURRENCIES",
                f"{cells.named()} has amounts in several currencies: {', '.join(currencies)}; they are not converted",
                column=cells.column or None,
            )
        )
    return notes


def find_mark(
    distinct: Distinct, numbers: Iterable[tuple[int, NumberText]], rules: NumberRules, mark: DecimalMark | None
) -> tuple[DecimalMark | None, str | None]:
    """Decide the decimal mark of a column.

    Args:
        distinct: the column.
        numbers: positions in ``distinct``, and their numbers; one of each shape is enough.
        rules: whether only whole numbers count.
        mark: the decimal mark, if a format or a flag says it.

    Returns:
        The mark and the reason; None twice if every number reads the same way with both.

    Raises:
        NeedsChoice: the numbers do not settle it.
    """
    if mark is not None:
        return mark, f"decimal mark {mark!r} was given"
    only: dict[DecimalMark, int] = {}
    either: tuple[int, NumberText] | None = None
    for position, number in numbers:
        marks = [each for each in MARKS if _reads(number, each, whole=rules.whole)]
        if len(marks) == 1:
            only.setdefault(marks[0], position)
        elif marks and either is None and number.value(".") != number.value(","):
            either = (position, number)
    named, where = distinct.cells.named(), distinct.named
    if len(only) == len(MARKS):
        raise NeedsChoice(
            f"{named} has numbers with both decimal marks: {where(only['.'])} and {where(only[','])}; expected one; "
            "pass --decimal-mark . or --decimal-mark ,",
            column=distinct.cells.column,
            flags=["--decimal-mark"],
            answers=[["--decimal-mark", each] for each in MARKS],
        )
    if only:
        [(found, position)] = only.items()
        what = "a whole number" if rules.whole else "a number"
        return found, f"{where(position)} is {what} only with the decimal mark {found!r}"
    if either is not None:
        position, number = either
        raise NeedsChoice(
            f"{named} has ambiguous numbers, and none that settles the decimal mark: {where(position)} is "
            f"{_plain(number.value('.'))} or {_plain(number.value(','))}; expected a decimal mark; pass "
            "--decimal-mark . or --decimal-mark ,",
            column=distinct.cells.column,
            flags=["--decimal-mark"],
            answers=[["--decimal-mark", each] for each in MARKS],
        )
    return None, None


def _reads(number: NumberText, mark: DecimalMark, *, whole: bool) -> bool:
    parts = number.parts(mark)
    return parts is not None and not (whole and number.exponent is None and parts[1].strip("0"))


def _plain(value: Decimal | None) -> str:
    return "not a number" if value is None else f"{value:f}"


@dataclass(frozen=True, slots=True)
class Shapes:
    """The distinct texts of a column by shape: two texts with the same shape differ in their digits only.

    A million amounts have some dozens of shapes. Python reads each shape once; one expression reads all digits.

    Attributes:
        distinct: the column.
        shapes: UInt32, for each distinct text its shape.
        first: UInt32, for each shape its first text, as a position in ``distinct``.
        read: for each shape its number, a code of a reject, or None for a blank.
    """

    distinct: Distinct
    shapes: pl.Series
    first: pl.Series
    read: tuple[NumberText | str | None, ...]

    @classmethod
    def of(cls, distinct: Distinct) -> Shapes:
        """Find the shapes, and read the first text of each."""
        kinds = distinct.kinds
        shapes, first = (_plain_shapes(distinct.folded) if kinds is None else None) or _text_shapes(distinct)
        folded = distinct.folded.gather(first).to_list()
        kinds_of = [CellKind.TEXT] * len(first) if kinds is None else kinds.gather(first).to_list()
        return cls(distinct, shapes, first, tuple(map(_read, folded, kinds_of)))

    def numbers(self) -> Iterable[tuple[int, NumberText]]:
        """Yield the first text of each shape that is a number, of text cells only."""
        kinds = self.distinct.kinds
        for position, read in zip(self.first.to_list(), self.read, strict=True):
            if isinstance(read, NumberText) and (kinds is None or kinds[position] == CellKind.TEXT):
                yield position, read

    def values(self, mark: DecimalMark, rules: NumberRules) -> pl.DataFrame:
        """Return ``value``, ``code``, ``currency`` and ``rounded`` of each distinct text."""
        folded, kinds = self.distinct.folded, self.distinct.kinds
        # A workbook's number is written with a point, whatever the mark of the other texts is.
        marks = [mark if kinds is None or kinds[row] != CellKind.NUMBER else "." for row in self.first.to_list()]
        plans = pl.DataFrame(
            [
                _plan(read, each, rules, folded[row])
                for read, each, row in zip(self.read, marks, self.first, strict=True)
            ],
            schema={"fast": pl.Boolean, "slow": pl.Boolean, "point": pl.Boolean, "sign": pl.String, "code": pl.String}
            | {"currency": pl.String},
            orient="row",
        )
        frame = plans[self.shapes].with_columns(text=folded)
        digits = pl.col("text")
        plain = digits.str.contains(_PLAIN) & (pl.col("point") | ~digits.str.contains(".", literal=True))
        if not frame.select((~pl.col("fast") | plain).all()).item():
            points = digits.str.replace_all("[^0-9.]", "")
            commas = digits.str.replace_all("[^0-9,]", "").str.replace(",", ".", literal=True)
            unsigned = pl.when("point").then(points).otherwise(commas) if not all(plans["point"]) else points
            digits = pl.concat_str("sign", unsigned)
        frame = frame.select(
            pl.when("fast").then(digits).cast(DECIMAL, strict=False).alias("value"), "code", "currency", "slow"
        )
        slow = frame["slow"].arg_true()
        fitted = []
        for text, each in zip(folded.gather(slow), (marks[shape] for shape in self.shapes.gather(slow)), strict=True):
            number = read_number(text)
            value = None if number is None else number.value(each)
            fitted.append((None, "NUMBER", False) if value is None else _exact(value, rules))
        rounded = [row for row, (_, _, cut) in zip(slow, fitted, strict=True) if cut]
        return pl.DataFrame(
            {
                "value": frame["value"].scatter(slow, pl.Series([value for value, _, _ in fitted], dtype=DECIMAL)),
                "code": frame["code"].scatter(slow, pl.Series([code for _, code, _ in fitted], dtype=pl.String)),
                "currency": frame["currency"],
                "rounded": pl.repeat(False, len(frame), eager=True).scatter(rounded, True),
            }
        )


def _plan(read: NumberText | str | None, mark: DecimalMark, rules: NumberRules, folded: str) -> tuple[object, ...]:
    """Say how the texts of a shape become values: as one expression, one by one, or not at all."""
    if not isinstance(read, NumberText):
        return False, False, True, "", read, None
    parts = read.parts(mark)
    code = None
    if parts is None or (read.percent and not rules.percent) or (read.currency and not rules.money):
        code = "NUMBER"
    elif rules.whole and read.exponent is None and parts[1].strip("0"):
        code = "NOT_WHOLE"
    if parts is None or code:
        return False, False, True, "", code, None
    digits = "".join(char for char in folded if char in "0123456789" or char == mark)
    plain = digits == (mark.join(parts) if mark in digits else parts[0])
    short = len(parts[0]) <= WHOLE_DIGITS and len(parts[1]) <= SCALE
    fast = plain and short and read.exponent is None and not read.percent
    return fast, not fast, mark == ".", "-" if read.negative else "", None, read.currency


# A first group never begins with 0, and 1,000 is whole either way: both facts are part of a shape.
_ZERO_FIRST: Final = r"^[^0-9]*0"
_ZERO_PART: Final = r"[.,]0+[^0-9]*$"


def _text_shapes(distinct: Distinct) -> tuple[pl.Series, pl.Series]:
    """Return the shape of each text, and the first text of each shape: the text with each digit as 9."""
    kinds = distinct.kinds
    text = pl.col("text").str.head(_LONGEST)
    keys = (
        pl.DataFrame({"text": distinct.folded, **({} if kinds is None else {"kind": kinds})})
        .select(
            pl.concat_str(
                *([] if kinds is None else [pl.col("kind").cast(pl.String)]),
                pl.when(text.str.contains(_ZERO_FIRST)).then(pl.lit("z")).otherwise(pl.lit(" ")),
                pl.when(text.str.contains(_ZERO_PART)).then(pl.lit("0")).otherwise(pl.lit(" ")),
                text.str.replace_all(r"[0-9]", "9"),
            )
        )
        .to_series()
    )
    shapes = keys.cast(pl.Categorical(pl.Categories.random())).to_physical()
    return shapes, shapes.arg_unique()


def _plain_shapes(folded: pl.Series) -> tuple[pl.Series, pl.Series] | None:
    """Find the shapes of plain numbers by the positions of their marks; None for any other column."""
    text = pl.col("text")
    frame = pl.DataFrame({"text": folded})
    if not frame.select((text.str.contains(_PLAIN) & (text.str.len_bytes() < _SHORT)).all()).item():
        return None
    keys = frame.select(
        text.str.len_bytes() * _SHORT * 8
        + text.str.find(".", literal=True).fill_null(_SHORT - 1) * 8
        + text.str.starts_with("-").cast(pl.UInt32) * 4
        + text.str.contains(_ZERO_FIRST).cast(pl.UInt32) * 2
        + text.str.contains(_ZERO_PART).cast(pl.UInt32)
    ).to_series()
    first = keys.arg_unique()
    places = pl.repeat(0, _SHORT * _SHORT * 8, dtype=pl.UInt32, eager=True)
    places = places.scatter(keys.gather(first), pl.Series(range(len(first)), dtype=pl.UInt32))
    return places.gather(keys), first


def _read(folded: str, kind: int) -> NumberText | str | None:
    """Read the first text of a shape: its number, a code of a reject, or None for a blank."""
    if kind == CellKind.FORMULA:
        return "FORMULA"
    if kind == CellKind.ERROR or folded.upper() in CELL_ERRORS:
        return "CELL_ERROR"
    if kind not in (CellKind.TEXT, CellKind.NUMBER):
        return "NUMBER"
    if is_blank(folded) or _NO_AMOUNT.fullmatch(folded):
        return None
    return read_number(folded) or "NUMBER"
