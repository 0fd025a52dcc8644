"""Clip and join byte ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["clip", "coalesce"]


def clip(size: int, offset: int, length: int) -> tuple[int, int]:
    """Return ``(offset, length)`` clipped to a source of ``size`` bytes.

    Raises:
        ValueError: a number is negative.
    """
    if offset < 0 or length < 0:
        raise ValueError(f"offset {offset}, length {length} is not a range; expected numbers that are not negative")
    begin = min(offset, size)
    return begin, min(length, size - begin)


def coalesce(
    ranges: Sequence[tuple[int, int]], *, gap: int = 64 * 1024, limit: int = 8 * 1024 * 1024
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Join ranges that are close to each other, to send fewer requests to a store.

    Args:
        ranges: ``(offset, length)`` in any order; they may overlap.
        gap: join ranges at most this many bytes apart; reading 64 KiB is faster than another request.
        limit: maximum length of a joined range, so that large ranges are still read concurrently.

    Returns:
        The joined ranges, ordered by offset; and for each requested range, in the order of ``ranges``, the number of
        the joined range that contains it and its position in that range.
    """
    joined: list[tuple[int, int]] = []
    locations: list[tuple[int, int]] = [(0, 0)] * len(ranges)
    for number in sorted(range(len(ranges)), key=lambda candidate: ranges[candidate]):
        offset, length = ranges[number]
        if joined:
            begin, reach = joined[-1]
            end = max(begin + reach, offset + length)
            if offset <= begin + reach + gap and (end - begin <= limit or end == begin + reach):
                joined[-1] = (begin, end - begin)
                locations[number] = (len(joined) - 1, offset - begin)
                continue
        joined.append((offset, length))
        locations[number] = (len(joined) - 1, 0)
    return joined, locations
