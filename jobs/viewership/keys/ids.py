"""Ids of content: one form, ids inside longer ids, and ids that a spreadsheet has rounded."""

from __future__ import annotations

import re
from typing import Final

from jobs.viewership.keys.text import cleaned, folded

__all__ = ["contains_at_token_borders", "id_key", "id_parts", "mangled_id"]

_EXPONENT: Final = re.compile(r"[+-]?\d(?:[.,]\d+)?E[+-]?\d{1,3}", re.IGNORECASE)
_PIECES: Final = re.compile(r"[^\W_]+")
_BOTH: Final = re.compile(r"[^\W\d_].*\d|\d.*[^\W\d_]")
# HL-0101: neither of its two pieces has both letters and digits.
_SIMPLE: Final = re.compile(r"[a-z]+[^\w]+[0-9]+")
_MOST_PIECES: Final = 24
_MOST_JOINED: Final = 4


def mangled_id(text: str) -> bool:
    """Return whether a spreadsheet has rounded the id; its digits are lost.

    Example:
        >>> mangled_id("1.23457E+11"), mangled_id("HL-0101"), mangled_id("#REF!")
        (True, False, True)
    """
    text = text.strip()
    return _EXPONENT.fullmatch(text) is not None or text.startswith(("#REF!", "#N/A", "#VALUE!", "#NAME?", "####"))


def id_key(text: str) -> str:
    """Return an id in one form: without case and surrounding space; empty for a rounded id.

    Example:
        >>> id_key(" hl-0101 "), id_key("1.23457E+11")
        ('hl-0101', '')
    """
    return "" if mangled_id(text) else folded(cleaned(text))[:200]


def id_parts(text: str) -> list[str]:
    """Return every run of whole tokens of an id that may be another id, the longest first.

    An id inside another has letters and digits, since a bare number inside a path means something else.

    Example:
        >>> id_parts("nosey_US_HL-0101")[:3]
        ['nosey_us_hl-0101', 'us_hl-0101', 'hl-0101']
        >>> "hl-010" in id_parts("nosey_HL-0101")
        False
    """
    key = id_key(text)
    if not key:
        return []
    if key.isalnum():
        return [key]
    if _SIMPLE.fullmatch(key):
        return [key]
    found = {key}
    spans = [match.span() for match in _PIECES.finditer(key)][:_MOST_PIECES]
    for first, (start, _) in enumerate(spans):
        for _, end in spans[first : first + _MOST_JOINED]:
            piece = key[start:end]
            if not (piece.isdecimal() or piece.isalpha()) and _BOTH.search(piece):
                found.add(piece)
    return sorted(found, key=lambda piece: (-len(piece), key.find(piece)))


def contains_at_token_borders(text: str, part: str) -> bool:
    """Return whether ``part`` occurs in ``text`` with no letter or digit next to it.

    Example:
        >>> contains_at_token_borders("ER: Day One", "er"), contains_at_token_borders("Her Mother's Matter", "ER")
        (True, False)
    """
    text, part = folded(cleaned(text)), folded(cleaned(part))
    return bool(part) and re.search(rf"(?<![^\W_]){re.escape(part)}(?![^\W_])", text) is not None
