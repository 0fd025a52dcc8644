"""Read numbers from untrusted values: missing, NaN, infinite, negative or too large for a float."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["MAX_AGE_D", "age", "count", "number", "split_times"]

MAX_AGE_D: Final = 100_000.0
"""Days; 273 years, older than any film."""
# Whole numbers up to this are exact as floats.
_MAX_COUNT: Final = 2**53


def number(value: Any) -> float | None:
    """Return a finite number as a float; None for anything else."""
    try:
        read = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return read if math.isfinite(read) else None


def count(value: Any) -> int | None:
    """Return a whole number from 0 to 2^53; None for anything else."""
    read = number(value)
    return int(read) if read is not None and 0 <= read <= _MAX_COUNT and read == int(read) else None


def age(value: Any) -> float | None:
    """Return an age in days; None unless it is positive and at most :data:`MAX_AGE_D`."""
    read = number(value)
    return read if read is not None and 0 < read <= MAX_AGE_D else None


def split_times(times: Iterable[Any] | None, end: float) -> tuple[list[float], int]:
    """Return the times from 0 to ``end``, ascending, and the number of the others."""
    inside: list[float] = []
    outside = 0
    for value in times or ():
        read = number(value)
        if read is not None and 0 <= read <= end:
            inside.append(read)
        else:
            outside += 1
    inside.sort()
    return inside, outside
