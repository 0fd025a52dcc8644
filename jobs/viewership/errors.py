"""Error codes of uploads and units, warnings, and the question that a file leaves open."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from shared.errors import DataError

__all__ = [
    "DECISIONS",
    "FILTERS",
    "NOTES",
    "REFUSALS",
    "REJECTS",
    "BadCatalog",
    "DecisionUndone",
    "NeedsChoice",
    "Refused",
    "ReviewChanged",
    "refuse",
]

REFUSALS: Final[dict[str, str]] = {
    "FORMAT": "the file is neither delimited text nor a workbook that can be read",
    "EMPTY": "the file has no data rows",
    "COLUMNS": "the file lacks a column that its format requires",
    "LIMIT": "the file exceeds a limit on size or shape",
}
"""Code of an upload that is refused as a whole -> meaning."""

REJECTS: Final[dict[str, str]] = {
    "NUMBER": "the text is not a number",
    "NOT_WHOLE": "the number has a fraction, but its field is a count",
    "TOO_LARGE": "the number has more than 18 digits before the decimal mark",
    "TOO_PRECISE": "the amount has more than 10 digits after the decimal mark; money is never rounded",
    "DURATION": "the text is neither a duration nor a number",
    "DATE": "the text is not a date, or is ambiguous",
    "DATE_IMPLAUSIBLE": "the date is before 2000 or after 2099, such as 1970-01-01 for a missing date",
    "DATE_OUTSIDE": "the date is outside the period of the upload",
    "MONTH": "the text is not a month",
    "QUARTER": "the text is not a quarter",
    "YEAR": "the text is not a year from 2000 to 2099",
    "CELL_ERROR": "the cell holds an error, such as #N/A",
    "FORMULA": "the cell is a formula without a cached value",
    "RAGGED": "the row has more cells than the header; its values may be shifted",
}
"""Code of a unit that is rejected -> meaning."""

FILTERS: Final[dict[str, str]] = {
    "TOTAL": "a total of other rows",
    "HEADER": "a repeated header",
    "NO_VALUES": "a row without values in the columns that are read",
    "FILTER": "excluded by a filter of the format",
}
"""Code of a unit that is filtered -> meaning."""

NOTES: Final[dict[str, str]] = {
    "ROUNDED": "numbers have more than 10 digits after the decimal mark and were rounded",
    "CURRENCIES": "a column has amounts in several currencies",
    "TIME_ZONE": "times have a time zone; dates are kept as written",
    "DATE_IN_TEXT": "a text column has dates, which a spreadsheet may have made from other text",
    "MANGLED_ID": "ids were rounded by a spreadsheet; they are kept as text and not used to match",
    "TOTAL_MISMATCH": "a total of the file is not the sum of its rows",
    "ROW_TOTAL": "a column of a wide sheet covers all dates of its row and is not read",
    "NO_DATE": "the file has no date, and --period was not passed",
    "DAYS_FROM_1904": "the workbook uses the 1904 date system",
    "UNREAD_MEASURE": "a column seems to have hours or revenue that no other column has, and is not read",
    "DUPLICATE_COLUMN": "several columns have the same name",
    "ENCODING": "the text is not UTF-8 and was read as cp1252, or has bytes that are invalid in the chosen encoding",
    "RAGGED": "records have more or fewer cells than the others",
    "NUL": "the text holds NUL characters",
    "QUOTES": "a cell has text outside its quotes",
    "HIDDEN_SHEETS": "the workbook has hidden sheets, which are not read",
    "FORMULA": "formulas have no cached value: the program that wrote the file did not calculate them",
    "LEGACY_WORKBOOK": "cells with errors read as blank in an .xls, .xlsb or .ods workbook",
    "ERROR_CELL": "cells hold errors such as #DIV/0!",
}
"""Code of a warning -> meaning."""


DECISIONS: Final[dict[str, str]] = {
    "REVIEW_CHANGED": "the key has changed since it was shown: look at it again",
    "DECISION_UNDONE": "the decision was undone before",
}
"""Code of a decision of the review that is refused -> meaning."""


class Refused(DataError):
    """The whole upload cannot be read; a retry gives the same result."""

    default_code: ClassVar[str] = "FORMAT"


class NeedsChoice(DataError):
    """The file leaves a question open that the user answers with a flag; it is never guessed or retried."""

    default_code: ClassVar[str] = "NEEDS_CHOICE"


class BadCatalog(DataError):
    """A catalogue file has invalid rows; nothing is imported."""

    default_code: ClassVar[str] = "BAD_CATALOG"


class ReviewChanged(DataError):
    """The state of a key is not the one that the reviewer saw; nothing is decided."""

    default_code: ClassVar[str] = "REVIEW_CHANGED"


class DecisionUndone(DataError):
    """The decision was undone before; the message says by whom and when."""

    default_code: ClassVar[str] = "DECISION_UNDONE"


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
