"""Months, quarters and years of a column, with the year that a month or quarter names."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

import polars as pl

from jobs.viewership.model import CellKind
from jobs.viewership.uploads.values.column import Distinct
from jobs.viewership.uploads.values.date_text import TIME, Reading, read_date
from jobs.viewership.uploads.values.fold import is_blank
from jobs.viewership.uploads.values.months import MONTHS
from jobs.viewership.uploads.values.numbers import CELL_ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobs.viewership.uploads.values.column import Cells, ParsedColumn

__all__ = ["parse_months", "parse_quarters", "parse_years", "split_year"]

_QUARTERS: Final = (
    re.compile(r"(?:q|quarter|qtr|trimestre|t)?\s*(?P<quarter>[1-4])(?:\s*(?:q|quarter|qtr))?", re.IGNORECASE),
    re.compile(r"(?P<year>20\d{2})[-\s/]*q(?P<quarter>[1-4])", re.IGNORECASE),
    re.compile(r"q(?P<quarter>[1-4])[-\s/,]*(?:fy)?(?P<year>20\d{2}|'?\d{2})", re.IGNORECASE),
)
_YEAR: Final = re.compile(r"(?:FY\s*)?(20\d{2})", re.IGNORECASE)
_MONTH_NUMBER: Final = re.compile(r"0?[1-9]|1[0-2]")
# A month or quarter of a year is year * 100 + number.
_YEARS: Final = 100


def parse_months(cells: Cells) -> ParsedColumn:
    """Read months: a name, a number, or a month with its year; values for :func:`split_year`."""
    return _parse(cells, _month, "MONTH")


def parse_quarters(cells: Cells) -> ParsedColumn:
    """Read quarters: Q3, 3, 2025-Q3, Q3 2025; values for :func:`split_year`."""
    return _parse(cells, _quarter, "QUARTER")


def parse_years(cells: Cells) -> ParsedColumn:
    """Read years from 2000 to 2099."""
    return _parse(cells, lambda folded: int(match[1]) if (match := _YEAR.fullmatch(folded)) else None, "YEAR")


def split_year(values: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Return the months or quarters, and the years that they name; null for those that name none."""
    years = values // _YEARS
    return values % _YEARS, years.zip_with(years > 0, pl.Series([None], dtype=years.dtype))


def _month(folded: str) -> int | None:
    if _MONTH_NUMBER.fullmatch(folded):
        return int(folded)
    plain = "".join(char for char in unicodedata.normalize("NFKD", folded.lower()) if not unicodedata.combining(char))
    if (number := MONTHS.get(plain.rstrip("."))) is not None:
        return number
    text = read_date(re.sub(TIME, "", folded).strip())
    if text is None or text.numbers is not None:
        return None
    # A date stands for its month: workbooks show 2025-07-01 as "Jul 2025".
    reading: Reading | None = text.read("dmy", months=True)
    return None if reading is None or not reading.plausible else reading.first.year * _YEARS + reading.first.month


def _quarter(folded: str) -> int | None:
    for form in _QUARTERS:
        if match := form.fullmatch(folded):
            year = match.groupdict().get("year")
            return (int(year.lstrip("'")) % 100 + 2000 if year else 0) * _YEARS + int(match["quarter"])
    return None


def _parse(cells: Cells, read: Callable[[str], int | None], code: str) -> ParsedColumn:
    distinct = Distinct.of(cells)
    kinds = [int(CellKind.TEXT)] * len(distinct.texts) if distinct.kinds is None else distinct.kinds.to_list()
    values: list[int | None] = []
    codes: list[str | None] = []
    for folded, kind in zip(distinct.folded.to_list(), kinds, strict=True):
        failed = _failed(folded, kind, code)
        value = None if failed or is_blank(folded) else read(folded)
        values.append(value)
        codes.append(failed or (code if value is None and not is_blank(folded) else None))
    return distinct.parsed(pl.Series(values, dtype=pl.Int64), pl.Series(codes, dtype=pl.String))


def _failed(folded: str, kind: int, code: str) -> str | None:
    if kind == CellKind.FORMULA:
        return "FORMULA"
    if kind == CellKind.ERROR or folded.upper() in CELL_ERRORS:
        return "CELL_ERROR"
    return code if kind in (CellKind.BOOLEAN, CellKind.DURATION) else None
