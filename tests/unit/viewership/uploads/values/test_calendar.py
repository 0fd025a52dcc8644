"""Months, quarters and years, with the year that one names."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.viewership.errors import REJECTS
from jobs.viewership.model import CellKind
from jobs.viewership.uploads.values.calendar import parse_months, parse_quarters, parse_years, split_year
from jobs.viewership.uploads.values.column import Cells


def cells(*texts: str | None, kinds: list[CellKind] | None = None) -> Cells:
    return Cells(pl.Series(texts, dtype=pl.String), None if kinds is None else pl.Series(kinds, dtype=pl.UInt8))


@pytest.mark.parametrize(
    ("text", "month", "year"),
    [
        *(("7", 7, None), ("07", 7, None), ("July", 7, None), ("JUL", 7, None), ("Jul.", 7, None), ("julio", 7, None)),
        *(("2025-07", 7, 2025), ("Jul 2025", 7, 2025), ("Jul-25", 7, 2025), ("07/2025", 7, 2025), ("202507", 7, 2025)),
        *(("2025-07-01", 7, 2025), ("2025-07-01 00:00:00", 7, 2025), ("45839", 7, 2025), ("20250701", 7, 2025)),
    ],
)
def test_a_month_may_name_its_year(text: str, month: int, year: int | None) -> None:
    months, years = split_year(parse_months(cells(text)).values)
    assert (months.to_list(), years.to_list()) == ([month], [year])


@pytest.mark.parametrize(
    ("text", "quarter", "year"),
    [
        *(("3", 3, None), ("Q3", 3, None), ("q3", 3, None), ("Quarter 3", 3, None)),
        *(("2025-Q3", 3, 2025), ("2025Q3", 3, 2025), ("Q3 2025", 3, 2025), ("Q3'25", 3, 2025), ("Q3-FY25", 3, 2025)),
    ],
)
def test_a_quarter_may_name_its_year(text: str, quarter: int, year: int | None) -> None:
    quarters, years = split_year(parse_quarters(cells(text)).values)
    assert (quarters.to_list(), years.to_list()) == ([quarter], [year])


def test_what_is_no_month_quarter_or_year_is_rejected_and_blank_stays_blank() -> None:
    assert (
        parse_months(cells("13", "0", "03/04/2025", "1970-01-01", "-", None)).code.to_list()
        == ["MONTH"] * 4 + [None] * 2
    )
    assert parse_quarters(cells("5", "Q0", "N/A")).code.to_list() == ["QUARTER", "QUARTER", None]
    assert parse_years(cells("1999", "2100", "25", "")).code.to_list() == ["YEAR"] * 3 + [None]
    assert parse_years(cells("2025", "FY2026")).values.to_list() == [2025, 2026]


def test_cells_of_a_workbook_are_read_by_their_kind() -> None:
    kinds = [CellKind.NUMBER, CellKind.FORMULA, CellKind.ERROR, CellKind.BOOLEAN]
    assert parse_years(cells("2025", None, None, "TRUE", kinds=kinds)).code.to_list() == [
        None,
        "FORMULA",
        "CELL_ERROR",
        "YEAR",
    ]


@given(st.text(max_size=20))
def test_any_text_is_read_or_rejected_without_an_exception(text: str) -> None:
    for parse in (parse_months, parse_quarters, parse_years):
        assert set(parse(cells(text)).code.drop_nulls().to_list()) <= set(REJECTS)
