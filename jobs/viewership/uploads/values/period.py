"""The period of an upload: the days that it may hold."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

__all__ = ["Period", "month_end", "month_of"]

_FORMS: Final = (
    re.compile(r"(?P<year>\d{4})(?:-(?P<month>\d{2}))?"),
    re.compile(r"(?P<year>\d{4})-?Q(?P<quarter>[1-4])", re.IGNORECASE),
    re.compile(r"(?P<year>\d{4})-?W(?P<week>\d{2})", re.IGNORECASE),
    re.compile(r"(?P<first>\d{4}-\d{2}-\d{2})(?:(?:\.\.|/)(?P<last>\d{4}-\d{2}-\d{2}))?"),
)


def month_of(day: date) -> date:
    """Return the first day of a month."""
    return day.replace(day=1)


def month_end(day: date) -> date:
    """Return the last day of a month."""
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Period:
    """Days from ``first`` to ``last``, both included."""

    first: date
    last: date

    @classmethod
    def parse(cls, text: str) -> Period:
        """Read a year, quarter, month, ISO week, day or range.

        Raises:
            ValueError: the text is none of them.

        >>> str(Period.parse("2025-10"))
        '2025-10-01..2025-10-31'
        >>> str(Period.parse("2026-W01"))
        '2025-12-29..2026-01-04'
        """
        found = next((match for form in _FORMS if (match := form.fullmatch(text.strip()))), None)
        try:
            if found is not None:
                return cls._of({name: value for name, value in found.groupdict().items() if value})
        except ValueError:
            pass
        raise ValueError(
            f"{text!r} is not a period; expected a year, quarter, month, week, day or range, such as 2025, 2025-Q4, "
            "2025-10, 2025-W40, 2025-10-01 or 2025-10-01..2025-10-31"
        )

    @classmethod
    def _of(cls, parts: dict[str, str]) -> Period:
        if "first" in parts:
            first = date.fromisoformat(parts["first"])
            last = date.fromisoformat(parts.get("last", parts["first"]))
            if last < first:
                raise ValueError(parts["last"])
            return cls(first, last)
        year = int(parts["year"])
        if "week" in parts:
            monday = date.fromisocalendar(year, int(parts["week"]), 1)
            return cls(monday, monday + timedelta(days=6))
        if "quarter" in parts:
            month = 3 * int(parts["quarter"]) - 2
            return cls(date(year, month, 1), month_end(date(year, month + 2, 1)))
        if "month" in parts:
            first = date(year, int(parts["month"]), 1)
            return cls(first, month_end(first))
        return cls(date(year, 1, 1), date(year, 12, 31))

    def overlaps(self, first: date, last: date) -> bool:
        """Return True if a day from ``first`` to ``last`` is in the period."""
        return first <= self.last and last >= self.first

    def __str__(self) -> str:
        return f"{self.first}..{self.last}"
