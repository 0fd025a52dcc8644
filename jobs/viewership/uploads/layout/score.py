"""Score the rows of a sheet as its header."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jobs.viewership.uploads.layout.names import clean_header, header_key
from jobs.viewership.uploads.layout.texts import has_header_word, is_typed

if TYPE_CHECKING:
    from collections.abc import Collection

    from jobs.viewership.uploads.layout.head import Head

__all__ = ["BEST_SCORE", "LEAST_SCORE", "Score", "Wanted", "is_data", "score_row"]

LEAST_SCORE: Final = 2.0
"""A row of data scores below 1.5: it has numbers and none above them; names in an unknown language score 3."""

BEST_SCORE: Final = 5.0
"""All names known, every column named, every number below a text."""

_LONGEST_NAME: Final = 80
_MOST: Final = 0.8


@dataclass(frozen=True, slots=True)
class Score:
    """The score of a row as the header.

    Attributes:
        total: the score; see :data:`LEAST_SCORE` and :data:`BEST_SCORE`.
        row: index of the row.
        reasons: what counts for it, as sentences.
    """

    total: float
    row: int
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A column that a format reads.

    Attributes:
        keys: its folded names.
        is_required: a file without it is not of the format.
    """

    keys: frozenset[str]
    is_required: bool


def score_row(head: Head, row: int, wanted: Collection[Wanted] = ()) -> Score:
    """Score a row: names and words of headers, filled above data, unlike the values below it.

    Args:
        head: first rows of the sheet.
        row: index of a row that is not blank.
        wanted: columns of a format, if one was chosen.
    """
    cells = head.filled(row)
    texts = list(cells.values())
    keys = {header_key(text) for text in texts}
    used = {position for position, count in enumerate(head.count("filled", row)) if count}
    counts = enumerate(zip(head.count("typed", row), head.count("value", row), strict=True))
    measured = {position for position, (typed, values) in counts if is_data(typed, values)}
    words = sum(map(has_header_word, texts)) / len(texts)
    typed = sum(map(is_typed, texts)) / len(texts)
    long = sum(len(clean_header(text)) > _LONGEST_NAME for text in texts) / len(texts)
    fill = len(used & cells.keys()) / max(len(used), 1)
    contrast = sum(at in cells and not is_typed(cells[at]) for at in measured) / max(len(measured), 1)
    total = 2 * words + 1.5 * fill + contrast + 0.5 * len(keys) / len(texts) - 3 * typed - 2 * long
    if len(cells) == 1 and len(used) > 1:  # a banner
        total -= 2.0
    reasons = [
        f"{words:.0%} of its cells have a word common in headers",
        f"{fill:.0%} of the columns with values have a name in it",
    ]
    if measured:
        reasons.append(f"{contrast:.0%} of the columns with numbers or dates have text in it")
    if wanted:
        hits = sum(not keys.isdisjoint(one.keys) for one in wanted)
        is_complete = all(not keys.isdisjoint(one.keys) for one in wanted if one.is_required)
        # No other row has every column that the format requires.
        total += 4 * hits / len(wanted) + (4 if is_complete and hits else 0)
        reasons.append(f"{hits} of its names are names of the format")
    return Score(total, row, tuple(reasons))


def is_data(typed: int, values: int) -> bool:
    """Return whether most values, which are not marks for no value, are numbers, amounts, dates or durations."""
    return values > 0 and typed >= _MOST * values
