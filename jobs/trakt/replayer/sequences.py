"""Long lists that are computed, not stored: what is missing from them is all that they hold."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort

__all__ = ["Gaps", "insert_sorted"]


class Gaps:
    """The integers from 0 to ``size - 1``, without those removed."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._removed: list[int] = []

    def __len__(self) -> int:
        return self.size - len(self._removed)

    def remove(self, number: int) -> None:
        """Take a number out; one that is out stays out."""
        at = bisect_left(self._removed, number)
        if at == len(self._removed) or self._removed[at] != number:
            self._removed.insert(at, number)

    def put_back(self, number: int) -> None:
        """Return a number that was removed to its place."""
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


def insert_sorted(numbers: list[int], number: int) -> None:
    """Insert a number into a sorted list, unless it is there."""
    at = bisect_left(numbers, number)
    if at == len(numbers) or numbers[at] != number:
        insort(numbers, number)
