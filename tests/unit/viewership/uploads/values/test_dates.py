"""Dates: every form, one order per column, periods, and dates that are not plausible."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.viewership.errors import NOTES, REJECTS, NeedsChoice
from jobs.viewership.model import CellKind
from jobs.viewership.uploads.values import dates
from jobs.viewership.uploads.values.column import Cells, State
from jobs.viewership.uploads.values.dates import parse_dates
from jobs.viewership.uploads.values.period import Period


def cells(*texts: str | None, kinds: list[CellKind] | None = None) -> Cells:
    lines = pl.Series(range(2, 2 + len(texts)), dtype=pl.UInt32)
    return Cells(
        pl.Series(texts, dtype=pl.String), None if kinds is None else pl.Series(kinds, dtype=pl.UInt8), lines, "Day"
    )


def read(*texts: str | None, period: str | None = None, order: object = None, months: bool = False) -> list[str]:
    parsed = parse_dates(
        cells(*texts),
        period=Period.parse(period) if period else None,
        order=order,  # type: ignore[arg-type]
        months=months,
    )
    assert parsed.detail is not None
    return [
        (f"{value} {grain}" if grain != "day" else str(value)) if state == State.VALUE else (code or "blank")
        for value, grain, state, code in zip(parsed.values, parsed.detail, parsed.state, parsed.code, strict=True)
    ]


@pytest.mark.parametrize(
    "text",
    [
        *("2025-07-05", "2025/07/05", "2025.7.5", "20250705", "45843", "45843.75", "2025\u5e747\u67085\u65e5"),
        *("2025-07-05 00:00:00", "2025-07-05T23:59:59.999Z", "2025-07-05 11:30 PM", "2025-07-05T10:00:00+05:30"),
        *("Jul 5 2025", "July 5, 2025", "5 July 2025", "5-Jul-2025", "05-Jul-25", "Jul-05-2025", "2025 Jul 5"),
        *("5th July 2025", "July 5th, 2025", "Sat, Jul 5, 2025", "Saturday 5 July 2025", "Jul 5 '25", "5.Jul.2025"),
        *("5 de julio de 2025", "5 juillet 2025", "5. Juli 2025", "5 luglio 2025", "5 de julho de 2025"),
        *("\ufeff2025-07-05\u00a0", "2025\u201107\u201105", "\uff12\uff10\uff12\uff15-07-05", "2025-W27-6"),
        *("2025-07-05 - 2025-07-05", "July 5, 2025 at 10:30 AM"),
    ],
)
def test_every_form_of_a_day_reads_as_that_day(text: str) -> None:
    expected = "DATE" if text.startswith("\uff12") else "2025-07-05"
    assert read(text) == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-W01", "2025-12-29 week"),
        ("2026W53", "2026-12-28 week"),
        ("2025-W52", "2025-12-22 week"),
        ("2025-07-07 - 2025-07-13", "2025-07-07 week"),
        ("2025-07-07/2025-07-13", "2025-07-07 week"),
        ("July 7, 2025 to July 13, 2025", "2025-07-07 week"),
        ("2025-07-01 \u2013 2025-07-31", "2025-07-01 month"),
        ("2025-07", "2025-07-01 month"),
        ("07/2025", "2025-07-01 month"),
        ("202507", "2025-07-01 month"),
        ("July 2025", "2025-07-01 month"),
        ("Juli 2025", "2025-07-01 month"),
        ("Jul '25", "2025-07-01 month"),
    ],
)
def test_weeks_and_months_are_their_first_day_and_marked(text: str, expected: str) -> None:
    assert read(text) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        *("2025-02-29", "31/02/2025", "32/01/2025", "2025-13-01", "2025-W53", "20251301", "00/00/2025", "yesterday"),
        *(
            "2025",
            "1751328000",
            "12345678901",
            "2025-07-01 25:00",
            "2025-07-01 - 2025-07-10",
            "Q3 2025",
            "Jul Aug 2025",
        ),
        *("5 Foo 2025", "Jul 32 2025", "1.5", "2025-07-01 - 2025-07", "2025-07-01 2025-07-02"),
    ],
)
def test_text_that_is_not_a_day_week_or_month_is_rejected(text: str) -> None:
    assert read(text, "2025-07-01") == ["DATE", "2025-07-01"]


@pytest.mark.parametrize(
    "text", ["1970-01-01", "1999-12-31", "2100-01-01", "1899-12-30", "01/01/1970", "12345", "1-Jan-70"]
)
def test_dates_that_no_upload_has_get_a_code_of_their_own(text: str) -> None:
    assert read(text) == ["DATE_IMPLAUSIBLE"]


@pytest.mark.parametrize("text", [None, "", "-", "N/A", " "])
def test_blank_is_not_an_error(text: str | None) -> None:
    assert read(text) == ["blank"]


@pytest.mark.parametrize(
    ("texts", "expected", "order", "line"),
    [
        (("03/04/2025", "26/04/2025"), ("2025-04-03", "2025-04-26"), "dmy", 3),
        (("03/04/2025", "04/26/2025"), ("2025-03-04", "2025-04-26"), "mdy", 3),
        (("10/1/25", "10/13/25"), ("2025-10-01", "2025-10-13"), "mdy", 3),
        (("03.04.2025", "26.04.2025"), ("2025-04-03", "2025-04-26"), "dmy", 3),
        (("3-4-2025 10:00", "26-4-2025 11:00"), ("2025-04-03", "2025-04-26"), "dmy", 3),
        (("03/04/2025", "20/04/2025 - 26/04/2025"), ("2025-04-03", "2025-04-20 week"), "dmy", 3),
    ],
)
def test_one_value_settles_the_order_of_its_column(
    texts: tuple[str, ...], expected: tuple[str, ...], order: str, line: int
) -> None:
    parsed = parse_dates(cells(*texts))
    assert read(*texts) == list(expected)
    assert parsed.convention == order
    assert parsed.evidence is not None
    assert f"in line {line}" in parsed.evidence


@pytest.mark.parametrize(
    ("texts", "flag"),
    [
        (("03/10/2025", "05/10/2025"), "--date-order"),
        (("26/04/2025", "04/26/2025"), "--date-order"),
        # Dots are of another program, and say nothing of slashes.
        (("03/04/2025", "26.04.2025"), "--date-order"),
        # Years of two digits that run like days.
        (("25/07/01", "25/07/30"), "--date-order"),
        (("5 Jul", "6 Jul"), "--period"),
        (("7/5", "7/6"), "--period"),
    ],
)
def test_a_column_that_settles_nothing_asks(texts: tuple[str, ...], flag: str) -> None:
    with pytest.raises(NeedsChoice, match=flag) as error:
        parse_dates(cells(*texts))
    assert flag in error.value.data["flags"]
    assert "line 2" in error.value.message


@pytest.mark.parametrize(
    ("period", "told"),
    [
        ("2025-08", "2025-07-01 (mdy), none in the period 2025-08-01..2025-08-31; expected one order; pass another "),
        ("2025", "2025-07-01 (mdy), each in the period 2025-01-01..2025-12-31; expected one order; pass another "),
        (None, "2025-07-01 (mdy); expected one order; pass --period or --date-order"),
    ],
)
def test_a_period_that_settles_nothing_is_named(period: str | None, told: str) -> None:
    with pytest.raises(NeedsChoice) as error:
        parse_dates(cells("7/1/2025"), period=Period.parse(period) if period else None)
    assert told in error.value.message


def test_a_date_that_is_the_same_in_both_orders_asks_nothing() -> None:
    parsed = parse_dates(cells("10/10/2025", "2025-10-11"))
    assert parsed.values.to_list() == [date(2025, 10, 10), date(2025, 10, 11)]
    assert parsed.convention is None


def test_a_given_order_settles_everything() -> None:
    assert read("03/10/2025", "26/10/2025", order="dmy") == ["2025-10-03", "2025-10-26"]
    assert read("03/10/2025", "26/10/2025", order="mdy") == ["2025-03-10", "DATE"]
    assert read("25/07/01", order="ymd") == ["2025-07-01"]
    assert read("03/10/2025", order="ymd") == ["DATE"]


@pytest.mark.parametrize("period", ["2025-10", "2025-Q4", "2025-10-01..2025-10-07", "2025-10-01/2025-10-31"])
def test_the_period_settles_the_order(period: str) -> None:
    assert read("03/10/2025", "05/10/2025", period=period) == ["2025-10-03", "2025-10-05"]


def test_a_day_of_the_month_settles_the_order_before_the_period_does() -> None:
    assert read("03/04/2025", "26/04/2025", period="2025-03") == ["DATE_OUTSIDE", "DATE_OUTSIDE"]


def test_values_that_the_period_has_in_different_orders_ask() -> None:
    with pytest.raises(NeedsChoice, match="more than one order"):
        read("03/10/2025", "10/04/2025", period="2025-10")


def test_dates_outside_the_period_are_rejected_and_weeks_and_months_may_overlap_it() -> None:
    assert read("2025-09-30", "2025-10-01", "2025-10", "2025-W40", "2025-W39", period="2025-10") == [
        *("DATE_OUTSIDE", "2025-10-01", "2025-10-01 month", "2025-09-29 week", "DATE_OUTSIDE")
    ]


def test_the_period_says_the_year_of_dates_without_one() -> None:
    assert read("5 Jul", "Jul 6", "7/7", "5 Aug", period="2025-07") == [
        "2025-07-05",
        "2025-07-06",
        "2025-07-07",
        "DATE_OUTSIDE",
    ]
    assert read("31 Dec", "1 Jan", period="2025-12-29..2026-01-04") == ["2025-12-31", "2026-01-01"]


def test_a_month_with_two_digits_is_read_only_if_its_column_or_the_period_settles_it() -> None:
    assert read("Jul-25", "Aug-25", months=True) == ["2025-07-01 month", "2025-08-01 month"]
    assert read("Jul-25", "Jul-26", period="2025-07") == ["2025-07-25", "2025-07-26"]
    assert read("Jul-25", "Jul-25", period="2025-07") == ["DATE", "DATE"]
    assert read("Jul-25", period="2025-07-01..2025-07-09") == ["2025-07-01 month"]


@pytest.mark.parametrize(
    ("is_1904", "period", "day", "code"),
    [
        (False, None, date(2021, 7, 1), "DAY_NUMBERS"),
        (False, "2021-07", date(2021, 7, 1), "DAY_NUMBERS"),
        (False, "2025-07", date(2025, 7, 2), "DAYS_FROM_1904"),
        (True, None, date(2025, 7, 2), "DAYS_FROM_1904"),
        (True, "2025-07", date(2025, 7, 2), "DAYS_FROM_1904"),
        (True, "2021-07", date(2021, 7, 1), "DAY_NUMBERS"),
    ],
)
def test_day_numbers_count_from_the_day_of_the_workbook_unless_only_the_other_is_in_the_period(
    is_1904: bool, period: str | None, day: date, code: str
) -> None:
    column = replace(cells("44378", "44378", "-"), is_1904=is_1904, column="Day")
    parsed = parse_dates(column, period=Period.parse(period) if period else None)
    assert parsed.values.to_list() == [day, day, None]
    [note] = parsed.notes
    assert (note.code, note.column) == (code, "Day")
    start = 1904 if code == "DAYS_FROM_1904" else 1900
    assert f"read as days since {start} ('44378' in line 2 is {day})" in note.message
    assert ("pass --period" in note.message) == (period is None and not is_1904)


def test_dates_in_other_forms_are_no_day_numbers() -> None:
    assert parse_dates(cells("20250701", "2025-07-02")).notes == ()


def test_days_are_those_written_whatever_their_zone() -> None:
    parsed = parse_dates(cells("2025-07-01T23:30:00-07:00", "2025-07-02T00:30:00Z"))
    assert parsed.values.to_list() == [date(2025, 7, 1), date(2025, 7, 2)]
    [note] = parsed.notes
    assert note.code == "TIME_ZONE"
    assert note.code in NOTES
    assert "-07:00, Z" in note.message


def test_cells_of_a_workbook_are_read_by_their_kind() -> None:
    kinds = [CellKind.NUMBER, CellKind.DATE, CellKind.FORMULA, CellKind.ERROR, CellKind.BOOLEAN, CellKind.DURATION]
    parsed = parse_dates(cells("45840", "2025-07-01T10:00:00", None, "#N/A", "TRUE", "10:00:00", kinds=kinds))
    assert parsed.values.to_list() == [date(2025, 7, 2), date(2025, 7, 1), None, None, None, None]
    assert parsed.code.to_list() == [None, None, "FORMULA", "CELL_ERROR", "DATE", "DATE"]


@pytest.mark.parametrize("texts", [(), (None,), ("-", None)])
def test_columns_without_dates_have_only_blanks(texts: tuple[str | None, ...]) -> None:
    assert parse_dates(cells(*texts)).state.to_list() == [State.BLANK] * len(texts)


_DAYS = st.dates(min_value=date(2000, 1, 1), max_value=date(2069, 12, 31))


@given(
    st.lists(_DAYS, min_size=1, max_size=30),
    st.sampled_from(
        ["%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%d-%b-%y", "%B %d, %Y", "%d %b %Y", "%Y-%m-%dT%H:%M:%S", "%G-W%V-%u"]
    ),
)
def test_days_written_without_ambiguity_read_as_themselves(days: list[date], form: str) -> None:
    assert parse_dates(cells(*(day.strftime(form) for day in days))).values.to_list() == days


@given(st.lists(_DAYS, min_size=1, max_size=30), st.sampled_from(["%d/%m/%Y", "%m/%d/%Y", "%d.%m.%y", "%m-%d-%y"]))
def test_days_with_numbers_read_as_themselves_or_ask(days: list[date], form: str) -> None:
    try:
        parsed = parse_dates(cells(*(day.strftime(form) for day in days)))
    except NeedsChoice:
        # Never for a day after the twelfth, unless years of two digits run like days.
        assert form.endswith("%y") or all(day.day <= 12 for day in days)
    else:
        assert parsed.values.to_list() == days
    order = "dmy" if form.startswith("%d") else "mdy"
    given_order = parse_dates(cells(*(day.strftime(form) for day in days)), order=order)  # type: ignore[arg-type]
    assert given_order.values.to_list() == days


@given(_DAYS, st.sampled_from(["dmy", "mdy", None]), st.sampled_from(["2025-07", None]))
def test_a_serial_number_is_its_day(day: date, order: object, period: str | None) -> None:
    text = str((day - date(1899, 12, 30)).days)
    [found] = read(text, order=order, period=period)
    outside = period is not None and (day.year, day.month) != (2025, 7)
    shifted = (day + timedelta(days=1462)).isoformat()
    assert found == (day.isoformat() if not outside else (shifted if shifted.startswith("2025-07") else "DATE_OUTSIDE"))


@given(st.text(max_size=30))
def test_any_text_is_read_or_rejected_without_an_exception(text: str) -> None:
    codes = parse_dates(cells(text), period=Period.parse("2025-07"), order="dmy").code.drop_nulls().to_list()
    assert set(codes) <= set(REJECTS)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2025", "2025-01-01", "2025-12-31"),
        ("2025-02", "2025-02-01", "2025-02-28"),
        ("2024-02", "2024-02-01", "2024-02-29"),
        ("2025-Q4", "2025-10-01", "2025-12-31"),
        ("2026-W01", "2025-12-29", "2026-01-04"),
        ("2025-07-04", "2025-07-04", "2025-07-04"),
        ("2025-07-04..2025-07-10", "2025-07-04", "2025-07-10"),
    ],
)
def test_a_period_is_a_year_quarter_month_week_day_or_range(text: str, first: str, last: str) -> None:
    assert Period.parse(text) == Period(date.fromisoformat(first), date.fromisoformat(last))


@pytest.mark.parametrize("text", ["", "july", "2025-13", "2025-Q5", "2025-W53", "2025-07-10..2025-07-04", "2025-02-29"])
def test_a_period_that_is_not_one_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a period"):
        Period.parse(text)


def test_a_spreadsheet_that_swapped_day_and_month_is_asked_about():
    # 01/07/2025 opened where months come first: 7 January. 13/07/2025 is not a date there, and stays text.
    swapped = ("2025-01-07", "2025-02-07", "13/07/2025", "14/07/2025")
    for kinds in (None, [CellKind.DATE, CellKind.DATE, CellKind.TEXT, CellKind.TEXT]):
        with pytest.raises(NeedsChoice, match=r"'2025-01-07' in line 2 may be 2025-07-01.*pass --period") as error:
            parse_dates(cells(*swapped, kinds=kinds))
        assert error.value.data["flags"] == ["--period"]
    for period in ("2025", "2025-01-01..2025-07-31"):
        with pytest.raises(NeedsChoice, match="may be 2025-07-01"):
            read(*swapped, period=period)
    # A period that holds one of the two only decides: the others are rejected, and nothing is read silently wrong.
    assert read(*swapped, period="2025-07") == ["DATE_OUTSIDE", "DATE_OUTSIDE", "2025-07-13", "2025-07-14"]


@pytest.mark.parametrize(
    "texts",
    [
        # A date of the second half of a month was not swapped, and a text of the first half was not read as a date.
        ("2025-07-07", "2025-07-13", "14/07/2025"),
        ("2025-07-01", "02/07/2025", "14/07/2025"),
        # 7 July is the same day either way.
        ("2025-07-07", "13/07/2025"),
        ("2025-07-01", "2025-07-02"),
        ("13/07/2025", "14/07/2025"),
    ],
)
def test_other_mixed_forms_are_read(texts: tuple[str, ...]):
    assert all(day.startswith("2025-07-") for day in read(*texts))


@pytest.mark.parametrize(
    "texts",
    [
        # A report of one day, and of a month: years of two digits that come first.
        ("25-07-01",),
        ("25/07/01", "25/07/02"),
        ("25.07.01", "25.07.02", "25.07.03"),
        tuple(f"25.07.{day:02}" for day in range(1, 32)),
        tuple(f"25-07-{day:02}" for day in range(1, 32)),
    ],
)
def test_years_of_two_digits_that_may_come_first_are_asked_about(texts: tuple[str, ...]):
    with pytest.raises(NeedsChoice, match=r"2001-07-25 \(dmy\) or 2025-07-01 \(ymd\).*or --date-order ymd") as error:
        read(*texts)
    assert ["--date-order", "ymd"] in error.value.data["answers"]
    assert set(read(*texts, period="2025-07")) == set(read(*texts, order="ymd"))
    assert read(*texts, order="ymd")[0] == "2025-07-01"


@pytest.mark.parametrize("texts", [("31/07/25",), ("13/07/25", "14/07/25"), ("01.07.25",), ("01.07.09", "13.07.09")])
def test_years_of_two_digits_that_come_last_are_read(texts: tuple[str, ...]):
    day, month, year = texts[0].replace("/", ".").split(".")
    assert read(*texts)[0] == f"20{year}-{month}-{day}"


def test_a_two_digit_year_in_the_future_may_be_a_day(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(dates, "_this_year", lambda: 2026)
    with pytest.raises(NeedsChoice, match="ymd"):
        read("25/07/31")
    assert read("31/07/25") == ["2025-07-31"]
    monkeypatch.setattr(dates, "_this_year", lambda: 2031)
    assert read("25/07/31") == ["2031-07-25"]
