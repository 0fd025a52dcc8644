"""Stable codes of answers and items that break the contract, and of oddities that lose no item."""

from __future__ import annotations

from typing import Final

__all__ = ["ANSWER_CODES", "ITEM_CODES", "NOTE_CODES"]

ANSWER_CODES: Final[dict[str, str]] = {
    "NOT_JSON": "the answer is not JSON, such as an HTML page, or is cut off",
    "NOT_A_LIST": "the answer is a single value; this resource is a list",
    "NOT_AN_OBJECT": "the answer is a list or a plain value; this resource is one object",
    "TOO_LARGE": "the answer exceeds 64 MiB",
    "TOO_DEEP": "the answer is nested too deeply to be parsed",
}
"""Code of a whole answer that cannot be read -> meaning; none of its items is accepted."""

ITEM_CODES: Final[dict[str, str]] = {
    "NOT_AN_OBJECT": "the item is a list or a plain value",
    "COMMENT_MISSING": "the item of a feed has no comment",
    "FIELD_MISSING": "a required field is missing",
    "FIELD_INVALID": "a field has the wrong type",
    "NUMBER_RANGE": "a number is NaN or infinite, or outside the range of its field",
    "TEXT_TOO_LONG": "a text is longer than its field permits",
    "TIME_INVALID": "a time is not RFC 3339 with a zone, names no day of the calendar, or is a leap second",
    "TOO_DEEP": "the item is nested more than 32 levels deep",
    "ITEM_TOO_LARGE": "the item exceeds 4 MiB as stored",
}
"""Code of an item that is not accepted -> meaning; the other items of its answer are."""

NOTE_CODES: Final[dict[str, str]] = {
    "HALF_SURROGATE": "a text had half a surrogate pair, which became U+FFFD",
    "NUL_IN_TEXT": "a text contains NUL, which is kept; PostgreSQL refuses it",
    "INVALID_UTF8": "the answer had bytes that are not UTF-8, each of which became U+FFFD",
    "DUPLICATE_KEY": "an object had a key more than once; the last value counts",
    "TIME_OUT_OF_RANGE": "a time is before the site began, or in the future",
    "UNKNOWN_TYPE": "an item of a feed has a type that the contract does not know",
}
"""Code of an oddity of an accepted item or of its answer -> meaning; they are counted."""
