"""The first rows of a sheet, in which the header is searched; merged cells all have the text of their first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

if TYPE_CHECKING:
    from jobs.viewership.model import Sheet

__all__ = ["HEAD_ROWS", "Head", "has_value", "read_head"]

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

    def filled(self, row: int) -> dict[int, str]:
        """Return the texts of a row by position."""
        return {position: text for position, text in enumerate(self.rows[row]) if text is not None}

    def body(self, row: int) -> list[dict[int, str]]:
        """Return the rows below a row that are not blank, as texts by position."""
        below = map(self.filled, range(row + 1, min(len(self.rows), row + 1 + _BODY_ROWS)))
        return [cells for cells in below if cells]


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
