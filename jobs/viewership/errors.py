"""Error codes of uploads and units, warnings, and the question that a file leaves open."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from shared.errors import DataError

__all__ = ["NOTES", "REFUSALS", "REJECTS", "BadCatalog", "NeedsChoice", "Refused", "refuse"]

REFUSALS: Final[dict[str, str]] = {
    "FORMAT": "the file is neither a text table nor a workbook that can be read",
    "EMPTY": "the file has no row of data",
}
"""Code of an upload that is refused as a whole -> meaning."""

REJECTS: Final[dict[str, str]] = {}
"""Code of a unit that is rejected -> meaning."""

NOTES: Final[dict[str, str]] = {}
"""Code of a warning -> meaning."""


class Refused(DataError):
    """The whole upload cannot be read; a retry gives the same result."""

    default_code: ClassVar[str] = "FORMAT"


class NeedsChoice(DataError):
    """The file leaves a question open that a person answers with a flag; it is never guessed or retried."""

    default_code: ClassVar[str] = "NEEDS_CHOICE"


class BadCatalog(DataError):
    """A file of the catalogue has rows that cannot be taken; nothing of it is imported."""

    default_code: ClassVar[str] = "BAD_CATALOG"


def refuse(code: str, message: str, **data: Any) -> Refused:
    """Return the error for an upload that is refused.

    Args:
        code: one of :data:`REFUSALS`.
        message: what was found, what is valid, what to do.
        data: named facts.

    Raises:
        KeyError: the code is not in :data:`REFUSALS`.
    """
    if code not in REFUSALS:
        raise KeyError(code)
    return Refused(message, code=code, **data)
