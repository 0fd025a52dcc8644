"""Files of gaps: rows that `catalog import` reads as episodes once a user has filled in what is missing."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Final

from jobs.viewership.catalog.cells import neutralised

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["GAP_COLUMNS", "gap_file"]

GAP_COLUMNS: Final = ("ref_id", "series", "series_code", "season", "episode", "title")
"""Columns of the files, all of which the kind `episodes` has."""
_WIDTHS: Final = (20, 40, 14, 8, 8, 60)


def gap_file(form: str, rows: Sequence[Sequence[str | None]]) -> bytes:
    """Return a file with one row per episode. Formulas are neutralised where a spreadsheet may run them.

    Args:
        form: ``csv``, ``jsonl`` or ``xlsx``.
        rows: values of :data:`GAP_COLUMNS`.
    """
    if form == "jsonl":
        lines = (dict(zip(GAP_COLUMNS, row, strict=True)) for row in rows)
        return "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines).encode()
    cells = [[neutralised(value or "") for value in row] for row in rows]
    return _workbook(cells) if form == "xlsx" else _csv(cells)


def _csv(cells: Sequence[Sequence[str]]) -> bytes:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(GAP_COLUMNS)
    writer.writerows(cells)
    return stream.getvalue().encode()


def _workbook(cells: Sequence[Sequence[str]]) -> bytes:
    import xlsxwriter

    body = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(body, options) as book:
        sheet = book.add_worksheet("episodes")
        # Text, so that a spreadsheet does not turn 1-2 into a date or 007 into a number.
        text = book.add_format({"num_format": "@"})
        bold = book.add_format({"bold": True})
        for column, width in enumerate(_WIDTHS):
            sheet.set_column(column, column, width, text)
        for column, name in enumerate(GAP_COLUMNS):
            sheet.write_string(0, column, name, bold)
        for number, row in enumerate(cells, 1):
            for column, value in enumerate(row):
                if value:
                    sheet.write_string(number, column, value, text)
        sheet.freeze_panes(1, 0)
    return body.getvalue()
