"""Error codes of uploads and units, warnings, and the question that a file leaves open."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from shared.errors import DataError

__all__ = ["NOTES", "REFUSALS", "REJECTS", "NeedsChoice", "Refused", "refuse"]

REFUSALS: Final[dict[str, str]] = {
    "FORMAT": "the file is neither a text table nor a workbook that can be read",
    "EMPTY": "the file has no row of data",
    "COLUMNS": "the file lacks a column that its format requires",
    "LIMIT": "the file holds more than the limits of reading allow",
}
"""Code of an upload that is refused as a whole -> meaning."""

REJECTS: Final[dict[str, str]] = {}
"""Code of a unit that is rejected -> meaning."""

NOTES: Final[dict[str, str]] = {
    "DUPLICATE_COLUMN": "several columns have the same name",
    "ENCODING": "the text is not UTF-8 and was read as cp1252, or bytes are not valid in the encoding that was named",
    "RAGGED": "records have more or fewer cells than the others",
    "NUL": "the text holds NUL characters",
    "QUOTES": "a cell has text beside its quotes",
    "HIDDEN_SHEETS": "the workbook has hidden sheets, which are not read",
    "FORMULA": "formulas have no value in the file: the program that wrote it did not calculate them",
    "LEGACY_WORKBOOK": "an .xls, .xlsb or .ods workbook, of which cells with errors read as blank",
    "ERROR_CELL": "cells hold errors such as #DIV/0!",
}
"""Code of a warning -> meaning."""


class Refused(DataError):
    """The whole upload cannot be read; a retry gives the same result."""

    default_code: ClassVar[str] = "FORMAT"


class NeedsChoice(DataError):
    """The file leaves a question open that a person answers with a flag; it is never guessed or retried."""

    default_code: ClassVar[str] = "NEEDS_CHOICE"


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
