"""Dates of a column: one order of day and month for all of them, decided by their values and the period."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import polars as pl

from jobs.viewership.errors import NeedsChoice
from jobs.viewership.model import CellKind, Note
from jobs.viewership.uploads.values.column import Distinct
from jobs.viewership.uploads.values.date_text import TIME, ZONE, DateText, Reading, read_date
from jobs.viewership.uploads.values.fold import is_blank
from jobs.viewership.uploads.values.numbers import CELL_ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jobs.viewership.uploads.values.column import Cells, ParsedColumn
    from jobs.viewership.uploads.values.date_text import DateOrder
    from jobs.viewership.uploads.values.period import Period

__all__ = ["parse_dates"]

_MONTHS: Final = 12
_FIRST_REPORTS: Final = 10
"""Two-digit year of the earliest reports: 25-07-01 is hardly a day in 2001."""


def parse_dates(
    cells: Cells,
    *,
    period: Period | None = None,
    order: DateOrder | None = None,
    months: bool = False,
) -> ParsedColumn:
    """Read the dates of a column. A time after a date is dropped: the day is the one that is written.

    Args:
        cells: the column.
        period: the days that the upload may hold; other dates are rejects.
        order: the order of numbers, if a format or a flag says it; None decides it from all values and the period.
        months: the column has months, so "Jul-25" is July 2025.

    Returns:
        Date values; ``detail`` is their grain: ``day``, or ``week`` or ``month`` for the first day of one.

    Raises:
        NeedsChoice: the order stays open, or no date has a year and no period says it.
    """
    distinct = Distinct.of(cells)
    bare = distinct.folded.str.replace(TIME, "")
    # A column of timestamps has many texts and few days.
    codes = bare.cast(pl.Categorical(pl.Categories.random())).to_physical()
    rows = codes.arg_unique()
    days = bare.gather(rows).to_list()
    texts = [None if is_blank(day) else read_date(day) for day in days]
    column = _Column(distinct, rows.to_list(), texts, period)
    months_or_days = "months" if months else column.months_or_days()
    months = months_or_days == "months"
    orders, evidence = column.orders(order, months=months)
    base_1904 = column.counts_from_1904()
    column.refuse_swapped(orders)

    values, found, grains = [], [], []
    for day, text in zip(days, texts, strict=True):
        reading = (
            None
            if text is None
            else text.read(orders.get(text.separator, "dmy"), period, base_1904=base_1904, months=months)
        )
        if months_or_days is None and text and text.month_year:
            reading = None
        code = None if is_blank(day) else _code(day, reading, period)
        values.append(reading.first if reading and code is None else None)
        grains.append(reading.grain if reading and code is None else None)
        found.append(code)
    failed = _kind_codes(distinct)
    day_codes = pl.Series(found, dtype=pl.String).gather(codes)
    return distinct.parsed(
        pl.Series(values, dtype=pl.Date).gather(codes).zip_with(failed.is_null(), pl.Series([None], dtype=pl.Date)),
        failed.zip_with(failed.is_not_null(), day_codes),
        convention=", ".join(dict.fromkeys(orders.values())) if evidence else None,
        evidence="; ".join(evidence) or None,
        notes=column.notes(base_1904=base_1904),
        detail=pl.Series(grains, dtype=pl.String).gather(codes),
    )


def _code(day: str, reading: Reading | None, period: Period | None) -> str | None:
    if reading is None:
        return "CELL_ERROR" if day.upper() in CELL_ERRORS else "DATE"
    if not reading.plausible:
        return "DATE_IMPLAUSIBLE"
    return "DATE_OUTSIDE" if period and not period.overlaps(reading.first, reading.last) else None


def _kind_codes(distinct: Distinct) -> pl.Series:
    """Return a code for cells whose kind excludes a date, else null."""
    codes = {
        int(CellKind.ERROR): "CELL_ERROR",
        int(CellKind.FORMULA): "FORMULA",
        int(CellKind.BOOLEAN): "DATE",
        int(CellKind.DURATION): "DATE",
    }
    if distinct.kinds is None:
        return pl.repeat(None, len(distinct.texts), dtype=pl.String, eager=True)
    return distinct.kinds.replace_strict(codes, default=None, return_dtype=pl.String)


class _Column:
    """The distinct days of a column, and what they settle."""

    def __init__(
        self, distinct: Distinct, rows: Sequence[int], texts: Sequence[DateText | None], period: Period | None
    ) -> None:
        self._distinct = distinct
        self._rows = rows
        self._texts = texts
        self._period = period

    def _named(self, place: int) -> str:
        return self._distinct.named(self._rows[place])

    def orders(self, order: DateOrder | None, *, months: bool) -> tuple[dict[str, DateOrder], list[str]]:
        """Decide the order of each separator: 26.04.2025 says nothing of 03/04/2025, which another program wrote."""
        groups: dict[str, list[tuple[int, DateText]]] = {}
        for place, text in enumerate(self._texts):
            if text is not None and text.numbers is not None:
                groups.setdefault(text.separator, []).append((place, text))
        if not months:
            self._demand_years()
        if order is not None:
            return dict.fromkeys(groups, order), [f"date order {order} was given"] if groups else []
        found, evidence = {}, []
        for separator, group in groups.items():
            found[separator], reason = self._decide(group)
            if reason:
                evidence.append(reason)
        return found, evidence

    def _demand_years(self) -> None:
        dated = [(place, text) for place, text in enumerate(self._texts) if text is not None]
        if dated and self._period is None and all(text.lacks_year for _, text in dated):
            raise NeedsChoice(
                f"{self._distinct.cells.named()} has dates without a year, such as {self._named(dated[0][0])}; "
                "expected a year, or the period of the file; pass --period",
                column=self._distinct.cells.column,
                flags=["--period"],
                answers=[["--period", None]],
            )

    def _decide(self, group: list[tuple[int, DateText]]) -> tuple[DateOrder, str | None]:
        orders = _possible(group)
        tests: list[tuple[str, Callable[[Reading], bool]]] = [("is a date", lambda reading: reading.plausible)]
        if (period := self._period) is not None:
            inside = f"is in the period {period}"
            tests.append((inside, lambda reading: period.overlaps(reading.first, reading.last)))
        for what, test in tests:
            left, place = self._left(group, orders, test)
            if len(left) == 1 and len(orders) > 1:
                return left[0], f"{self._named(place)} {what} only as {left[0]}"
            orders = left
        for place, text in group:
            readings = {order: reading for order in orders if (reading := text.read(order, period))}
            if len({reading.first for reading in readings.values() if reading.plausible}) > 1:
                if text.separator == "." and "dmy" in orders and "ymd" not in orders:
                    return "dmy", f"{self._named(place)} has dots, which only day-first dates have"
                shown = " or ".join(f"{reading.first.isoformat()} ({order})" for order, reading in readings.items())
                if period is not None:
                    fits = any(period.overlaps(reading.first, reading.last) for reading in readings.values())
                    shown += f", {'each' if fits else 'none'} in the period {period}"
                raise self._undecided(
                    f"has ambiguous dates, and none that settles their order: {self._named(place)} is {shown}", orders
                )
        return orders[0], None

    def _left(
        self, group: list[tuple[int, DateText]], orders: list[DateOrder], test: Callable[[Reading], bool]
    ) -> tuple[list[DateOrder], int]:
        """Return the orders that no value excludes, and a value that excludes one.

        A value that passes the test in no order, such as 99/99/2025, excludes none.
        """
        against: dict[DateOrder, int] = {}
        for place, text in group:
            good = [order for order in orders if (reading := text.read(order, self._period)) and test(reading)]
            if good:
                for order in orders:
                    if order not in good:
                        against.setdefault(order, place)
        left = [order for order in orders if order not in against]
        if not left:
            places = list(dict.fromkeys(against.values()))[:2]
            raise self._undecided("has dates in more than one order: " + " and ".join(map(self._named, places)), orders)
        return left, next(iter(against.values()), 0)

    def _undecided(self, problem: str, orders: Sequence[DateOrder]) -> NeedsChoice:
        cells = self._distinct.cells
        offered = ["dmy", "mdy", *(["ymd"] if "ymd" in orders else [])]
        flags = " or ".join(("--period", *(f"--date-order {order}" for order in offered)))
        return NeedsChoice(
            f"{cells.named()} {problem}; expected one order; pass {'another ' if self._period else ''}{flags}",
            column=cells.column,
            flags=["--period", "--date-order"],
            answers=[["--period", None], *(["--date-order", order] for order in offered)],
        )

    def months_or_days(self) -> str | None:
        """Return whether "Jul-25" is July 2025 or 25 July, by the period; None if both are in it."""
        settled = set()
        for text in self._texts:
            if text is not None and text.day_month is not None and (period := self._period) is not None:
                ways = {name: text.read("dmy", period, months=name == "months") for name in ("days", "months")}
                inside = {name for name, way in ways.items() if way and period.overlaps(way.first, way.last)}
                if len(inside) == 1:
                    settled |= inside
        return settled.pop() if len(settled) == 1 else None

    def counts_from_1904(self) -> bool:
        """Return whether day numbers count from 1904: as the workbook says, unless the period excludes that.

        Then all numbers are in the period if they count from the other day, and none if they count from the first.
        """
        stated = self._distinct.cells.is_1904
        serials = self._serials()
        if not serials or (period := self._period) is None:
            return stated

        def inside(text: DateText, *, base_1904: bool) -> bool:
            reading = text.read("dmy", base_1904=base_1904)
            return reading is not None and period.overlaps(reading.first, reading.first)

        other = all(inside(text, base_1904=not stated) for _, text in serials) and not any(
            inside(text, base_1904=stated) for _, text in serials
        )
        return stated != other

    def _serials(self) -> list[tuple[int, DateText]]:
        """Return the day numbers, with their places."""
        return [(place, text) for place, text in enumerate(self._texts) if text is not None and text.serial is not None]

    def refuse_swapped(self, orders: dict[str, DateOrder]) -> None:
        """Ask about a column whose dates a spreadsheet may have read with day and month swapped.

        A spreadsheet that expects 7/13/2025 keeps 13/07/2025 as text and turns 01/07/2025 into 7 January. Then every
        text has a day after the 12th, and no date has one.
        """
        texts = [text for text in self._texts if text is not None and text.numbers is not None and text.numbers[2]]
        dates = [
            (place, text.fixed.first)
            for place, text in enumerate(self._texts)
            if text is not None and text.fixed is not None and text.fixed.grain == "day"
        ]
        if not texts or any(day.day > _MONTHS for _, day in dates):
            return
        readings = [text.read(orders.get(text.separator, "dmy")) for text in texts]
        if any(reading is None or reading.first.day <= _MONTHS for reading in readings):
            return
        for place, day in dates:
            other = day.replace(month=day.day, day=day.month)
            if other != day and all(self._period is None or self._period.overlaps(one, one) for one in (day, other)):
                cells = self._distinct.cells
                raise NeedsChoice(
                    f"{cells.named()} has dates up to the 12th and texts for later days, as in a file opened by a "
                    f"spreadsheet that expects the month first: {self._named(place)} may be {other.isoformat()}; "
                    "expected dates in one form; export the file again, or pass --period with its month",
                    column=cells.column,
                    flags=["--period"],
                    answers=[["--period", None]],
                )

    def notes(self, *, base_1904: bool) -> list[Note]:
        """Warn of time zones, and of day numbers."""
        cells, notes = self._distinct.cells, []
        zones = self._distinct.folded.str.extract(TIME, 0).str.extract(ZONE, 1).drop_nulls().unique(maintain_order=True)
        if len(zones):
            names = ", ".join(zones.head(5).to_list())
            text = f"{cells.named()} has times with a zone ({names}); each day is kept as it is written"
            notes.append(Note("TIME_ZONE", text, column=cells.column or None))
        if serials := self._serials():
            notes.append(self._day_numbers(*serials[0], base_1904=base_1904))
        return notes

    def _day_numbers(self, place: int, text: DateText, *, base_1904: bool) -> Note:
        """Warn of day numbers, which do not say from which day they count."""
        cells = self._distinct.cells
        reading = text.read("dmy", base_1904=base_1904)
        shown = f" ({self._named(place)} is {reading.first.isoformat()})" if reading else ""
        start = f"{cells.named()} has day numbers, which are read as days since {1904 if base_1904 else 1900}{shown}"
        if base_1904 != cells.is_1904:
            code, why = "DAYS_FROM_1904", ": only so they are in the period"
            code = code if base_1904 else "DAY_NUMBERS"
        elif base_1904:
            code, why = "DAYS_FROM_1904", ", as the workbook says"
        else:
            code, why = "DAY_NUMBERS", "; pass --period with the days of the report if they count from 1904"
            why = "" if self._period else why
        return Note(code, f"{start}{why}", column=cells.column or None)


def _possible(group: Sequence[tuple[int, DateText]]) -> list[DateOrder]:
    """Return the orders to consider; year first only if years of two digits look like days, and first numbers do not.

    31/07/25 and 25/07/31 are told apart by their spread: a file's years differ by one at most. Dates of one
    day have no spread: their last number may be the day if, as a year, it is before 2010 or after next year.
    """
    short = [text.numbers for _, text in group if text.short_year and text.numbers is not None]
    firsts, lasts = {numbers[0] for numbers in short}, {numbers[2] or 0 for numbers in short}
    if not short or max(firsts) - min(firsts) > 1:
        return ["dmy", "mdy"]
    are_years = _FIRST_REPORTS <= min(firsts) <= _this_year() % 100 + 1
    are_days = max(lasts) < _FIRST_REPORTS or min(lasts) > _this_year() % 100 + 1
    return ["dmy", "mdy", "ymd"] if (are_years and are_days) or max(lasts) - min(lasts) > 1 else ["dmy", "mdy"]


def _this_year() -> int:
    return datetime.now(UTC).year
