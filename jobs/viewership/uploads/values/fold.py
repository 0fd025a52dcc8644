"""Fold variants of one character: spaces, minus signs, apostrophes, digits of other scripts."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

__all__ = ["MARKS", "MIXED", "fold", "is_blank"]

MIXED: Final = "\N{REPLACEMENT CHARACTER}"
"""Replaces a number that mixes ASCII digits with those of another script, as only a forgery does."""

_SPACES: Final = "\t\n\r\v\f\x1c\x1d\x1e\x1f\x85\u00a0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)
_INVISIBLE: Final = "\u00ad\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u2060\ufeff" + "".join(
    chr(code) for start, end in ((0x202A, 0x202F), (0x2066, 0x206A)) for code in range(start, end)
)
_MINUS: Final = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63"
_APOSTROPHES: Final = "\u2018\u2019\u02bc\u2032\u00b4`"


class _Table(dict[int, "str | int | None"]):
    """A table for :meth:`str.translate` that finds the digits of other scripts as they come."""

    def __missing__(self, code: int) -> str | int:
        digit = unicodedata.decimal(chr(code), None)
        found = code if digit is None else str(digit)
        self[code] = found
        return found


def _table() -> _Table:
    table = _Table({code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)})
    table.update({0xFFE5: "\u00a5", 0xFFE1: "\u00a3", 0xFFE6: "\u20a9"})
    table.update(dict.fromkeys(map(ord, _SPACES), " "))
    table.update(dict.fromkeys(map(ord, _INVISIBLE)))
    table.update(dict.fromkeys(map(ord, _MINUS), "-"))
    table.update(dict.fromkeys(map(ord, _APOSTROPHES), "'"))
    # The Arabic thousands separator groups like an apostrophe; U+066B, the decimal one, stays: it is never ambiguous.
    table[0x066C] = "'"
    return table


_TABLE: Final = _table()
_ASCII_DIGIT: Final = re.compile("[0-9]")
_OTHER_DIGIT: Final = re.compile(r"(?![0-9])\d")


def fold(text: str) -> str:
    r"""Return the text stripped, with ASCII spaces, minus signs, apostrophes and digits, without invisible characters.

    >>> fold("\u2212\u00a01\u202f234,5")
    '- 1 234,5'
    >>> fold("\uff11\uff12,\uff15")
    '12,5'
    """
    if text.isascii() and text.isprintable():
        return text.strip()
    if _OTHER_DIGIT.search(text) and _ASCII_DIGIT.search(text):
        return MIXED
    return text.translate(_TABLE).strip()


MARKS: Final = r"-*|n/?a|n\.a\.|null|none|nan|nil|\(null\)|\(none\)|\(blank\)|not available"
"""Expression for the marks of :func:`is_blank`, without regard to case."""
_BLANK: Final = re.compile(MARKS, re.IGNORECASE)


def is_blank(folded: str) -> bool:
    """Return True for text that means no value: nothing, dashes, N/A, NULL.

    >>> [is_blank(text) for text in ("", "--", "N/A", "0", "none yet")]
    [True, True, True, False, False]
    """
    return _BLANK.fullmatch(folded) is not None
