"""Read one date: every way it can be meant, by the order of its day, month and year."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final, Literal

from jobs.viewership.uploads.values.months import CONNECTORS, MONTHS, WEEKDAYS
from jobs.viewership.uploads.values.period import Period, month_end

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["TIME", "ZONE", "DateOrder", "DateText", "Grain", "Reading", "read_date"]

DateOrder = Literal["dmy", "mdy", "ymd"]
Grain = Literal["day", "week", "month"]

_FIRST_YEAR: Final = 2000
_LAST_YEAR: Final = 2099

# Excel's day 0; its false 29 February 1900 is before every plausible date.
_EXCEL_1900: Final = date(1899, 12, 30)
_EXCEL_1904: Final = date(1904, 1, 1)

_LONGEST: Final = 80
_YEAR_DIGITS: Final = 4
# Years of two digits from here on are of the last century, and so implausible.
_CENTURY_PIVOT: Final = 70


@dataclass(frozen=True, slots=True)
class Reading:
    """A date, and whether it is a day or the first day of a week or month."""

    first: date
    grain: Grain = "day"

    @property
    def last(self) -> date:
        """Return the last day of the day, week or month."""
        if self.grain == "day":
            return self.first
        return month_end(self.first) if self.grain == "month" else self.first + timedelta(days=6)

    @property
    def plausible(self) -> bool:
        """Return False for years before 2000 (1970 is a missing date) and after 2099."""
        return _FIRST_YEAR <= self.first.year <= _LAST_YEAR


@dataclass(frozen=True, slots=True)
class DateText:
    """A date as it is written.

    Attributes:
        fixed: the date, if it is unambiguous.
        numbers: first, second and third number, if their order has to be decided; the third is None without a year.
        separator: character between the numbers.
        serial: a day number of a workbook, which counts from 1900, or from 1904 in old files for the Mac.
        short_year: the year has two digits.
        day_month: day and month, if the text names the month and no year.
        month_year: the month, if the number of ``day_month`` may also be a year, as in "Jul-25".
        until: last date of a range.
    """

    fixed: Reading | None = None
    numbers: tuple[int, int, int | None] | None = None
    separator: str = ""
    short_year: bool = False
    serial: int | None = None
    day_month: tuple[int, int] | None = None
    month_year: Reading | None = None
    until: DateText | None = None

    @property
    def lacks_year(self) -> bool:
        """Return True if only the period can say the year."""
        return self.day_month is not None or (self.numbers is not None and self.numbers[2] is None)

    def read(
        self, order: DateOrder, period: Period | None = None, *, base_1904: bool = False, months: bool = False
    ) -> Reading | None:
        """Return the date in this order; None if there is no such day.

        Args:
            order: order of day, month and year.
            period: says the year of a date without one.
            base_1904: day numbers count from 1904.
            months: "Jul-25" is July 2025, not 25 July.
        """
        first = self._read(order, period, base_1904=base_1904, months=months)
        if self.until is None or first is None:
            return first
        last = self.until.read(order, period, base_1904=base_1904)
        return None if last is None else _range(first, last)

    def _read(self, order: DateOrder, period: Period | None, *, base_1904: bool, months: bool) -> Reading | None:
        if months and self.month_year is not None:
            return self.month_year
        if self.serial is not None:
            return Reading((_EXCEL_1904 if base_1904 else _EXCEL_1900) + timedelta(days=self.serial))
        if self.day_month is not None:
            return _in_period(*self.day_month, period)
        return self.fixed if self.numbers is None else self._ordered(self.numbers, order, period)

    def _ordered(self, numbers: tuple[int, int, int | None], order: DateOrder, period: Period | None) -> Reading | None:
        one, two, three = numbers
        if three is None:
            return None if order == "ymd" else _in_period(*((one, two) if order == "dmy" else (two, one)), period)
        if order == "ymd":
            return _day(_century(one), two, three) if self.short_year else None
        day, month = (one, two) if order == "dmy" else (two, one)
        return _day(_century(three) if self.short_year else three, month, day)


def _day(year: int, month: int, day: int) -> Reading | None:
    try:
        return Reading(date(year, month, day))
    except ValueError:
        return None


def _century(year: int) -> int:
    return year + (2000 if year < _CENTURY_PIVOT else 1900)


def _in_period(day: int, month: int, period: Period | None) -> Reading | None:
    if period is None:
        return None
    years = range(period.first.year, period.last.year + 1)
    readings = [found for year in years if (found := _day(year, month, day))]
    inside = [found for found in readings if period.overlaps(found.first, found.first)]
    return inside[0] if len(inside) == 1 else (readings[0] if len(readings) == 1 else None)


def _range(first: Reading, last: Reading) -> Reading | None:
    """Return a range as the day, week or month that it is; None for any other span."""
    if first.grain != "day" or last.grain != "day":
        return None
    if first.first == last.first:
        return first
    if last.first - first.first == timedelta(days=6):
        return Reading(first.first, "week")
    if first.first.day == 1 and last.first == month_end(first.first):
        return Reading(first.first, "month")
    return None


TIME: Final = (
    r"(?:[T\s,]\s*|\s+at\s+)(?:[01]?[0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.,][0-9]{1,9})?)?"
    r"(?:\s*[AaPp]\.?[Mm]\.?)?(?:\s*(?:Z|UTC|GMT|[A-Z]{2,4}|[+-][0-9]{2}(?::?[0-9]{2})?))?$"
)
"""A time after a date; also a pattern for Polars, whose regular expressions have no look-around."""

ZONE: Final = r"(Z|[A-Z]{3,4}|[+-][0-9]{2}(?::?[0-9]{2})?)$"
"""The zone at the end of a time, also for Polars."""

_YEAR_FIRST: Final = re.compile(r"(\d{4})\s?([-/.\u5e74 ])\s?(\d{1,2})\s?[-/.\u6708 ]\s?(\d{1,2})\s?\u65e5?")
_YEAR_LAST: Final = re.compile(r"(\d{1,2})\s*([-/. ])\s*(\d{1,2})\s*\2\s*(\d{4}|'?\d{2})")
_NO_YEAR: Final = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\.?")
_COMPACT: Final = re.compile(r"(20\d{2})(\d{2})(\d{2})")
_SERIAL: Final = re.compile(r"([1-9]\d{4})(?:[.,]\d+)?")
_YEAR_MONTH: Final = re.compile(r"(\d{4})\s?[-/.]\s?(\d{1,2})|(20\d{2})(0[1-9]|1[0-2])")
_MONTH_YEAR: Final = re.compile(r"(\d{1,2})\s?[-/.]\s?(\d{4})")
_WEEK: Final = re.compile(r"(\d{4})[-\s]?W(\d{1,2})(?:-?([1-7]))?", re.IGNORECASE)
_RANGES: Final = (
    re.compile(r"(.*\S)\s+(?:-|to|until|bis|a|al|au)\s+(\S.*)", re.IGNORECASE),
    re.compile(r"(.*\S)\s*(?:\.\.|~)\s*(\S.*)"),
    re.compile(r"(\d{4}-\d{2}-\d{2})/(\d{4}-\d{2}-\d{2})"),
)
_ORDINAL: Final = re.compile(r"(\d{1,2})(?:st|nd|rd|th|er|o|\u00ba|\u00aa|a)?")
_WORDS: Final = re.compile(r"[\s,./-]+")


def read_date(folded: str) -> DateText | None:
    """Read a date, or a range that is a day, week or month; None if the text is neither.

    Args:
        folded: text that :func:`~jobs.viewership.uploads.values.fold.fold` returned, without a time after it.

    >>> read_date("2026-W01").read("dmy").first.isoformat()
    '2025-12-29'
    >>> read_date("03/10/2025").read("dmy").first.isoformat()
    '2025-10-03'
    """
    if not folded or len(folded) > _LONGEST:
        return None
    if found := _numeric(folded) or _named(folded):
        return found
    for form in _RANGES:
        if parts := form.fullmatch(folded):
            first, last = (re.sub(TIME, "", part).strip() for part in parts.groups())
            begin, end = _numeric(first) or _named(first), _numeric(last) or _named(last)
            if begin and end:
                return replace(begin, until=end)
    return None


def _numeric(text: str) -> DateText | None:
    for form, read in _NUMERIC:
        if match := form.fullmatch(text):
            return read(match)
    return None


def _fixed(reading: Reading | None) -> DateText | None:
    return None if reading is None else DateText(fixed=reading)


def _month(year: int, month: int) -> Reading | None:
    found = _day(year, month, 1)
    return None if found is None else Reading(found.first, "month")


def _week(year: int, week: int, day: str | None) -> Reading | None:
    try:
        found = date.fromisocalendar(year, week, int(day or 1))
    except ValueError:
        return None
    return Reading(found, "day" if day else "week")


def _year_last(match: re.Match[str]) -> DateText:
    numbers = (int(match[1]), int(match[3]), int(match[4].lstrip("'")))
    return DateText(numbers=numbers, separator=match[2], short_year=len(match[4]) < _YEAR_DIGITS)


_NUMERIC: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], DateText | None]], ...]] = (
    (_YEAR_FIRST, lambda match: _fixed(_day(int(match[1]), int(match[3]), int(match[4])))),
    (_YEAR_LAST, _year_last),
    (_COMPACT, lambda match: _fixed(_day(int(match[1]), int(match[2]), int(match[3])))),
    (_SERIAL, lambda match: DateText(serial=int(match[1]))),
    (_YEAR_MONTH, lambda match: _fixed(_month(int(match[1] or match[3]), int(match[2] or match[4])))),
    (_MONTH_YEAR, lambda match: _fixed(_month(int(match[2]), int(match[1])))),
    (_WEEK, lambda match: _fixed(_week(int(match[1]), int(match[2]), match[3]))),
    (_NO_YEAR, lambda match: DateText(numbers=(int(match[1]), int(match[3]), None), separator=match[2])),
)


def _named(text: str) -> DateText | None:
    """Read a date with the name of a month: "Jul 5 2025", "5 de julio de 2025", "05-Jul-25", "Jul 2025"."""
    plain = "".join(char for char in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(char))
    words = [word for word in _WORDS.split(plain) if word and word not in CONNECTORS and word not in WEEKDAYS]
    places = [place for place, word in enumerate(words) if word in MONTHS]
    if len(places) != 1 or len(words) not in (2, 3):
        return None
    place = places[0]
    month = MONTHS[words.pop(place)]
    if len(words) == 1:
        return _named_without_day(words[0], month)
    years = [word for word in words if re.fullmatch(r"\d{4}", word)]
    if len(years) == 1:
        year, rest = years[0], words[1 - words.index(years[0])]
    else:
        # A year of two digits comes last: 05-Jul-25, Jul 5 '25.
        rest, year = words
        if place == len(words) or not re.fullmatch(r"'?\d{2}", year):
            return None
    day = _ORDINAL.fullmatch(rest)
    if day is None:
        return None
    number = int(year.lstrip("'"))
    return _fixed(_day(number if len(year) == _YEAR_DIGITS else _century(number), month, int(day[1])))


def _named_without_day(word: str, month: int) -> DateText | None:
    if re.fullmatch(r"\d{4}", word):
        return _fixed(_month(int(word), month))
    if match := re.fullmatch(r"'(\d{2})", word):
        return _fixed(_month(_century(int(match[1])), month))
    day = _ORDINAL.fullmatch(word)
    if day is None:
        return None
    number = int(day[1])
    month_year = _month(_century(number), month) if re.fullmatch(r"\d{2}", word) else None
    return DateText(day_month=(number, month), month_year=month_year)
