"""Error codes of uploads and units, warnings, and the question that a file leaves open."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any, ClassVar, Final

from shared.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable

Answers = list[list[str | None]]
"""Answers to a question, each of alternating flags and values; the user fills in a value that is None."""

__all__ = [
    "ARRIVALS",
    "AUDIT",
    "DECISIONS",
    "FILTERS",
    "HELD",
    "NOTES",
    "OUTCOMES",
    "REFUSALS",
    "REJECTS",
    "STALE",
    "UNDECIDED",
    "Answers",
    "BadArrival",
    "BadCatalog",
    "DecisionUndone",
    "NeedsChoice",
    "NotReady",
    "Refused",
    "ReviewChanged",
    "answers_to_all",
    "bad_arrival",
    "refuse",
]

REFUSALS: Final[dict[str, str]] = {
    "FORMAT": "the file is neither delimited text nor a workbook that can be read",
    "EMPTY": "the file has no data rows",
    "COLUMNS": "the file lacks a column that its format requires",
    "LIMIT": "the file exceeds a limit on size or shape",
    "TOO_MANY_REJECTED": "a larger share of the rows is rejected than --max-rejected allows",
}
"""Code of an upload that is refused as a whole -> meaning."""

REJECTS: Final[dict[str, str]] = {
    "NUMBER": "the text is not a number",
    "NOT_WHOLE": "the number has a fraction, but its field is a count",
    "TOO_LARGE": "the number has more than 18 digits before the decimal mark",
    "TOO_PRECISE": "the amount has more than 10 digits after the decimal mark; --round-money rounds it",
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

HELD: Final[dict[str, str]] = {
    "NO_DEAL": "no deal fits the row's platform, partner, channel and territory on its day",
    "DEAL_TIE": "several deals fit the row equally well but assign different values",
    "NO_CHANNEL": "neither the row nor its deal names a channel",
    "NO_TERRITORY": "neither the row nor its deal names a territory",
    "NO_HOURS": "the row has neither hours nor minutes",
    "NO_REVENUE": "the row has no revenue",
    "NO_DATE": "the row has no date; read the file again with --period and --on-overlap replace",
    "NO_PERIOD": "the row has no year or quarter; read the file again with --period and --on-overlap replace",
}
"""Code of a unit that is held: the catalogue or deals must change, or a value is missing -> meaning."""

OUTCOMES: Final[dict[str, str]] = {
    "NEEDS_CHOICE": "the file leaves a question open; nothing is stored until a flag answers it",
    "COPY": "another upload has the same rows; nothing is stored until --on-overlap says what to do",
    "OVERLAP": "another upload has rows for the same days; nothing is stored until --on-overlap says what to do",
    "REPLACE_PARTIAL": "an upload to be replaced has rows that the file lacks; nothing is stored",
    "NO_DEALS": "the catalogue has no deal, so no row can be loaded",
    "NO_CATALOG": "the catalogue has no episode, so no row can be matched",
}
"""Code of an upload that waits, or of a phase that cannot start -> meaning."""

UNDECIDED: Final[dict[str, str]] = {
    "NOT_MATCHED": "the row is not matched yet",
    "REJECT": "a reviewer decided that the row matches no episode",
    "ALIAS_UNDONE": "the alias that had matched the row was undone",
}
"""Code of an unmatched unit or one in review, besides the reasons of the matcher -> meaning."""

NOTES: Final[dict[str, str]] = {
    "ROUNDED": "numbers have more than 10 digits after the decimal mark and were rounded",
    "CURRENCIES": "a column has amounts in several currencies",
    "TIME_ZONE": "times have a time zone; dates are kept as written",
    "DATE_IN_TEXT": "a text column has dates, which a spreadsheet may have made from other text",
    "MANGLED_ID": "ids were rounded by a spreadsheet; they are kept as text and not used to match",
    "NUMBER_AS_TEXT": "seasons or episodes are not whole numbers; they are kept as text and match no number",
    "TOTAL_MISMATCH": "a total of the file is not the sum of its rows",
    "NAMED_TOTAL": "rows are named as totals of a group but are not the sum of one; they are read as content",
    "ROW_TOTAL": "a column of a wide sheet is a total of other date columns and is not read",
    "NO_DATE": "the file has no date, and --period was not passed",
    "DAYS_FROM_1904": "day numbers are read as days since 1904, as the workbook or the period says",
    "DAY_NUMBERS": "dates are plain day numbers, and are read as days since 1900",
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

AUDIT: Final[dict[str, str]] = {
    "SUMS": "units, hours, revenue or unreadable values of all fates do not add up to those of the file",
    "UNITS": "stored rows and rows set aside do not add up to the units of the file",
    "VALUES": "the stored rows of an upload differ from those read from its file",
    "STATE": "an upload's status contradicts its other columns, such as 'replaced' without a replacement",
    "UNIT_TWICE": "a unit is both stored and set aside, or stored twice",
    "DAYS": "a date is outside the days of its upload, or a row's week, day or month does not match its date",
    "FILE_MISSING": "the raw file is not in the bucket",
    "FILE_CHANGED": "the raw file's size or SHA-256 differs from the upload's",
    "FILE_READING": "the raw file can no longer be read as it was when uploaded",
    "REREAD": "a unit differs from the raw file",
    "KEY": "a computed value of a key does not follow from its raw fields",
    "KEY_OF_ROW": "the fields of a row differ from those of its key",
    "SCOPE": "a computed value of a scope does not follow from its raw fields or the current deals",
    "SCOPE_OF_ROW": "the platform, domain or day of a row differs from that of its scope",
    "MATCH": "a match differs from the one that the catalogue produces",
    "MATCH_MISSING": "a key of a matched upload has no match",
    "DECISION": "a decision of a reviewer has no effect, or an undone decision still has one",
    "DETAIL": "a final row differs from the expected one",
    "DETAIL_MISSING": "an expected final row is missing",
    "DETAIL_EXTRA": "a final row is not expected: its row, match or scope says otherwise",
    "DETAIL_REPLACED": "a final row belongs to an upload that was replaced, retracted or never loaded",
    "DETAIL_TWICE": "a row has several final rows with the same label",
    "UPLOAD_TWICE": "several uploads that count have the same bytes",
    "NOT_CHECKED": "a step of the cascade failed, so matches were not compared",
    "KEY_STALE": "a key was computed with older rules",
    "SCOPE_STALE": "the deals, channels or territories have changed since the scope was resolved",
    "MATCH_STALE": "the catalogue or the rules have changed since the match",
    "DETAIL_STALE": "the catalogue has changed since the final row was loaded",
}
"""Code of a finding of verify -> meaning."""

STALE: Final = frozenset({"KEY_STALE", "SCOPE_STALE", "MATCH_STALE", "DETAIL_STALE"})
"""Codes of findings that `telecine viewership reprocess` settles; all others are damage."""


ARRIVALS: Final[dict[str, str]] = {
    "EVENT_INVALID": "a column of the event is NULL, or its payload is not valid",
    "UNKNOWN_EVENT": "the event has another type than viewership.upload.arrived",
    "KEY_ESCAPE": "the event names an object outside the bucket",
    "NOT_YET": "the object that the event names does not exist, or is empty",
    "NOT_READABLE": "the store refuses to return the object that the event names",
    "INTERRUPTED": "several steps died while reading the object; it is not read again until it changes",
    "SHA256_MISMATCH": "the object's bytes do not match the digest in the event",
}
"""Code of an event that fails and is retried up to ``--max-attempts`` times -> meaning."""


DECISIONS: Final[dict[str, str]] = {
    "REVIEW_CHANGED": "the key has changed since it was shown; review it again",
    "DECISION_UNDONE": "the decision is already undone",
}
"""Code of a review decision that is refused -> meaning."""


# The most commands to choose from if several questions are open at once.
_MOST_ANSWERS: Final = 12


class Refused(DataError):
    """The whole upload cannot be read; a retry has the same result."""

    default_code: ClassVar[str] = "FORMAT"


class BadArrival(DataError):
    """The event announces no usable object; it is counted, and set aside after several failures."""

    default_code: ClassVar[str] = "EVENT_INVALID"


class NeedsChoice(DataError):
    """The file leaves a question open that the user must answer with a flag; it is never guessed or retried.

    ``answers`` lists the flags and values of each answer: ``[["--clock", "hh:mm"], ["--clock", "mm:ss"]]``. The user
    fills in a value that is None.
    """

    default_code: ClassVar[str] = "NEEDS_CHOICE"

    @property
    def answers(self) -> Answers:
        """Return the answers, each of alternating flags and values; empty if no flag answers the question."""
        return list(self.data.get("answers", ()))


def answers_to_all(questions: Iterable[Answers]) -> Answers:
    """Combine the answers to several questions: all combinations, or flags to fill in if those are too many.

    Args:
        questions: the answers to each question.
    """
    asked = [answers for answers in questions if answers]
    if math.prod(map(len, asked)) <= _MOST_ANSWERS:
        return [[word for answer in chosen for word in answer] for chosen in itertools.product(*asked) if chosen]
    names = dict.fromkeys(str(word) for answers in asked for answer in answers for word in answer[::2])
    return [[word for name in names for word in (name, None)]]


class NotReady(DataError):
    """A phase cannot start, because the catalogue lacks what it needs."""

    default_code: ClassVar[str] = "NO_CATALOG"


class BadCatalog(DataError):
    """A catalogue file has invalid rows; nothing is imported."""

    default_code: ClassVar[str] = "BAD_CATALOG"


class ReviewChanged(DataError):
    """The state of a key differs from the one that the reviewer saw; nothing is decided."""

    default_code: ClassVar[str] = "REVIEW_CHANGED"


class DecisionUndone(DataError):
    """The decision is already undone; the message says by whom and when."""

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


def bad_arrival(code: str, message: str, **data: Any) -> BadArrival:
    """Return the error for an event that announces no usable object.

    Args:
        code: one of :data:`ARRIVALS`.
        message: what was found, what is valid, what to do.
        data: named facts.

    Raises:
        KeyError: the code is not in :data:`ARRIVALS`.
    """
    if code not in ARRIVALS:
        raise KeyError(code)
    return BadArrival(message, code=code, **data)
