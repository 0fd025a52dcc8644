"""Sheets of raw text for tests of viewership, built from rows."""

from __future__ import annotations

import polars as pl

from jobs.viewership.model import Sheet


def sheet_of(rows, merged=(), *, first_line=1):
    """Build a sheet; "" and None are empty cells, and short rows are filled up."""
    width = max(map(len, rows))
    filled = [
        [cell if cell not in {"", None} else None for cell in [*row, *[None] * (width - len(row))]] for row in rows
    ]
    columns = {str(at): pl.Series([row[at] for row in filled], dtype=pl.String) for at in range(width)}
    lines = pl.Series(range(first_line, first_line + len(rows)), dtype=pl.UInt32)
    return Sheet(cells=pl.DataFrame(columns), lines=lines, merged=tuple(merged))


def table(text, delimiter="|"):
    """Split a text into rows; leading and trailing blank lines are dropped."""
    return [[cell.strip() for cell in line.split(delimiter)] for line in text.strip("\n").splitlines()]
