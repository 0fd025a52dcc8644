"""Read the sheets of .xls, .xlsb and .ods workbooks with calamine.

It allocates the rectangle up to the last value and aborts if there is no memory for it: for a process with limits only.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

import python_calamine

from jobs.viewership.errors import refuse
from jobs.viewership.model import CellKind
from jobs.viewership.uploads.reading._archive import Stop, damaged
from jobs.viewership.uploads.reading._cells import date_text, duration_text, number_text
from jobs.viewership.uploads.reading._xlsx import Content, SheetEntry
from jobs.viewership.uploads.reading.limits import over
from shared.text import brief

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from jobs.viewership.uploads.reading.limits import ReadLimits

__all__ = ["CalamineBook"]

_TEXT = str(int(CellKind.TEXT))
_DURATION = str(int(CellKind.DURATION))
_EMPTY = ("", _TEXT)
_ISO_DURATION = re.compile(r"PT(\d{1,9})H(\d{1,2})M(\d{1,2}(?:\.\d+)?)S", re.ASCII)


class CalamineBook:
    """A workbook.

    Args:
        file: the workbook.
        limits: limits on the characters of a cell.

    Attributes:
        sheets: its worksheets, in their order.

    Raises:
        Refused: ``FORMAT``.
    """

    def __init__(self, file: BinaryIO, limits: ReadLimits) -> None:
        self._limits = limits
        file.seek(0)
        try:
            self._book = python_calamine.load_workbook(file)
        except python_calamine.PasswordError:
            raise refuse("FORMAT", "the workbook is encrypted; remove its password and upload it again") from None
        except (python_calamine.CalamineError, ValueError, OSError) as error:
            raise damaged(brief(str(error), 200)) from None
        self.sheets = [
            SheetEntry(sheet.name, sheet.visible != python_calamine.SheetVisibleEnum.Visible, sheet.name)
            for sheet in self._book.sheets_metadata
            if sheet.typ == python_calamine.SheetTypeEnum.WorkSheet
        ]

    def has_values(self, sheet: SheetEntry) -> bool:
        """Return whether a sheet has a cell with a value."""
        return self._sheet(sheet).end is not None

    def read(self, sheet: SheetEntry, take: Callable[[int, list[str], str], None]) -> Content:
        """Read a sheet; like :meth:`jobs.viewership.uploads.reading._xlsx.Xlsx.read`."""
        found = self._sheet(sheet)
        before = [_EMPTY] * (found.start or (0, 0))[1]
        try:
            for number, values in enumerate(found.iter_rows(), 1):
                cells = before + [self._cell(value) for value in values]
                while cells and not cells[-1][0]:
                    cells.pop()
                if cells:
                    take(number, [text for text, _ in cells], "".join(kind for _, kind in cells))
        except Stop:
            pass
        merged = [(start[0] + 1, start[1], end[0] + 1, end[1]) for start, end in found.merged_cell_ranges or ()]
        return Content(merged=merged)

    def _sheet(self, sheet: SheetEntry) -> python_calamine.CalamineSheet:
        try:
            return self._book.get_sheet_by_name(sheet.name)
        except (python_calamine.CalamineError, ValueError, OSError) as error:
            raise damaged(brief(str(error), 200)) from None

    def _cell(self, value: Any) -> tuple[str, str]:
        if isinstance(value, str):
            if len(value) > self._limits.cell_chars:
                raise over("a cell has", f"{len(value):,} characters", self._limits.cell_chars, "shorten it")
            # calamine leaves the durations of .ods in ISO 8601.
            if match := _ISO_DURATION.fullmatch(value):
                hours, minutes, seconds = (float(part or 0) for part in match.groups())
                return duration_text(hours * 3600 + minutes * 60 + seconds), _DURATION
            return (value, _TEXT) if value else _EMPTY
        text, kind = _typed(value)
        return text, str(int(kind))


def _second(time: dt.time) -> int:
    return time.hour * 3600 + time.minute * 60 + time.second


def _typed(value: Any) -> tuple[str, CellKind]:
    # bool is an int, and a datetime is a date.
    if isinstance(value, bool):
        return str(value).upper(), CellKind.BOOLEAN
    if isinstance(value, int | float):
        return number_text(float(value)), CellKind.NUMBER
    if isinstance(value, dt.datetime):
        return date_text(value.date(), _second(value.time())), CellKind.DATE
    if isinstance(value, dt.date):
        return value.isoformat(), CellKind.DATE
    if isinstance(value, dt.time):
        return duration_text(_second(value)), CellKind.DURATION
    if isinstance(value, dt.timedelta):
        return duration_text(value.total_seconds()), CellKind.DURATION
    raise TypeError(f"unexpected value {value!r}")
