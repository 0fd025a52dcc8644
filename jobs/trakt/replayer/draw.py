"""Seeded numbers without state: the same arguments always return the same number."""

from __future__ import annotations

from typing import Final

__all__ = ["mix"]

_MASK: Final = 2**64 - 1


def mix(salt: int, number: int) -> int:
    """Return 64 well-mixed bits of two integers (the finalizer of SplitMix64).

    >>> mix(1, 2) == mix(1, 2), mix(1, 2) == mix(2, 1)
    (True, False)
    """
    word = (number * 0x9E3779B97F4A7C15 + salt * 0xD1B54A32D192ED03 + 0x8CB92BA72F3D8DD7) & _MASK
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _MASK
    return word ^ (word >> 31)
