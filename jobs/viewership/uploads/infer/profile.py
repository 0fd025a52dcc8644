"""Profile the values of a column: shares of numbers, dates, durations, ids and texts in a sample of rows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from jobs.viewership.uploads.layout.names import clean_header
from jobs.viewership.uploads.layout.texts import is_blank, is_number, is_typed, split_date

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["SAMPLE_ROWS", "Profile", "profile_column"]

SAMPLE_ROWS: Final = 1000
"""Rows at the beginning and, evenly spaced, in the rest of the file."""

_SAMPLES: Final = 5
_DURATION: Final = re.compile(r"[0-9]{1,6}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?")
_SMALL: Final = re.compile(r"[0-9]{1,4}")
# Three digits after a mark may be thousands.
_FRACTION: Final = re.compile(r"[0-9][.,](?:[0-9]{1,2}|[0-9]{4,})\s*[)%$€£¥₹]*$")
_COUNTRY: Final = re.compile(r"[A-Z]{2,3}")
_CURRENCY: Final = re.compile(r"[$€£¥₹]|\b(?:USD|EUR|GBP)\b")


@dataclass(frozen=True, slots=True)
class Profile:
    """Shares of the values of a column that are not blank, from 0 to 1.

    Attributes:
        values: number of values that were looked at.
        filled: share of cells that are not blank.
        distinct: share of values that differ.
        numbers: numbers and amounts.
        fractions: numbers with a decimal mark.
        small: whole numbers of up to four digits.
        money: amounts with a currency.
        percent: percentages.
        durations: values such as 1174:47:24.
        dates: dates, months and weeks.
        words: texts with letters, except dates.
        spaced: texts with a space.
        codes: codes of two or three capitals, such as US.
        samples: the first distinct values.
    """

    values: int
    filled: float
    distinct: float
    numbers: float
    fractions: float
    small: float
    money: float
    percent: float
    durations: float
    dates: float
    words: float
    spaced: float
    codes: float
    samples: tuple[str, ...]


def profile_column(texts: pl.Series) -> Profile:
    """Return the profile of a column.

    Args:
        texts: String, the cells below the header.
    """
    step = max(1, (len(texts) - SAMPLE_ROWS) // SAMPLE_ROWS)
    sample = pl.concat([texts.head(SAMPLE_ROWS), texts.slice(SAMPLE_ROWS).gather_every(step)])
    values = [clean_header(text) for text in sample if not is_blank(text)]
    return Profile(
        values=len(values),
        filled=len(values) / max(len(sample), 1),
        distinct=len(set(values)) / max(len(values), 1),
        numbers=_share(values, [is_number(value) for value in values]),
        fractions=_share(values, [is_number(value) and bool(_FRACTION.search(value)) for value in values]),
        small=_share(values, [bool(_SMALL.fullmatch(value)) for value in values]),
        money=_share(values, [is_number(value) and bool(_CURRENCY.search(value)) for value in values]),
        percent=_share(values, [is_number(value) and "%" in value for value in values]),
        durations=_share(values, [bool(_DURATION.fullmatch(value)) for value in values]),
        dates=_share(values, [_is_date(value) for value in values]),
        words=_share(values, [not is_typed(value) and any(map(str.isalpha, value)) for value in values]),
        spaced=_share(values, [" " in value for value in values]),
        codes=_share(values, [bool(_COUNTRY.fullmatch(value)) for value in values]),
        samples=tuple(dict.fromkeys(values))[:_SAMPLES],
    )


def _share(values: Sequence[str], marks: Sequence[bool]) -> float:
    return round(sum(marks) / len(values), 4) if values else 0.0


def _is_date(value: str) -> bool:
    found = split_date(value)
    return found is not None and not found[1]
