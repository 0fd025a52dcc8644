"""The reports of the sample set that are workbooks, with merged cells."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import xlsxwriter

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["build_workbook"]


def build_workbook(fill: Callable[[Any, Any], None], *, sheet: str = "Report") -> bytes:
    """Return a workbook with one sheet; equal calls produce equal bytes.

    Args:
        fill: writes the cells, given the workbook and its sheet.
        sheet: name of the sheet.
    """
    body = io.BytesIO()
    with xlsxwriter.Workbook(body, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}) as book:
        book.set_properties({"created": datetime(2025, 10, 1, tzinfo=UTC)})
        fill(book, book.add_worksheet(sheet))
    return body.getvalue()
