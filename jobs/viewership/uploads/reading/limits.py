"""Limits on what one upload may hold; a file over one is refused with the number found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from jobs.viewership.errors import Refused, refuse
from shared.limits import REPORT_BYTES

__all__ = ["FREE_PLACES", "MAX_MERGED", "ReadLimits", "check_grid", "over"]

MAX_MERGED: Final = 100_000
"""Most merged ranges of a sheet."""

# A frame has a place for each column in each row, 16 bytes each: a long record among many short ones costs as much as
# if all were long, and an empty cell as much as one with a value. Values take at least a tenth of the places, or there
# are few places: 128 MB.
_PLACES_PER_CELL: Final = 10
FREE_PLACES: Final = 8_000_000
"""Places that a table may have however few values it has."""


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """Limits of :func:`~jobs.viewership.uploads.reading.read`.

    Attributes:
        bytes: size of the file.
        rows: records of a text file, or rows of a sheet with at least one value.
        columns: cells of the longest record; a sheet's last column with a value.
        cell_chars: characters of one cell; Excel's own limit is 32,767.
        cells: cells with a value in a workbook's sheet.
        unzipped_bytes: total size of the parts of a workbook that are read.
        ratio: how many times larger a part of a workbook may be than its compressed form. Sheets that Excel writes
            reach 10 to 30; deflate itself ends at 1,032.
        text_bytes: text of a workbook's sheet in UTF-8, or eight times the size of the file if that is more: one long
            shared string may be shown in a million cells.
        memory_mb: address space of the process that reads a workbook, of which Python takes about 25 MB.
        seconds: wall-clock time of that process; less for a small file.
    """

    bytes: int = REPORT_BYTES
    rows: int = 4_000_000
    columns: int = 4_096
    cell_chars: int = 32_767
    cells: int = 20_000_000
    unzipped_bytes: int = 1024**3
    ratio: int = 100
    text_bytes: int = 64 * 1024**2
    memory_mb: int = 320
    seconds: float = 120.0


def over(what: str, found: int | str, limit: int, advice: str, **data: object) -> Refused:
    """Return the error for a file over a limit.

    Args:
        what: the file or a part of it, with its verb: ``line 7 has``.
        found: the number found, with its unit if it is not that of the limit.
        limit: the largest number allowed.
        advice: what to do.
        data: named facts.
    """
    number = f"{found:,}" if isinstance(found, int) else found
    return refuse("LIMIT", f"{what} {number}; expected at most {limit:,}; {advice}", limit=limit, **data)


def check_grid(what: str, rows: int, columns: int, cells: int) -> None:
    """Refuse a table of which nearly all places are empty.

    Args:
        what: the table, with its verb: ``the sheet has``.
        rows: number of records.
        columns: cells of the longest one.
        cells: number of cells with a value, or more.

    Raises:
        Refused: ``LIMIT``.
    """
    most = FREE_PLACES + _PLACES_PER_CELL * cells
    if rows * columns > most:
        raise over(
            what,
            f"{rows:,} rows of up to {columns:,} columns and only {cells:,} cells with a value",
            most,
            "delete the empty rows and columns, and the stray cells far to the right",
        )
