"""Turn the values of a workbook's cells into text, as :class:`~jobs.viewership.model.Sheet` has it."""

from __future__ import annotations

import datetime as dt
import math
import re
from typing import Final

from jobs.viewership.model import CellKind

__all__ = ["column_letters", "column_number", "date_text", "duration_text", "format_kind", "number_text", "serial_text"]

# Numbers of formats that every workbook has (ECMA-376, 18.8.30); those of East Asian versions are dates too.
_DATES: Final = frozenset({14, 15, 16, 17, 22, *range(27, 37), *range(50, 59)})
_DURATIONS: Final = frozenset({18, 19, 20, 21, 45, 46, 47})
_LITERALS: Final = re.compile(r'"[^"]*"?|\\.|_.|\*.|am/pm|a/p')
_ELAPSED: Final = re.compile(r"\[(h+|m+|s+)\]")
_BRACKETS: Final = re.compile(r"\[[^\]]*\]?")
_SECONDS: Final = 86_400
# The first serial number after 9999-12-31.
_MAX_SERIAL: Final = 2_958_466
# Excel counts 1900-02-29, which did not exist.
_LEAP_BUG: Final = 60
_MAX_EXACT: Final = 10**15


def format_kind(number: int, code: str | None) -> CellKind:
    """Return what numbers of a format are: NUMBER, DATE or DURATION.

    Args:
        number: number of the format.
        code: its code; None for a built-in format.
    """
    if code is None:
        return CellKind.DATE if number in _DATES else CellKind.DURATION if number in _DURATIONS else CellKind.NUMBER
    positive = _LITERALS.sub("", code.lower()).partition(";")[0]
    if _ELAPSED.search(positive):
        return CellKind.DURATION
    letters = set(_BRACKETS.sub("", positive).replace("general", ""))
    if letters & {"y", "d"} or ("m" in letters and not letters & {"h", "s"}):
        return CellKind.DATE
    return CellKind.DURATION if letters & {"h", "s"} else CellKind.NUMBER


def number_text(value: float) -> str:
    """Return a number without a trailing ``.0``, otherwise in its shortest form.

    >>> number_text(24.0), number_text(12.5), number_text(1e21)
    ('24', '12.5', '1e+21')
    """
    return str(int(value)) if value.is_integer() and abs(value) < _MAX_EXACT else repr(value)


def serial_text(value: float, kind: CellKind, *, is_1904: bool) -> tuple[str, CellKind]:
    """Return the text of a number that is formatted as a date or duration, and its kind.

    A number that is not a date in Excel's calendar stays a number.
    """
    if kind is CellKind.DURATION and math.isfinite(value) and abs(value) < _MAX_SERIAL:
        return duration_text(value * _SECONDS), kind
    if kind is CellKind.DATE and (0 if is_1904 else 1) <= value < _MAX_SERIAL:
        if is_1904:
            epoch = dt.datetime(1904, 1, 1)
        else:
            epoch = dt.datetime(1899, 12, 31 if value < _LEAP_BUG else 30)
        try:
            return date_text(epoch + dt.timedelta(seconds=round(value * _SECONDS))), kind
        except OverflowError:
            pass  # serial numbers of 1904 end 1,462 days earlier
    return number_text(value), CellKind.NUMBER


def date_text(moment: dt.datetime) -> str:
    """Return a date in ISO 8601, with the time of day unless it is midnight."""
    return moment.date().isoformat() if moment.time() == dt.time() else moment.isoformat(timespec="seconds")


def duration_text(seconds: float) -> str:
    """Return a duration as ``H:MM:SS``, with hours beyond 24.

    >>> duration_text(4_231_644.2)
    '1175:27:24'
    """
    whole = round(abs(seconds))
    sign = "-" if seconds < 0 and whole else ""
    return f"{sign}{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def column_number(letters: str) -> int:
    """Return the position of a column, from 0.

    >>> column_number("A"), column_number("XFD")
    (0, 16383)
    """
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1


def column_letters(number: int) -> str:
    """Return the letters of a column.

    >>> column_letters(0), column_letters(16383)
    ('A', 'XFD')
    """
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
