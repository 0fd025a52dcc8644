"""Days in America/Chicago and their deadline at 09:00; the clock never changes near midnight or the deadline."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

__all__ = ["SWEEP_DAYS", "WINDOW_DAYS", "ZONE", "Day", "day_of"]

ZONE: Final = ZoneInfo("America/Chicago")
_DEADLINE: Final = time(9, 0)

WINDOW_DAYS: Final = 28
"""Days of the window: whole weeks, so every window has as many Mondays as Sundays."""

SWEEP_DAYS: Final = 7
"""Days after which a complete sweep of a title is too old."""


@dataclass(frozen=True, slots=True, order=True)
class Day:
    """A day in America/Chicago; it has 23, 24 or 25 hours.

    Example:
        >>> Day(date(2026, 11, 1)).deadline - Day(date(2026, 10, 31)).deadline
        datetime.timedelta(days=1, seconds=3600)
    """

    date: date

    @property
    def start(self) -> datetime:
        """Midnight, in UTC."""
        return _at(self.date, time(0, 0))

    @property
    def end(self) -> datetime:
        """Midnight of the next day, in UTC."""
        return (self + 1).start

    @property
    def deadline(self) -> datetime:
        """09:00, in UTC: 15:00Z in winter, 14:00Z in summer."""
        return _at(self.date, _DEADLINE)

    @property
    def oldest_sweep(self) -> datetime:
        """09:00 local time seven days before, in UTC: the earliest end of a sweep that counts."""
        return (self - SWEEP_DAYS).deadline

    def __add__(self, days: int) -> Day:
        return Day(self.date + timedelta(days=days))

    def __sub__(self, days: int) -> Day:
        return self + -days

    def __str__(self) -> str:
        return self.date.isoformat()


def day_of(instant: datetime) -> Day:
    """Return the day of a time.

    Args:
        instant: a time with a zone.
    """
    return Day(instant.astimezone(ZONE).date())


def _at(day: date, clock: time) -> datetime:
    return datetime.combine(day, clock, ZONE).astimezone(UTC)
