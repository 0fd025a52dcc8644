"""Arithmetic on byte ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["clip", "coalesce"]


def clip(size: int, offset: int, length: int) -> tuple[int, int]:
    """Cut ``(offset, length)`` to what lies within a source of ``size`` bytes.

    Raises:
        ValueError: for negative numbers.
    """
    if offset < 0 or length < 0:
        raise ValueError(f"a range begins at 0 or later and is not negative; got offset {offset}, length {length}")
    begin = min(offset, size)
    return begin, min(length, size - begin)


def coalesce(
    ranges: Sequence[tuple[int, int]], *, gap: int = 64 * 1024, limit: int = 8 * 1024 * 1024
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Join ranges that lie close to each other, so that a store gets fewer requests.

    Args:
        ranges: ``(offset, length)`` in any order; they may overlap.
        gap: join over so many unwanted bytes; 64 KiB take less time than another request.
        limit: no joined range grows beyond this, so that big ones are still read side by side.

    Returns:
        The joined ranges in order of offset; and for each range asked, in the order asked, ``(which joined range, where
        in it)``.
    """
    joined: list[tuple[int, int]] = []
    places: list[tuple[int, int]] = [(0, 0)] * len(ranges)
    for number in sorted(range(len(ranges)), key=lambda which: ranges[which]):
        offset, length = ranges[number]
        if joined:
            begin, reach = joined[-1]
            end = max(begin + reach, offset + length)
            if offset <= begin + reach + gap and (end - begin <= limit or end == begin + reach):
                joined[-1] = (begin, end - begin)
                places[number] = (len(joined) - 1, offset - begin)
                continue
        joined.append((offset, length))
        places[number] = (len(joined) - 1, 0)
    return joined, places
