"""Differences of two texts: both as pieces, of which the differing ones are marked."""

from __future__ import annotations

import difflib
from typing import NamedTuple

from shared.text import cut

__all__ = ["Piece", "alike", "marked"]

# difflib compares texts of this length in a millisecond; titles are shorter.
_MOST_CHARS = 200


class Piece(NamedTuple):
    """A part of a text, and whether the other text lacks it."""

    text: str
    differs: bool


def marked(one: str, other: str) -> tuple[list[Piece], list[Piece]]:
    """Return both texts as pieces; case is compared, and texts beyond 200 characters are marked as a whole.

    Example:
        >>> marked("Storm 1", "Storm 12")
        ([Piece(text='Storm 1', differs=False)], [Piece(text='Storm 1', differs=False), Piece(text='2', differs=True)])
    """
    if max(len(one), len(other)) > _MOST_CHARS:
        return [Piece(one, one != other)], [Piece(other, one != other)]
    left: list[Piece] = []
    right: list[Piece] = []
    for tag, a, b, c, d in difflib.SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        differs = tag != "equal"
        if a < b:
            left.append(Piece(one[a:b], differs))
        if c < d:
            right.append(Piece(other[c:d], differs))
    return left, right


def alike(one: str, other: str) -> float:
    """Return how alike two texts are, from 0 to 1, without regard to case.

    Example:
        >>> round(alike("The Long Storm", "the longest storm"), 2)
        0.9
    """
    a, b = (cut(text.casefold(), _MOST_CHARS) for text in (one, other))
    return difflib.SequenceMatcher(None, a, b, autojunk=False).ratio()
