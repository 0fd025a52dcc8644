"""Long lists of integers that are computed: only the missing ones are stored."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Gaps", "Periodic", "insert_sorted"]


class Gaps:
    """The integers from 0 to ``size - 1``, without those removed."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._removed: list[int] = []

    def __len__(self) -> int:
        return self.size - len(self._removed)

    def remove(self, number: int) -> None:
        """Remove a number, unless it was removed before."""
        at = bisect_left(self._removed, number)
        if at == len(self._removed) or self._removed[at] != number:
            self._removed.insert(at, number)

    def put_back(self, number: int) -> None:
        """Put a removed number back in its place."""
        at = bisect_left(self._removed, number)
        if at < len(self._removed) and self._removed[at] == number:
            del self._removed[at]

    def slice(self, start: int, stop: int) -> list[int]:
        """Return the members at the places from ``start`` to ``stop``, as a slice of a list would."""
        stop = min(stop, len(self))
        if start >= stop:
            return []
        number = start
        while (then := start + bisect_right(self._removed, number)) != number:
            number = then
        found: list[int] = []
        at = bisect_left(self._removed, number)
        while len(found) < stop - start:
            if at < len(self._removed) and self._removed[at] == number:
                at += 1
            else:
                found.append(number)
            number += 1
        return found


class Periodic:
    """The integers from 0 to ``size - 1`` that a pattern, repeated without end, marks.

    Args:
        size: the first integer that is not in it, whatever the pattern says.
        pattern: whether the first integers are members.
    """

    def __init__(self, size: int, pattern: Sequence[bool]) -> None:
        self._period = len(pattern)
        self._marked = [at for at, marked in enumerate(pattern) if marked]
        self._before = [0, *accumulate(map(int, pattern))]
        self._pattern = pattern
        self._count = self.below(size)

    def __len__(self) -> int:
        return self._count

    def __contains__(self, number: int) -> bool:
        return self._pattern[number % self._period]

    def below(self, number: int) -> int:
        """Return how many members are less than a number, which is at most the size."""
        rounds, rest = divmod(number, self._period)
        return rounds * len(self._marked) + self._before[rest]

    def at(self, place: int) -> int:
        """Return the member at a place, from 0."""
        rounds, rest = divmod(place, len(self._marked))
        return rounds * self._period + self._marked[rest]


def insert_sorted(numbers: list[int], number: int) -> None:
    """Insert a number into a sorted list, unless it is there."""
    at = bisect_left(numbers, number)
    if at == len(numbers) or numbers[at] != number:
        insort(numbers, number)
