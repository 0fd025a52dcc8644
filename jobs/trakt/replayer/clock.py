"""The site's clock: milliseconds since 1970, moved by requests, and by real time if ``speed`` is set."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DAY", "MINUTE", "SECOND", "START", "Clock", "http_date", "iso", "parse_iso"]

SECOND: Final = 1_000
MINUTE: Final = 60 * SECOND
DAY: Final = 1_440 * MINUTE

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

START: Final = int((datetime(2026, 5, 4, tzinfo=UTC) - _EPOCH) / timedelta(milliseconds=1))
"""The time at which the events of every world start; all comments made in advance are older."""


class Clock:
    """A clock that stands still unless a request, :meth:`advance` or real time moves it.

    Args:
        step: milliseconds per request.
        speed: virtual seconds per real second; with 0, the real clock is never read.
        wall: the real clock, in seconds.
    """

    def __init__(self, *, step: int = 200, speed: float = 0.0, wall: Callable[[], float] = time.monotonic) -> None:
        self.now = START
        self._step = step
        self._speed = speed
        self._wall = wall
        self._seen = wall() if speed else 0.0
        self._rest = 0.0

    def tick(self) -> int:
        """Move the clock for one request, and return its time.

        Real time that passed since the last request counts up to a day of virtual time: a site that was idle for a
        night must not have years to catch up on.
        """
        self.now += self._step
        if self._speed:
            wall = self._wall()
            passed = min((wall - self._seen) * self._speed * SECOND, float(DAY)) + self._rest
            self._seen = wall
            whole = int(passed)
            self._rest = passed - whole
            self.now += whole
        return self.now

    def advance(self, milliseconds: int) -> int:
        """Move the clock as a client's sleep would, and return its time; at most one day at a time.

        Raises:
            ValueError: the time is negative or longer than a day.
        """
        if not 0 <= milliseconds <= DAY:
            raise ValueError("expected 0 to 86400 seconds")
        self.now += milliseconds
        return self.now


def iso(milliseconds: int) -> str:
    """Return a time as the API writes it.

    >>> iso(1_400_000_000_123)
    '2014-05-13T16:53:20.123Z'
    """
    days, rest = divmod(milliseconds, DAY)
    seconds, thousandths = divmod(rest, SECOND)
    minutes, second = divmod(seconds, 60)
    return f"{_date(days)}T{minutes // 60:02d}:{minutes % 60:02d}:{second:02d}.{thousandths:03d}Z"


@lru_cache(maxsize=10_000)
def _date(days: int) -> str:
    return (_EPOCH + timedelta(days=days)).date().isoformat()


def parse_iso(text: str) -> int:
    """Return the milliseconds of a time as the API writes it.

    Raises:
        ValueError: the text is not a time with a zone.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("expected a time with a zone")
    return int((moment - _EPOCH) / timedelta(milliseconds=1))


def http_date(milliseconds: int) -> str:
    """Return a time as HTTP headers write it.

    >>> http_date(1_400_000_000_123)
    'Tue, 13 May 2014 16:53:20 GMT'
    """
    return format_datetime(_EPOCH + timedelta(seconds=milliseconds // SECOND), usegmt=True)
