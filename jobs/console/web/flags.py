"""Flags of commands in messages, shown as the fields of the console's forms."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["LABELS", "with_fields"]

LABELS: Final = {
    "clock": "durations",
    "date-order": "date order",
    "decimal-mark": "decimal mark",
    "delimiter": "delimiter",
    "domain": "domain",
    "encoding": "encoding",
    "format": "format",
    "header-line": "header row",
    "map": "map",
    "max-rejected": "max rejected",
    "on-overlap": "overlap",
    "period": "period",
    "platform": "platform",
    "round-money": "round money",
    "sheet": "sheet",
}
"""Flags of `viewership run`, without dashes -> labels of their fields."""

# A command, or a value or name of a file.
_QUOTED: Final = re.compile(r"(`[^`]*`|(?<!\w)'[^']*'(?!\w))")
_NAMES: Final = "|".join(sorted(LABELS, key=len, reverse=True))
# An overlap has a button for each choice, and no field.
_OVERLAP: Final = re.compile(r"\bpass --on-overlap\b(?!-)")
_PASSED: Final = re.compile(rf"\bpass (another )?--({_NAMES})\b(?!-)")
_FLAG: Final = re.compile(rf"(?<![\w-])--({_NAMES})\b(?!-)")


def with_fields(message: str | None) -> str:
    """Return a message of a command with the names of the console's fields instead of flags.

    Other flags stay, and so does what is in quotes.

    >>> with_fields("3 dates may be either; pass --date-order")
    '3 dates may be either; choose “date order”'
    """
    parts = _QUOTED.split(message or "")
    # Every second part is in quotes.
    parts[::2] = map(_replaced, parts[::2])
    return "".join(parts)


def _replaced(text: str) -> str:
    text = _OVERLAP.sub("choose", text)
    text = _PASSED.sub(lambda found: f"choose {found[1] or ''}“{LABELS[found[2]]}”", text)
    return _FLAG.sub(lambda found: f"“{LABELS[found[1]]}”", text)
