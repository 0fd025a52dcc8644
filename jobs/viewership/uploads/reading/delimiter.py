"""Decide the delimiter of delimited text by how consistent its records are, with quoting respected."""

from __future__ import annotations

import csv
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from jobs.viewership.errors import NeedsChoice, refuse
from jobs.viewership.model import SEP_LINE, is_separator

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["DELIMITERS", "Dialect", "find_dialect"]

DELIMITERS: Final[dict[str, str]] = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
"""Delimiters that are recognised -> name."""

_SEP_BYTES: Final = len("sep=;\r\n")
_SAMPLE: Final = 1 << 16
# A quoted cell may be longer than the sample.
_MAX_SAMPLE: Final = 1 << 20
# Share of records that have the usual number of cells. Decimal commas or commas in titles stay below; banners above a
# table and lines with too few cells do not bring it below.
_LEAST_SHARE: Final = 0.5


class Dialect(NamedTuple):
    """The delimiter of delimited text, and the line that names it.

    Attributes:
        delimiter: one character; a comma for a table of one column.
        skip: bytes of the line ``sep=``, which Excel writes and reads; 0 without one.
    """

    delimiter: str
    skip: int


class _Fit(NamedTuple):
    share: float
    width: int
    delimiter: str


def find_dialect(text: bytes, pinned: str | None = None) -> Dialect:
    """Decide the delimiter of a table.

    Args:
        text: UTF-8 without a byte-order mark.
        pinned: a delimiter that a format or a user names; a line ``sep=`` overrides it.

    Raises:
        NeedsChoice: two delimiters fit equally well.
    """
    # Latin-1 has one character per byte.
    if match := SEP_LINE.match(text[:_SEP_BYTES].decode("latin-1")):
        if not is_separator(match[1]):
            raise refuse(
                "FORMAT", f"line 1 says sep={match[1].encode('latin-1')!r}, which is not a delimiter; remove the line"
            )
        return Dialect(match[1], match.end())
    if pinned is not None:
        return Dialect(pinned, 0)
    size = _SAMPLE
    while True:
        sample = text[:size]
        fits = [fit for delimiter in DELIMITERS if (fit := _fit(sample, delimiter, whole=size >= len(text)))]
        if fits or size >= min(len(text), _MAX_SAMPLE):
            break
        size *= 4
    if not fits:
        return Dialect(",", 0)
    fits.sort(reverse=True)
    best, *others = fits
    if others and others[0][:2] == best[:2]:
        equal = [fit for fit in fits if fit[:2] == best[:2]]
        names = [f"{DELIMITERS[fit.delimiter]} ({fit.width} columns)" for fit in equal]
        raise NeedsChoice(
            f"the delimiter is undecided: {' and '.join(sorted(names))} fit all records equally well; name it with "
            "--delimiter",
            answers=[["--delimiter", "tab" if fit.delimiter == "\t" else fit.delimiter] for fit in equal],
        )
    return Dialect(best.delimiter, 0)


def _fit(sample: bytes, delimiter: str, *, whole: bool) -> _Fit | None:
    """Return how well a delimiter fits; None if the table has one column with it."""
    lines = sample.splitlines(keepends=True)
    widths = list(_widths((line.decode("utf-8", "replace") for line in lines), delimiter))
    if not whole and len(widths) > 1:
        widths.pop()  # the last record may be cut
    counts = Counter(width for width in widths if width)
    if not (several := [(count, width) for width, count in counts.items() if width > 1]):
        return None
    count, width = max(several)
    share = count / counts.total()
    return _Fit(share, width, delimiter) if share >= _LEAST_SHARE else None


def _widths(lines: Iterable[str], delimiter: str) -> Iterable[int]:
    reader = csv.reader(lines, delimiter=delimiter)
    while True:
        try:
            yield len(next(reader))
        except StopIteration:
            return
        except csv.Error:  # a cell over the csv module's own limit: what comes after is not understood
            return
