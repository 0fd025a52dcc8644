"""Turn the values of a workbook's cells into text, as :class:`~jobs.viewership.model.Sheet` has it."""

from __future__ import annotations

import datetime as dt
import math
import re
from typing import Final

from jobs.viewership.model import CellKind

__all__ = ["date_text", "duration_text", "format_kind", "number_text", "serial_text"]

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
_EPOCH, _EPOCH_BEFORE_LEAP_BUG, _EPOCH_1904 = dt.date(1899, 12, 30), dt.date(1899, 12, 31), dt.date(1904, 1, 1)
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
        days, second = divmod(round(value * _SECONDS), _SECONDS)
        first = _EPOCH_1904 if is_1904 else _EPOCH_BEFORE_LEAP_BUG if value < _LEAP_BUG else _EPOCH
        try:
            return date_text(first + dt.timedelta(days), second), kind
        except OverflowError:
            pass  # serial numbers of 1904 end 1,462 days earlier
    return number_text(value), CellKind.NUMBER


def date_text(day: dt.date, second: int = 0) -> str:
    """Return a date in ISO 8601, with the time of day unless it is midnight.

    >>> date_text(dt.date(2025, 7, 1)), date_text(dt.date(2025, 7, 1), 36_000)
    ('2025-07-01', '2025-07-01T10:00:00')
    """
    time = f"T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}" if second else ""
    return f"{day.isoformat()}{time}"


def duration_text(seconds: float) -> str:
    """Return a duration as ``H:MM:SS``, with hours beyond 24.

    >>> duration_text(4_231_644.2)
    '1175:27:24'
    """
    whole = round(abs(seconds))
    sign = "-" if seconds < 0 and whole else ""
    return f"{sign}{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
