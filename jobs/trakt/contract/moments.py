"""Times as the API writes them."""

from __future__ import annotations

from datetime import datetime
from typing import Final

__all__ = ["moment"]

# Trakt began in 2010: an earlier time is nonsense, and next to the year 1 it has no time before it.
_FIRST_YEAR: Final = 2000


def moment(text: str) -> datetime | None:
    """Return a time of the API; None if the text is not a time with a zone, or is before the year 2000.

    >>> moment("2026-05-04T03:02:03.456+02:00") == moment("2026-05-04T01:02:03.456Z")
    True
    >>> moment("2026-05-04T01:02:03") is None
    True
    >>> moment("0001-01-01T00:00:00Z") is None
    True
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None and found.year >= _FIRST_YEAR else None
