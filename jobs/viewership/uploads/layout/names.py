"""Clean column names for display, and fold them for comparison."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

__all__ = ["clean_header", "header_key"]

# Marks without width: soft hyphen, zero-width space and joiners, direction marks, word joiner, byte-order mark.
_INVISIBLE: Final = re.compile("[\xad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\x00]")
_QUOTES: Final = str.maketrans(
    dict.fromkeys("\u2018\u2019\u201b`\xb4", "'") | dict.fromkeys("\u201c\u201d\u201e\u201f\xab\xbb\u2033", '"')
)
_SPACES: Final = re.compile(r"[\s_]+")


def clean_header(text: str | None) -> str:
    r"""Return a header for display: without invisible marks, quotes around it and repeated spaces.

    Examples:
        >>> clean_header('\ufeff"Watch\xa0 Time "')
        'Watch Time'
    """
    visible = " ".join(_INVISIBLE.sub("", text or "").split())
    while len(visible) > 1 and visible[0] in "\"'" and visible[-1] == visible[0]:
        visible = visible[1:-1].strip()
    return visible


def header_key(text: str | None) -> str:
    """Return a header for comparison: compatible characters, case, quotes, underscores and spaces are folded.

    Examples:
        >>> header_key("TOT_HOV ") == header_key("tot hov")
        True
    """
    folded = unicodedata.normalize("NFKC", clean_header(text).translate(_QUOTES)).casefold()
    return _SPACES.sub(" ", folded).strip()
