"""Repair text that stores refuse: half a surrogate pair becomes U+FFFD; NUL is kept and named."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["repair"]

_HALF: Final = re.compile("[\ud800-\udfff]")
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


def repair(value: Any, note: Callable[[str], None]) -> Any:
    """Return a JSON value whose texts and keys are valid Unicode.

    Args:
        value: as parsed, nested at most :data:`~jobs.trakt.contract.parse.MAX_DEPTH` levels deep.
        note: called with ``HALF_SURROGATE`` or ``NUL_IN_TEXT`` for each text that has one.
    """
    if isinstance(value, str):
        if "\0" in value:
            note("NUL_IN_TEXT")
        # An encoder would refuse the text; this test costs less than a search when there is nothing to find.
        if not value.isascii() and _HALF.search(value):
            note("HALF_SURROGATE")
            return _HALF.sub(_REPLACEMENT, value)
        return value
    if isinstance(value, dict):
        return {repair(key, note): repair(member, note) for key, member in value.items()}
    if isinstance(value, list):
        return [repair(member, note) for member in value]
    return value
