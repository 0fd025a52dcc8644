"""The queue as a CSV file or workbook: text that a spreadsheet would run is neutralised; numbers stay numbers."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from jobs.viewership.catalog.cells import neutralised
from jobs.viewership.model import plain
from jobs.viewership.review.detail import moment
from shared.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.viewership.review.queue import Waiting

__all__ = ["COLUMNS", "as_csv", "as_workbook"]

Cell = str | int | Decimal | float | None

COLUMNS: Final = (
    *("key", "status", "platform", "series", "title", "title_2", "season", "episode", "content_id"),
    *("rows", "held", "uploads", "hours", "revenue", "waiting_since", "reasons"),
    *("candidate_ref_id", "candidate_title", "candidate_series", "candidate_season", "candidate_episode"),
    *("candidate_score", "candidate_margin"),
)
# Maximum rows of a worksheet, including the header.
_MOST: Final = 1_048_575
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\0")


def _cells(key: Waiting) -> list[Cell]:
    best = key.candidates[0] if key.candidates else None
    episode = best.episode if best is not None else None
    return [
        *(key.name, key.status, key.platform, key.series, key.title, key.title_2, key.season, key.episode),
        *(key.content_id, key.rows, key.held, key.uploads, key.hours, key.revenue, moment(key.since)),
        "; ".join(key.reasons),
        *((episode.ref_id, episode.title, episode.series, episode.season, episode.episode) if episode else [None] * 5),
        *((best.score, best.margin) if best is not None else [None] * 2),
    ]


def as_csv(keys: Sequence[Waiting]) -> bytes:
    """Return the keys as CSV in UTF-8: text that starts like a formula gets an apostrophe; numbers do not."""
    stream = io.StringIO()
    # With both characters in the line end, csv quotes cells that have either.
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows([_text(cell) for cell in _cells(key)] for key in keys)
    return stream.getvalue().encode()


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        return neutralised(cell)
    return plain(cell) if isinstance(cell, Decimal) else f"{cell:.10g}" if isinstance(cell, float) else str(cell)


def as_workbook(keys: Sequence[Waiting]) -> bytes:
    """Return the keys as .xlsx: text cells are text, with Excel's text mark if they begin like a formula.

    Raises:
        UsageError: the keys exceed the rows of a worksheet.
    """
    import xlsxwriter

    if len(keys) > _MOST:
        raise UsageError(f"{len(keys):,} keys exceed a worksheet; expected at most {_MOST:,}, or a .csv file")
    stream = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(stream, options) as book:
        sheet = book.add_worksheet("review")
        marked = book.add_format({"quote_prefix": True})
        bold = book.add_format({"bold": True})
        for column, name in enumerate(COLUMNS):
            sheet.write_string(0, column, name, bold)
        for line, key in enumerate(keys, 1):
            for column, cell in enumerate(_cells(key)):
                if isinstance(cell, str):
                    sheet.write_string(line, column, cell, marked if cell.startswith(_FORMULA) else None)
                elif cell is not None:
                    sheet.write_number(line, column, float(cell))
        sheet.freeze_panes(1, 0)
    return stream.getvalue()
