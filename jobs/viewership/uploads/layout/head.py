"""The first rows of a sheet, in which the header is searched; merged cells all have the text of their first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import polars as pl

from jobs.viewership.uploads.layout.texts import is_blank, is_typed, split_date

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobs.viewership.model import Sheet

__all__ = ["HEAD_ROWS", "KINDS", "Head", "has_value", "read_head"]

HEAD_ROWS: Final = 60
"""Rows that are searched for the header; reports have 1 to 15 lines of banner."""

_BODY_ROWS: Final = 20
_BLANKS: Final = " \t\r\n\xa0\u200b\ufeff"


@dataclass(frozen=True, slots=True)
class Head:
    """The first rows of a sheet.

    Attributes:
        rows: texts; None for a cell that is absent or blank.
        lines: line of each row in the file, from 1.
        merged: cells (row, position) whose text is that of the first cell of a merged range.
        ranges: merged ranges: first row, first column, last row, last column.
        is_whole: the sheet has no further rows.
    """

    rows: list[list[str | None]]
    lines: list[int]
    merged: frozenset[tuple[int, int]]
    ranges: tuple[tuple[int, int, int, int], ...]
    is_whole: bool
    _counts: dict[str, list[list[int]]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def filled(self, row: int) -> dict[int, str]:
        """Return the texts of a row by position."""
        return {position: text for position, text in enumerate(self.rows[row]) if text is not None}

    def body(self, row: int) -> list[dict[int, str]]:
        """Return the rows below a row that are not blank, as texts by position."""
        below = map(self.filled, range(row + 1, min(len(self.rows), row + 1 + _BODY_ROWS)))
        return [cells for cells in below if cells]

    def count(self, kind: str, row: int) -> list[int]:
        """Return how many cells of each column are of a kind, in the rows that :meth:`body` returns.

        Each cell is looked at once, not once per row above it: a row may have thousands.

        Args:
            kind: a key of :data:`KINDS`.
            row: the row above them.
        """
        if kind not in self._counts:
            self._counts[kind] = _added(self.rows, KINDS[kind])
        added = self._counts[kind]
        first, last = row + 1, min(len(self.rows), row + 1 + _BODY_ROWS)
        return [after - before for before, after in zip(added[first], added[last], strict=True)]


KINDS: Final[dict[str, Callable[[str], bool]]] = {
    "filled": lambda _: True,
    "value": lambda text: not is_blank(text),
    "typed": lambda text: not is_blank(text) and is_typed(text),
    "dated": lambda text: not is_blank(text) and split_date(text) is not None,
}
"""Kinds of cells: with a text, with more than a mark for no value, with a number, date or duration, with a date."""


def _added(rows: list[list[str | None]], is_kind: Callable[[str], bool]) -> list[list[int]]:
    """Return the counts of each column in the rows before each row, and in all rows."""
    known: dict[str | None, bool] = {None: False}
    added = [[0] * len(rows[0])] if rows else [[]]
    for record in rows:
        for text in record:
            if text not in known:
                known[text] = is_kind(text)  # type: ignore[arg-type]
        added.append([before + known[text] for before, text in zip(added[-1], record, strict=True)])
    return added


def read_head(sheet: Sheet) -> Head:
    """Return the first rows of a sheet."""
    rows = [
        [text if text is not None and text.strip(_BLANKS) else None for text in record]
        for record in sheet.cells.head(HEAD_ROWS).rows()
    ]
    merged: set[tuple[int, int]] = set()
    for top, left, bottom, right in sheet.merged:
        if top >= len(rows) or left >= len(rows[top]):
            continue
        text = rows[top][left]
        for row in range(top, min(bottom + 1, len(rows))):
            for position in range(left, min(right + 1, len(rows[row]))):
                if (row, position) != (top, left):
                    merged.add((row, position))
                    rows[row][position] = text
    lines = [int(line) for line in sheet.lines.head(HEAD_ROWS)]
    return Head(rows, lines, frozenset(merged), sheet.merged, sheet.cells.height <= HEAD_ROWS)


def has_value(cells: pl.DataFrame) -> bool:
    """Return whether a cell holds more than spaces; most tables show it in their first rows."""
    for part in (cells.head(100), cells):
        if not part.width or not part.height:
            return False
        texts = part.select(pl.all().str.strip_chars(_BLANKS).str.len_bytes().max().fill_null(0))
        if max(texts.row(0)) > 0:
            return True
    return False
