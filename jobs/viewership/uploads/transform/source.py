"""The data rows of a sheet, and the cells of each field: one per row, or one per row and date of a wide sheet."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import polars as pl

from jobs.viewership.model import CellKind
from jobs.viewership.uploads.reading.limits import ReadLimits, over
from jobs.viewership.uploads.values.column import Cells

if TYPE_CHECKING:
    from jobs.viewership.model import Sheet
    from jobs.viewership.uploads.formats.binding import Binding, BoundMetric
    from jobs.viewership.uploads.layout.model import Column, DateColumn, Layout

__all__ = ["Source"]

_HAS_TEXT: Final = r"[^\s\x{0}\x{a0}\x{200b}-\x{200f}\x{2060}\x{feff}]"
# The limit of rows of a long file: a unit takes about 300 bytes of memory, and may be two bytes in the file.
_MOST_UNITS: Final = ReadLimits().rows
_FAILED: Final = (int(CellKind.ERROR), int(CellKind.FORMULA))


@dataclass(frozen=True, slots=True)
class Source:
    """The rows of data that have a value.

    Attributes:
        sheet: the sheet, cut to these rows.
        layout: of the whole sheet.
        empty_rows: number of rows that were left out.
        dates: dates of a wide sheet that are read, as texts, in order; empty for any other sheet.
    """

    sheet: Sheet
    layout: Layout
    empty_rows: int
    dates: tuple[str, ...] = ()

    @classmethod
    def of(cls, sheet: Sheet, layout: Layout, binding: Binding) -> Source:
        """Trim the sheet to its data.

        Raises:
            Refused: ``LIMIT``: a wide sheet has too many pairs of row and date.
        """
        cells, lines = sheet.cells.slice(layout.first_row), sheet.lines.slice(layout.first_row)
        kinds = None if sheet.kinds is None else sheet.kinds.slice(layout.first_row)
        filled = pl.repeat(False, len(lines), dtype=pl.Boolean, eager=True)
        for column in cells.iter_columns():
            filled |= column.str.contains(_HAS_TEXT).fill_null(value=False)
            if filled.all():
                break
        if kinds is not None:
            # A formula without a value has no text, and is not empty.
            filled |= kinds.select(pl.any_horizontal(pl.all().is_in(_FAILED))).to_series()
        empty = len(filled) - int(filled.sum())
        if empty:
            cells, lines = cells.filter(filled), lines.filter(filled)
            kinds = None if kinds is None else kinds.filter(filled)
        dates = dict.fromkeys(column.date_text for bound in binding.metrics for column in bound.columns)
        if (units := len(lines) * len(dates)) > _MOST_UNITS:
            raise over(
                f"the file has {len(lines):,} rows of {len(dates):,} dates, which are",
                f"{units:,} units",
                _MOST_UNITS,
                "split it by date",
            )
        empty += sheet.empty_rows
        return cls(replace(sheet, cells=cells, lines=lines, kinds=kinds), layout, empty, tuple(dates))

    @property
    def rows(self) -> int:
        """Return the number of rows."""
        return len(self.sheet.lines)

    def column(self, column: Column) -> Cells:
        """Return the cells of a column, one per row."""
        kinds = None if self.sheet.kinds is None else self.sheet.kinds.to_series(column.position)
        texts = self.sheet.cells.to_series(column.position)
        return Cells(texts, kinds, self.sheet.lines, column.name, self.sheet.is_1904)

    def constant(self, field: str, text: str) -> Cells:
        """Return the same text for every row."""
        texts = pl.repeat(text, self.rows, dtype=pl.String, eager=True)
        return Cells(texts, None, self.sheet.lines, f"constant {field}")

    def metric(self, bound: BoundMetric) -> Cells:
        """Return the cells of a metric: those of the first date, then of the second, and so on."""
        columns = {column.date_text: column for column in bound.columns}
        texts = [self._text(columns.get(date)) for date in self.dates]
        kinds = None
        if self.sheet.kinds is not None:
            kinds = pl.concat([self._kind(columns.get(date)) for date in self.dates])
        lines = pl.concat([self.sheet.lines] * len(self.dates))
        names = [column.metric for column in bound.columns if column.metric] or [bound.field]
        return Cells(pl.concat(texts), kinds, lines, names[0])

    def _text(self, column: DateColumn | None) -> pl.Series:
        if column is None:
            return pl.repeat(None, self.rows, dtype=pl.String, eager=True)
        return self.sheet.cells.to_series(column.position).rename("")

    def _kind(self, column: DateColumn | None) -> pl.Series:
        if column is None or self.sheet.kinds is None:
            return pl.repeat(int(CellKind.TEXT), self.rows, dtype=pl.UInt8, eager=True)
        return self.sheet.kinds.to_series(column.position).rename("")
