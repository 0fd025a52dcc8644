"""Distinguish column names from values: dates in a header, numbers, durations, and words of headers."""

from __future__ import annotations

import re
from typing import Final

from jobs.viewership.uploads.layout.names import clean_header, header_key

__all__ = ["has_header_word", "is_blank", "is_number", "is_total", "is_typed", "split_date"]

_MONTH: Final = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}"
_YEAR: Final = "(?:19|20)[0-9]{2}"
_DAY: Final = "(?:0?[1-9]|[12][0-9]|3[01])"
_MONTH_NUMBER: Final = "(?:0?[1-9]|1[0-2])"
_TIME: Final = r"(?:[T ][0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)?"
_FULL: Final = "|".join(
    (
        rf"{_YEAR}[-/.]{_MONTH_NUMBER}[-/.]{_DAY}{_TIME}",
        rf"{_DAY}[-/.]{_DAY}[-/.](?:{_YEAR}|[0-9]{{2}}){_TIME}",
        rf"{_DAY}(?:st|nd|rd|th)?[ \-]{_MONTH}[ ,\-]{{1,2}}(?:{_YEAR}|[0-9]{{2}})",
        rf"{_MONTH}\.?[ \-]{_DAY}(?:st|nd|rd|th)?,?[ \-]{_YEAR}",
    )
)
_DATE_INSIDE: Final = re.compile(rf"(?<![0-9A-Za-z./\-])(?:{_FULL})(?![0-9A-Za-z/\-])", re.IGNORECASE)
_DATE: Final = re.compile(
    rf"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,? )?(?:{_FULL})"
    rf"|{_YEAR}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
    rf"|{_YEAR}-(?:0[1-9]|1[0-2])|{_YEAR}-?W[0-9]{{2}}"
    rf"|{_MONTH}[ '\-]{{1,2}}(?:{_YEAR}|[0-9]{{2}})|{_YEAR}[ \-]{_MONTH}",
    re.IGNORECASE,
)
_DASHES: Final = "-\N{EN DASH}\N{EM DASH}"
_AROUND: Final = f" \t()[]{{}}{_DASHES}:|,;/"
_CURRENCY: Final = "(?:[$€£¥₹]|USD|EUR|GBP)"
_SIGN: Final = r"[(\-+\u2212]?\s*"
_NUMBER: Final = re.compile(
    rf"{_SIGN}{_CURRENCY}?\s*{_SIGN}[0-9][0-9.,' \xa0\u202f]*(?:[eE][+\-]?[0-9]+)?\s*(?:%|{_CURRENCY})?\s*\)?"
    rf"|{_CURRENCY}\s*-+"
)
_DURATION: Final = re.compile(r"[0-9]{1,6}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?|P(?:[0-9]+D)?T(?:[0-9.]+[HMS])+")
_BLANK: Final = frozenset({"", "--", *_DASHES, "n/a", "na", "null", "none", "nan", "#n/a", "."})
_TOTAL: Final = re.compile(r"(?:grand |sub-?|sub )?totals?\b|sum\b|gesamt\b|insgesamt\b", re.IGNORECASE)
_LONGEST_DATED: Final = 100
_WORD: Final = re.compile(r"[^\W\d_]+")
_HEADER_WORDS: Final = frozenset(
    _WORD.findall(
        "account adpool ads airing amount app average avg channel channels city clip cms completion completions"
        " content count country cpm currency date dates day days deal delivery device dim display dma domain duration"
        " earnings ecpm end episode episodes fill genre gross guid hour hours hov id ids impressions inventory key"
        " label language length license market metric min mins minute minutes month mov movie name net network number"
        " partner percentage period platform plays program programme property provider publisher quarter rate region"
        " report revenue runtime season seasons sec seconds secs series session sessions share show start started"
        " starts state station stream streamed streaming streams subtitle sum territory time timestamp title titles"
        " total tvms type unique units url usd users video videos view viewed viewer viewers viewership viewing views"
        " watch watched week year zip"
    )
)


def is_blank(text: str | None) -> bool:
    """Return whether a cell holds nothing, or a mark for no value, such as ``-`` or ``N/A``."""
    return text is None or clean_header(text).casefold() in _BLANK


def is_number(text: str) -> bool:
    """Return whether a text is a number, an amount or a percentage."""
    return bool(_NUMBER.fullmatch(clean_header(text)))


def is_typed(text: str) -> bool:
    """Return whether a text can only be a value: a number, amount, date or duration."""
    visible = clean_header(text)
    return bool(_NUMBER.fullmatch(visible) or _DURATION.fullmatch(visible) or _DATE.fullmatch(visible))


def is_total(text: str) -> bool:
    """Return whether a header or label begins with a word for a total."""
    return bool(_TOTAL.match(clean_header(text)))


def has_header_word(text: str) -> bool:
    """Return whether a text has a word that names columns."""
    key = header_key(text)
    return key == "#" or any(word in _HEADER_WORDS for word in _WORD.findall(key))


def split_date(text: str | None) -> tuple[str, str] | None:
    """Return the date of a header and the rest, the name of a metric or an empty text; None if it has no date.

    Examples:
        >>> split_date("2025-07-01 Hours"), split_date("Jul 2025"), split_date("Hours")
        (('2025-07-01', 'Hours'), ('Jul 2025', ''), None)
    """
    visible = clean_header(text)
    if len(visible) > _LONGEST_DATED or not any(map(str.isdigit, visible)):
        return None
    if _DATE.fullmatch(visible):
        return visible, ""
    found = _DATE_INSIDE.search(visible)
    if found is None:
        return None
    rest = (visible[: found.start()].strip(_AROUND), visible[found.end() :].strip(_AROUND))
    return found[0], " ".join(filter(None, rest))
