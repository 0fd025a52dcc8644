"""The date of each unit, with its week, day, month, quarter and year, from whichever columns a file has."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import polars as pl

from jobs.viewership.errors import NeedsChoice
from jobs.viewership.model import Note
from jobs.viewership.uploads.values.calendar import split_year
from jobs.viewership.uploads.values.period import month_end

if TYPE_CHECKING:
    from jobs.viewership.uploads.transform.gathered import Gathered
    from jobs.viewership.uploads.values.period import Period

__all__ = ["add_dates", "note_no_date"]

_WEEK: Final = timedelta(days=6)
_DATED: Final = {"date", "month", "quarter", "year"}


def add_dates(frame: pl.DataFrame, gathered: Gathered, period: Period | None) -> pl.DataFrame:
    """Fill ``date``, ``date_grain``, ``week`` (its Monday), ``day``, ``month``, ``quarter`` (``q1``) and ``year``.

    A month without a day is its first day, with the grain ``month``. A file without any column of dates, months,
    quarters or years has the date of the period, if that is one day, week or month.

    Raises:
        NeedsChoice: months or quarters have no year, and the period does not say it.
    """
    frame = frame.with_columns(
        pl.lit(None, dtype=pl.Int64).alias(name)
        for name in ("month", "quarter_number", "year")
        if name not in frame.columns
    )
    frame = _split(frame, gathered)
    frame = _with_year(frame, gathered, period)
    first = pl.date(pl.col("year"), pl.col("month"), 1)
    by_month = pl.col("date").is_null() & pl.col("year").is_not_null() & pl.col("month").is_not_null()
    frame = frame.with_columns(
        pl.when(by_month).then(first).otherwise("date").alias("date"),
        pl.when(by_month).then(pl.lit("month")).otherwise("date_grain").alias("date_grain"),
    )
    if period is not None and not _DATED & gathered.fields.keys():
        frame = _with_period(frame, period)
    date = pl.col("date")
    return frame.with_columns(
        week=date.dt.truncate("1w"),
        day=date.dt.day().cast(pl.Int64),
        month=pl.coalesce("month", date.dt.month().cast(pl.Int64)),
        year=pl.coalesce("year", date.dt.year().cast(pl.Int64)),
        quarter=pl.format("q{}", pl.coalesce("quarter_number", date.dt.quarter().cast(pl.Int64))),
    ).drop("quarter_number")


def note_no_date(frame: pl.DataFrame, gathered: Gathered, period: Period | None) -> list[Note]:
    """Return a note if no column, constant or period says when the units were watched."""
    if period is not None or _DATED & gathered.fields.keys() or any(frame[name].count() for name in _DATED):
        return []
    return [Note("NO_DATE", "the file has no date; name its month or days with --period, such as --period 2025-07")]


def _split(frame: pl.DataFrame, gathered: Gathered) -> pl.DataFrame:
    """Split months and quarters from the years that they name."""
    for name, target in (("month", "month"), ("quarter", "quarter_number")):
        values = gathered.values(name)
        if values is not None:
            numbers, years = split_year(values)
            frame = frame.with_columns(numbers.alias(target), pl.coalesce("year", years).alias("year"))
    return frame


def _with_year(frame: pl.DataFrame, gathered: Gathered, period: Period | None) -> pl.DataFrame:
    open_ones = frame.select(
        (pl.col("year").is_null() & pl.col("date").is_null())
        & (pl.col("month").is_not_null() | pl.col("quarter_number").is_not_null())
    ).to_series()
    if not open_ones.any():
        return frame
    if period is None or period.first.year != period.last.year:
        name = "month" if frame.filter(open_ones)["month"].count() else "quarter"
        line = frame.filter(open_ones)["line"][0]
        column = gathered.fields[name].cells.named()
        raise NeedsChoice(
            f"{column} has a {name} without a year in line {line}; expected a year, or the period of the file; pass "
            "--period",
            column=gathered.fields[name].cells.column,
            flags=["--period"],
            answers=[["--period", None]],
        )
    year = pl.when(open_ones).then(pl.lit(period.first.year, dtype=pl.Int64)).otherwise("year")
    return frame.with_columns(year.alias("year"))


def _with_period(frame: pl.DataFrame, period: Period) -> pl.DataFrame:
    first, last = period.first, period.last
    grain = None
    if first == last:
        grain = "day"
    elif last - first == _WEEK and first.weekday() == 0:
        grain = "week"
    elif first.day == 1 and last == month_end(first):
        grain = "month"
    if grain is not None:
        return frame.with_columns(
            pl.lit(first, dtype=pl.Date).alias("date"), pl.lit(grain, dtype=pl.String).alias("date_grain")
        )
    quarter = (first.month + 2) // 3
    same = first.year == last.year
    return frame.with_columns(
        pl.lit(first.year if same else None, dtype=pl.Int64).alias("year"),
        pl.lit(quarter if same and quarter == (last.month + 2) // 3 else None, dtype=pl.Int64).alias("quarter_number"),
    )
