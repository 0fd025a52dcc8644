"""Data that passes between the packages: raw sheets, notes, the fields of a unit, and its fates."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Context, Decimal
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    import polars as pl

__all__ = [
    "FATES",
    "FIELDS",
    "MEASURES",
    "METRICS",
    "SEP_LINE",
    "STATUSES",
    "CellKind",
    "Fate",
    "FieldKind",
    "Note",
    "Sheet",
    "exact_sum",
    "grouped",
    "is_separator",
    "plain",
]


# Sums of 38 digits, as the tables have them. Python rounds a sum to 28 digits, which is less than one large value has.
_EXACT: Final = Context(prec=60)


def exact_sum(values: Iterable[Decimal]) -> Decimal:
    """Return the sum of hours or amounts, without rounding.

    >>> exact_sum([Decimal("999999999999999999.9999999999"), Decimal("0.0000000002")])
    Decimal('1000000000000000000.0000000001')
    """
    total = Decimal()
    for value in values:
        total = _EXACT.add(total, value)
    return total


def plain(value: Decimal) -> str:
    """Return a decimal number without trailing zeros and without an exponent.

    >>> plain(Decimal("12.5000000000")), plain(Decimal("0E-10")), plain(Decimal("-0")), plain(Decimal("-3"))
    ('12.5', '0', '0', '-3')
    """
    return _short(f"{value:f}")


def grouped(value: Decimal, *, sign: bool = False) -> str:
    """Return a decimal number for display, with commas between groups of three digits.

    Args:
        value: the number.
        sign: also write the sign of a positive number.

    >>> grouped(Decimal("1200.50")), grouped(Decimal("1"), sign=True)
    ('1,200.5', '+1')
    """
    return _short(f"{value:+,f}" if sign else f"{value:,f}")


def _short(text: str) -> str:
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


class CellKind(IntEnum):
    """The type of a cell in a workbook; every cell of a text file is TEXT."""

    TEXT = 0
    NUMBER = 1
    DATE = 2
    DURATION = 3
    BOOLEAN = 4
    ERROR = 5
    FORMULA = 6
    """A formula whose value is not in the file."""


class Fate(StrEnum):
    """The fate of a unit of an upload; each unit has exactly one."""

    FINAL = "final"
    UNMATCHED = "unmatched"
    REVIEW = "review"
    HELD = "held"
    REJECTED = "rejected"
    FILTERED = "filtered"
    TOPLINE = "topline"


FATES: Final[dict[Fate, str]] = {
    Fate.FINAL: "it is in `episode_details`: it has a deal, an episode and all values that its label needs",
    Fate.UNMATCHED: "nothing in the catalogue resembles it, or a reviewer decided that it matches nothing",
    Fate.REVIEW: "episodes come close, and a reviewer has to decide",
    Fate.HELD: "it lacks a deal, a channel, a territory or a value; it is loaded once it has one",
    Fate.REJECTED: "its text cannot be read; correct the file, or choose how it is read",
    Fate.FILTERED: "it is not viewership, such as a total",
    Fate.TOPLINE: "it is a total of a channel that names no content; it is kept and never matched",
}
"""Fate of a unit -> meaning."""

STATUSES: Final[dict[str, str]] = {
    "received": "its bytes are kept; it is not read yet",
    "needs_choice": "the file leaves a question open; nothing is stored",
    "refused": "the file cannot be read as a report; nothing is stored",
    "copy": "another upload has the same rows; nothing is stored until `--on-overlap` answers",
    "overlap": "another upload has rows for the same days; nothing is stored until `--on-overlap` answers",
    "skipped": "a copy or an overlap that `--on-overlap skip` left out",
    "read": "its rows are stored; `normalize` is next",
    "normalized": "its rows have their deals; `match` is next",
    "matched": "its rows have their episodes; `load` is next",
    "loaded": "its final rows are in `episode_details`",
    "partial": "loaded, except for rows whose bucket failed; `match` and `load` retry these",
    "replaced": "another upload replaced it; its rows are no longer final",
    "retracted": "it was retracted; its rows are no longer final",
}
"""Status of an upload -> meaning."""


@dataclass(frozen=True, slots=True)
class Note:
    """A warning about an upload, a column or a cell.

    Attributes:
        code: one of :data:`jobs.viewership.errors.NOTES`.
        message: what was found, where, and what was done with it.
        line: line of a text file or row of a workbook, from 1; None for the whole file.
        column: name of the column in the file, or its letters in a workbook.
    """

    code: str
    message: str
    line: int | None = None
    column: str | None = None


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table of raw text, as the file has it.

    Attributes:
        cells: one String column per position, named ``"0"``, ``"1"``, …; null for a cell that is absent or empty. In a
            workbook, numbers are text without a trailing ``.0``, dates ISO 8601, durations ``H:MM:SS`` with hours
            beyond 24, booleans ``TRUE`` and ``FALSE``.
        lines: UInt32, the line where each record begins, from 1; in a workbook, the number of the row.
        kinds: UInt8 values of :class:`CellKind`, in the shape of ``cells``; None for a text file.
        name: name of the workbook's sheet; None for a text file.
        encoding: encoding of a text file, such as ``utf-8`` or ``cp1252``.
        delimiter: delimiter of a text file.
        is_1904: day numbers of the workbook count from 1904.
        merged: ranges of merged cells, as (first row, first column, last row, last column), positions in ``cells``.
        notes: warnings.
        empty_rows: records without any value that are not in ``cells``.
    """

    cells: pl.DataFrame
    lines: pl.Series
    kinds: pl.DataFrame | None = None
    name: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    merged: tuple[tuple[int, int, int, int], ...] = ()
    notes: tuple[Note, ...] = ()
    empty_rows: int = 0
    is_1904: bool = False


SEP_LINE: Final = re.compile(r"sep=(.)\r?(?:\n|\r|\Z)", re.IGNORECASE | re.DOTALL)
"""A first line of delimited text that names its delimiter; Excel writes and reads it."""


def is_separator(character: str) -> bool:
    """Return whether a character can separate cells: ASCII, and neither a quotation mark nor the end of a line."""
    return character.isascii() and character not in '"\r\n\0'


class FieldKind(StrEnum):
    """A kind of field, which decides how its values are read."""

    TEXT = "text"
    ID = "id"
    NUMBER = "number"
    """Season and episode: a whole number, or text that stays as it is."""
    COUNT = "count"
    DECIMAL = "decimal"
    MONEY = "money"
    HOURS = "hours"
    MINUTES = "minutes"
    DURATION = "duration"
    DATE = "date"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"
    TIME = "time"


FIELDS: Final[dict[str, FieldKind]] = {
    "date": FieldKind.DATE,
    "month": FieldKind.MONTH,
    "quarter": FieldKind.QUARTER,
    "year": FieldKind.YEAR,
    "start_time": FieldKind.TIME,
    "end_time": FieldKind.TIME,
    "partner": FieldKind.TEXT,
    "channel": FieldKind.TEXT,
    "territory": FieldKind.TEXT,
    "series": FieldKind.TEXT,
    "season": FieldKind.NUMBER,
    "episode": FieldKind.NUMBER,
    "content_name": FieldKind.TEXT,
    "content_name_2": FieldKind.TEXT,
    "content_id": FieldKind.ID,
    "language": FieldKind.TEXT,
    "viewership_type": FieldKind.TEXT,
    "hours": FieldKind.HOURS,
    "minutes": FieldKind.MINUTES,
    "duration": FieldKind.DURATION,
    "avg_duration_per_session": FieldKind.DURATION,
    "avg_duration_per_viewer": FieldKind.DURATION,
    "avg_session_count": FieldKind.DECIMAL,
    "views": FieldKind.COUNT,
    "sessions": FieldKind.COUNT,
    "unique_viewers": FieldKind.COUNT,
    "completions": FieldKind.COUNT,
    "impressions": FieldKind.COUNT,
    "channel_adpool_impressions": FieldKind.COUNT,
    "channel_adpool_revenue": FieldKind.MONEY,
    "revenue": FieldKind.MONEY,
    "currency": FieldKind.TEXT,
    "city": FieldKind.TEXT,
    "country": FieldKind.TEXT,
    "device_id": FieldKind.ID,
    "device_name": FieldKind.TEXT,
    "device_type": FieldKind.TEXT,
}
"""Field of a unit -> how it is read."""

MEASURES: Final = frozenset({FieldKind.HOURS, FieldKind.MINUTES, FieldKind.MONEY})
"""Kinds of which a report has at least one field."""

METRICS: Final = MEASURES | {FieldKind.COUNT, FieldKind.DECIMAL, FieldKind.DURATION}
"""Kinds whose fields may have one column per date."""
