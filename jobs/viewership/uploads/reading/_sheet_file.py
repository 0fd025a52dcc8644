"""The rows of a sheet in a file, written by the process that reads a workbook and read by its parent.

.. code-block:: text

    record   row number 1F kinds 1F cell 1F cell 1F … 1E

Kinds are one digit a cell. XML cannot hold the two separators, so no cell is quoted.
"""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Final

from jobs.viewership.uploads.letters import column_letters
from jobs.viewership.uploads.reading.limits import check_grid, over

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import IO, BinaryIO

    import polars as pl

    from jobs.viewership.uploads.reading.limits import ReadLimits

__all__ = ["SheetWriter", "read_sheet"]

_CELL, _RECORD = "\x1f", "\x1e"
# .xls and escapes such as _x001F_ can hold them: shown as the pictures of these characters.
_SHOWN: Final = str.maketrans({_CELL: "\u241f", _RECORD: "\u241e"})
_BUFFER: Final = 1 << 18


class SheetWriter:
    """Writes the rows of one sheet.

    Args:
        file: the file.
        limits: limits on rows, columns, cells, characters of a cell and bytes of text.
        text_bytes: most bytes of the file.

    Attributes:
        rows: rows with a value.
        width: columns up to the last value.
    """

    def __init__(self, file: BinaryIO, limits: ReadLimits, text_bytes: int) -> None:
        self._file = file
        self._limits = limits
        self._text_bytes = text_bytes
        self._pending: list[str] = []
        self._size = 0
        self._written = 0
        self._cells = 0
        self.rows = 0
        self.width = 0

    def add(self, row: int, cells: Sequence[str], kinds: str) -> None:
        """Add a row.

        Args:
            row: its number, from 1.
            cells: text of its cells from the first column to the last with a value; empty for a cell without one.
            kinds: one digit a cell.

        Raises:
            Refused: ``LIMIT``.
        """
        limits = self._limits
        self.rows += 1
        self.width = max(self.width, len(cells))
        self._cells += len(cells) - cells.count("")
        if self.rows > limits.rows:
            raise over("the sheet has", f"more than {limits.rows:,} rows", limits.rows, "split it by date")
        if len(cells) > limits.columns:
            raise over(
                f"cell {column_letters(len(cells) - 1)}{row} is in column",
                len(cells),
                limits.columns,
                f"delete everything to the right of column {column_letters(limits.columns - 1)}, or save as CSV",
            )
        if self._cells > limits.cells:
            raise over("the sheet has", f"more than {limits.cells:,} cells", limits.cells, "split it by date")
        line = f"{row}{_CELL}{kinds}{_CELL}{_CELL.join(cells)}{_CELL}{_RECORD}"
        if line.count(_CELL) != len(cells) + 2 or line.count(_RECORD) != 1:
            cells = [cell.translate(_SHOWN) for cell in cells]
            line = f"{row}{_CELL}{kinds}{_CELL}{_CELL.join(cells)}{_CELL}{_RECORD}"
        self._pending.append(line)
        self._size += len(line)
        if self._size >= _BUFFER:
            self.flush()

    def flush(self) -> None:
        """Write what is pending.

        Raises:
            Refused: ``LIMIT``.
        """
        data = "".join(self._pending).encode("utf-8", "replace")
        self._written += len(data)
        if self._written > self._text_bytes:
            raise over(
                "the text of the sheet has",
                f"more than {self._text_bytes:,} bytes",
                self._text_bytes,
                "save the sheet as CSV",
            )
        self._file.write(data)
        self._pending, self._size = [], 0

    def check(self) -> None:
        """Check that the sheet is not much larger than its values.

        Raises:
            Refused: ``LIMIT``.
        """
        check_grid("the sheet has", self.rows, self.width, self._cells)


def read_sheet(
    file: IO[bytes], rows: int, width: int, limits: ReadLimits
) -> tuple[pl.DataFrame, pl.Series, pl.DataFrame]:
    """Read the file of a :class:`SheetWriter`: cells, numbers of the rows, and kinds.

    Args:
        file: the file.
        rows: number of rows.
        width: number of columns.
        limits: limits, which a hostile workbook may have kept the writer from checking.

    Raises:
        ValueError: the file does not have so many rows, is too large, or has cells that its writer does not write.
        Refused: ``LIMIT``: nearly all places are empty.
    """
    import polars as pl

    names = [str(position) for position in range(width)]
    if (size := file.seek(0, os.SEEK_END)) > limits.text_bytes:
        raise ValueError(f"{size:,} bytes of text")
    file.seek(0)
    data = file.read()
    # Each record takes the memory of all columns, however short it is.
    if (records := data.count(_RECORD.encode())) != rows:
        raise ValueError(f"expected {rows} rows, got {records}")
    check_grid("the sheet has", rows, width, min(data.count(_CELL.encode()), limits.cells))
    # Polars takes the number of columns from the first record.
    text = b"".join([_CELL.encode() * (width + 2), _RECORD.encode(), data])
    del data
    try:
        frame = pl.read_csv(
            io.BytesIO(text),
            has_header=False,
            schema=dict.fromkeys(("row", "kinds", *names, "end"), pl.String),
            separator=_CELL,
            eol_char=_RECORD,
            quote_char=None,
            infer_schema=False,
        ).slice(1)
        lines = frame["row"].cast(pl.UInt32).alias("lines")
    except pl.exceptions.PolarsError as error:
        raise ValueError(str(error)) from error
    if len(frame) != rows or lines.has_nulls():
        raise ValueError(f"expected {rows} rows, got {len(lines.drop_nulls())}")
    kinds = frame.select(
        pl.col("kinds").str.slice(position, 1).cast(pl.UInt8, strict=False).fill_null(0).alias(name)
        for position, name in enumerate(names)
    )
    return frame.select(names), lines, kinds
