"""Units: fields, fates, totals, wide sheets, dates, and sums that agree with the file."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.viewership.errors import FILTERS, NOTES, REJECTS, NeedsChoice, Refused
from jobs.viewership.model import FIELDS, CellKind, Fate, Sheet
from jobs.viewership.uploads.formats.binding import bind
from jobs.viewership.uploads.formats.library import shipped_formats
from jobs.viewership.uploads.formats.model import Format
from jobs.viewership.uploads.layout.find import find_layout
from jobs.viewership.uploads.reading import read
from jobs.viewership.uploads.transform import source
from jobs.viewership.uploads.transform.choices import Choices
from jobs.viewership.uploads.transform.transform import transform
from jobs.viewership.uploads.transform.units import CONTINUES, Sums, Units
from jobs.viewership.uploads.values.period import Period
from shared.errors import IntegrityError

D = Decimal
CANONICAL = shipped_formats()["canonical-1"]


def changed(**changes: Any) -> Format:
    document = CANONICAL.model_dump(by_alias=True) | changes
    return Format.model_validate(document)


def units(
    text: str | Sheet,
    chosen: Format = CANONICAL,
    period: str | None = None,
    map_: dict[str, str] | None = None,
    header_line: int | None = None,
    **choices: Any,
) -> Units:
    sheet = text if isinstance(text, Sheet) else read(text.encode())
    layout = find_layout(sheet, chosen, header_line=header_line)
    found = transform(
        sheet,
        layout,
        bind(chosen, layout, map_),
        Choices(period=Period.parse(period) if period else None, **choices),
    )
    found.reconcile()
    return found


def column(found: Units, name: str) -> list[object]:
    return found.frame[name].to_list()


def codes(found: Units) -> list[str]:
    return [note.code for note in found.notes]


def test_a_unit_has_every_field_and_the_text_of_the_file() -> None:
    found = units(
        "Date,Series,Season,Episode,Title,Content ID,Channel,Territory,Hours,Views,Revenue\n"
        '2025-07-03, The Show ,01,2.0,\tOne,00123,N/A,-,1.5,"1,234,567",$2.50\n'
    )
    [unit] = found.frame.to_dicts()
    assert set(FIELDS) <= set(unit)
    assert {name: unit[name] for name in ("series", "season", "episode", "content_name", "content_id")} == {
        "series": " The Show ",
        "season": "1",
        "episode": "2",
        "content_name": "\tOne",
        "content_id": "00123",
    }
    assert (unit["channel"], unit["territory"]) == (None, None)
    assert (unit["hours"], unit["minutes"], unit["views"]) == (D("1.5"), D(90), 1_234_567)
    assert (unit["revenue"], unit["currency"]) == (D("2.5"), "$")
    assert (unit["date"], unit["week"], unit["day"]) == (date(2025, 7, 3), date(2025, 6, 30), 3)
    assert (unit["month"], unit["quarter"], unit["year"], unit["date_grain"]) == (7, "q3", 2025, "day")
    assert (unit["line"], unit["fate"], unit["mangled_id"]) == (2, None, False)


def test_a_unit_that_cannot_be_read_names_code_line_column_and_raw_text() -> None:
    found = units("Title,Hours,Date\nA,1.5,2025-07-01\nB,many,1970-01-01\n\nC,2,1970-01-01\n")
    assert column(found, "fate") == [None, Fate.REJECTED, Fate.REJECTED]
    assert found.frame.select("line", "column", "code", "raw").rows()[1:] == [
        (3, "Hours", "DURATION", "many"),
        (5, "Date", "DATE_IMPLAUSIBLE", "1970-01-01"),
    ]
    assert column(found, "reason")[1] == f"line 3, column 'Hours': 'many': {REJECTS['DURATION']}"
    assert found.totals() == {
        CONTINUES: Sums(1, D("1.5")),
        Fate.REJECTED: Sums(2, D(2), unparsable=1),
    }
    assert found.rejected_share() == pytest.approx(2 / 3)


def test_a_cell_of_a_workbook_is_named_by_its_letters() -> None:
    cells = pl.DataFrame({"0": ["Title", "A", "#N/A", None], "1": ["Hours", None, "2", "1"]})
    kinds = pl.DataFrame(
        {"0": [0, 0, CellKind.ERROR, CellKind.FORMULA], "1": [0, CellKind.FORMULA, 1, 1]},
        schema={"0": pl.UInt8, "1": pl.UInt8},
    )
    found = units(Sheet(cells, pl.Series([1, 2, 3, 5], dtype=pl.UInt32), kinds))
    assert column(found, "code") == ["FORMULA", "CELL_ERROR", "FORMULA"]
    assert [str(reason).partition(":")[0] for reason in column(found, "reason")] == ["cell B2", "cell A3", "cell A5"]


def test_dates_in_a_column_of_texts_are_named() -> None:
    cells = pl.DataFrame({"0": ["Title", "2025-01-02", "B"], "1": ["Hours", "1", "2"]})
    kinds = pl.DataFrame({"0": [0, CellKind.DATE, 0], "1": [0, 1, 1]}, schema={"0": pl.UInt8, "1": pl.UInt8})
    found = units(Sheet(cells, pl.Series([1, 2, 3], dtype=pl.UInt32), kinds), period="2025-07")
    assert codes(found) == ["DATE_IN_TEXT"]
    assert column(found, "content_name") == ["2025-01-02", "B"]


@pytest.mark.parametrize(("is_1904", "day"), [(True, date(2025, 7, 2)), (False, date(2021, 7, 1))])
def test_day_numbers_without_a_style_count_from_the_day_of_the_workbook(is_1904: bool, day: date) -> None:
    cells = pl.DataFrame({"0": ["Title", "A"], "1": ["Hours", "1"], "2": ["Date", "44378"]})
    kinds = pl.DataFrame({"0": [0, 0], "1": [0, 1], "2": [0, 1]}, schema=dict.fromkeys("012", pl.UInt8))
    found = units(Sheet(cells, pl.Series([1, 2], dtype=pl.UInt32), kinds, is_1904=is_1904))
    assert column(found, "date") == [day]
    assert codes(found) == ["DAYS_FROM_1904" if is_1904 else "DAY_NUMBERS"]


@pytest.mark.parametrize(
    ("rows", "control", "notes"),
    [
        # A label, and no other word.
        (["A,1.5,2", "B,2.5,3", "Total,4.0,5"], [2], []),
        (["A,1.5,2", "B,2.5,3", "Grand Total:,4.0,5"], [2], []),
        (["A,1.5,2", "Subtotal,1.5,2", "B,2.5,3", "Subtotal,2.5,3", "Total,4,5"], [1, 3, 4], []),
        (["Total,4.0,5", "A,1.5,2", "B,2.5,3"], [0], []),
        (["A,1.5,2", "B,2.5,3", "Total,9.0,5"], [2], ["TOTAL_MISMATCH"]),
        # Without a label: the sums of the rows above, or about them.
        (["A,1.5,2", "B,2.5,3", ",4.0,5"], [2], []),
        (["A,1.5,2", ",1.5,2"], [1], []),
        (["A,1.5,2", "B,2.5,3", ",4.5,5"], [2], ["TOTAL_MISMATCH"]),
        # A row without a title has hours that count.
        (["A,1.5,2", "B,2.5,3", ",0.5,1"], [], []),
        (["A,1.5,2", ",4.0,5", "B,2.5,3"], [], []),
        (["A,1.5,2", ",9.0,5"], [], []),
        (["A,1.5,2", ",2.0,3"], [], []),
        # A title that begins with the word: it may be a total, and no row is of its group.
        (["A,1.5,2", "B,2.5,3", "Total Recall,4.0,5"], [], ["NAMED_TOTAL"]),
        # A subtotal that is not the sum of the rows above it, or of all.
        (["A,1.5,2", "Zwischensumme,1.7,2", "B,2.5,3", "Total,4,5"], [1, 3], ["TOTAL_MISMATCH"]),
        (["A,1.5,2", "B,2.5,3", "Sous-total:,4,5", "C,1,1", "Total,5,6"], [2, 4], []),
    ],
)
def test_totals_are_controls_and_count_on_neither_side(rows: list[str], control: list[int], notes: list[str]) -> None:
    found = units("Title,Hours,Views\n" + "\n".join(rows) + "\n", period="2025-07")
    assert found.frame["control"].arg_true().to_list() == control
    assert codes(found) == notes
    assert {code for code in column(found, "code") if code} == ({"TOTAL"} if control else set())
    kept = [row.split(",") for place, row in enumerate(rows) if place not in control]
    assert found.file.hours == sum(D(row[1]) for row in kept)
    assert found.file.rows == len(rows)


def test_a_total_that_does_not_add_up_says_both_sums() -> None:
    [note] = units("Title,Hours,Revenue\nA,1.5,$1.10\nB,2.5,$2.00\nTotal,4.0,$9.10\n", period="2025-07").notes
    assert note.line == 4
    assert note.message == "the total in line 4 says 9.1 revenue, but the rows add up to 3.1"


def test_the_label_of_a_total_may_be_in_a_column_of_dates() -> None:
    found = units("Date,Title,Hours\n2025-07-01,A,1.5\n2025-07-02,B,2.5\nTotal,,4.0\n")
    assert column(found, "fate") == [None, None, Fate.FILTERED]


def test_a_name_that_is_the_word_for_a_total_is_a_name_if_its_row_names_more() -> None:
    found = units("Series,Title,Hours\nTotal,Pilot,1.5\nS,A,2.5\nS,Sum,4\n")
    assert column(found, "fate") == [None, None, None]


def test_a_total_of_rounded_rows_may_differ_a_little() -> None:
    rows = "".join(f"T{number},0.33\n" for number in range(300))
    assert codes(units(f"Title,Hours\n{rows}Total,100\n", period="2025-07")) == ["TOTAL_MISMATCH"]
    assert codes(units(f"Title,Hours\n{rows}Total,99.02\n", period="2025-07")) == []


def test_a_filter_of_the_format_leaves_rows_out_with_its_reason_and_their_sums_count() -> None:
    rules = [
        {"field": "revenue", "when": "zero_or_blank", "reason": "no money"},
        {"field": "channel", "when": "equals", "values": ["Test "], "reason": "a test channel"},
    ]
    chosen = changed(filters=rules)
    found = units("Title,Channel,Hours,Revenue\nA,x,1.5,0.00\nB,x,2,\nC,TEST,3,1\nD,x,4,1\nE,x,oops,0\n", chosen)
    assert column(found, "reason")[:4] == ["no money", "no money", "a test channel", None]
    assert column(found, "code") == ["FILTER", "FILTER", "FILTER", None, "DURATION"]
    assert found.totals()[Fate.FILTERED] == Sums(3, D("6.5"), D(1))
    assert set(FILTERS) >= {"FILTER"}


def test_a_format_of_channel_totals_has_topline_only() -> None:
    text = "Date,Channel,Minutes\n2025-07-01,One,90\n2025-07-02,One,oops\n"
    for chosen in (CANONICAL, changed(level="channel")):
        found = units(text, chosen)
        assert column(found, "fate") == [Fate.TOPLINE, Fate.REJECTED]
        assert column(found, "hours") == [D("1.5"), None]


def test_hours_and_minutes_fill_each_other() -> None:
    found = units("Title,Hours,Minutes\nA,1.5,\nB,,100\nC,2,121\nD,,\n")
    assert column(found, "hours") == [D("1.5"), D("1.6666666667"), D(2), None]
    assert column(found, "minutes") == [D(90), D(100), D(121), None]
    assert found.file.hours == D("5.1666666667")


def test_a_wide_sheet_has_a_unit_for_each_pair_with_a_value() -> None:
    found = units(
        "Series,Title,2025-07-01 Hours,2025-07-01 Views,2025-07-02 Hours,2025-07-02 Views\n"
        "S,A,1.5,2,,\nS,B,-,,0,7\nS,C,,,N/A,\nS,D,oops,1,2,3\nS,E,oops,,,\nS,F,1,1,1,1\nS,G,1,1,1,1\n"
    )
    assert found.frame.select("line", "column", "content_name", "date", "hours", "views", "code").rows()[:5] == [
        (2, "2025-07-01 Hours", "A", date(2025, 7, 1), D("1.5"), 2, None),
        (3, "2025-07-02 Hours", "B", date(2025, 7, 2), D(0), 7, None),
        (5, "2025-07-01 Hours", "D", date(2025, 7, 1), None, 1, "DURATION"),
        (5, "2025-07-02 Hours", "D", date(2025, 7, 2), D(2), 3, None),
        (6, "2025-07-01 Hours", "E", date(2025, 7, 1), None, None, "DURATION"),
    ]
    assert found.file == Sums(9, D("7.5"), unparsable=2)


def test_a_wide_sheet_of_too_many_units_is_refused_before_they_take_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    assert source._MOST_UNITS == 4_000_000
    monkeypatch.setattr(source, "_MOST_UNITS", 6)
    head = "Title,2025-07-01 Hours,2025-07-02 Hours,2025-07-03 Hours\n"
    assert units(f"{head}A,1,2,3\nB,4,5,6\n").file.rows == 6
    with pytest.raises(Refused, match="3 rows of 3 dates, which are 9 units; expected at most 6") as error:
        units(f"{head}A,1,2,3\nB,4,5,6\nC,,,1\n")
    assert error.value.code == "LIMIT"


def test_dates_of_a_wide_header_share_their_order_and_may_be_rejected() -> None:
    found = units("Title,03/07/2025 Hours,13/07/2025 Hours,14/08/2025 Hours\nA,1.5,2,3\n", period="2025-07")
    assert column(found, "date") == [date(2025, 7, 3), date(2025, 7, 13), None]
    assert found.frame.select("code", "raw").rows()[2] == ("DATE_OUTSIDE", "14/08/2025")
    with pytest.raises(NeedsChoice, match="'03/07/2025' in line 1"):
        units("Title,03/07/2025 Hours,04/07/2025 Hours\nA,1.5,2\n")


def test_a_total_of_a_wide_sheet_is_a_control_for_each_of_its_dates() -> None:
    found = units("Title,2025-07-01 Hours,2025-07-02 Hours\nA,1.5,2\nB,1,2.5\nTotal,2.5,4.5\n")
    assert column(found, "control") == [False] * 4 + [True] * 2
    assert found.file == Sums(6, D(7))


def test_a_column_for_all_dates_of_a_row_is_not_read_into_each_of_them() -> None:
    found = units("Title,Revenue,2025-07-01 Hours,2025-07-02 Hours\nA,10.5,1.5,2\n")
    assert codes(found) == ["ROW_TOTAL"]
    assert column(found, "revenue") == [None, None]


@pytest.mark.parametrize("total", ["Jul 2025", "2025-07", "2025-W27"])
def test_a_column_for_days_that_have_columns_of_their_own_is_not_read_again(total: str) -> None:
    found = units(f"Title,2025-07-01,2025-07-02,{total}\n,Hours,Hours,Hours\nA,1.5,2,3.5\nB,1,,1\n")
    assert [(note.code, note.column) for note in found.notes] == [("ROW_TOTAL", f"{total} Hours")]
    assert column(found, "date") == [date(2025, 7, 1), date(2025, 7, 2), date(2025, 7, 1)]
    assert found.file == Sums(3, D("4.5"))


def test_a_column_for_a_month_whose_days_have_no_columns_is_read() -> None:
    found = units("Title,2025-06,2025-07-01,2025-W28\n,Hours,Hours,Hours\nA,9,2,3\n")
    assert codes(found) == []
    assert column(found, "date_grain") == ["month", "day", "week"]
    assert found.file == Sums(3, D(14))


def test_a_column_of_numbers_among_the_dates_with_an_unknown_header_is_named() -> None:
    head = "Title,2025-07-01 Hours,2025-07-02 Hours,2025-07-O3 Hours,Total,Rating,Note,2025-07-04 Hours\n"
    found = units(head + "A,1.5,2,3.5,7,PG,x,1\nB,1,,1,2,,,1\n")
    assert [(note.code, note.column) for note in found.notes] == [("UNREAD_MEASURE", "2025-07-O3 Hours")]


def test_a_row_with_more_cells_than_the_header_is_rejected() -> None:
    found = units("Title,Hours,Views\nA,1.5,2\nSmith, John,1,2\nB,2,3\n")
    assert column(found, "code") == [None, "RAGGED", None] or column(found, "code")[1] in REJECTS
    found = units("Title,Hours,Views\nA,1.5,2\nFour,5,6,7\nB,2,3\n")
    assert column(found, "code") == [None, "RAGGED", None]
    assert column(found, "raw")[1] == "7"


def test_a_header_in_the_middle_and_rows_without_values_are_filtered() -> None:
    found = units("Title,Hours,Note\nA,1.5,x\nAA,1.5,x\nTitle,Hours,Note\nB,2,\n,,see below\n", header_line=1)
    assert column(found, "code") == [None, None, "HEADER", None, "NO_VALUES"]


@pytest.mark.parametrize(
    ("text", "period", "expected"),
    [
        ("Title,Hours,Month\nA,1.5,Jul 2025\n", None, (date(2025, 7, 1), "month", 7, "q3", 2025)),
        ("Title,Hours,Month,Year\nA,1.5,July,2025\n", None, (date(2025, 7, 1), "month", 7, "q3", 2025)),
        ("Title,Hours,Month\nA,1.5,July\n", "2025", (date(2025, 7, 1), "month", 7, "q3", 2025)),
        ("Title,Revenue,Quarter,Year\nA,1.5,Q3,2025\n", None, (None, None, None, "q3", 2025)),
        ("Title,Revenue,Quarter\nA,1.5,2025-Q3\n", None, (None, None, None, "q3", 2025)),
        ("Title,Hours,Date\nA,1.5,2025-W27\n", None, (date(2025, 6, 30), "week", 6, "q2", 2025)),
        ("Title,Hours\nA,1.5\n", "2025-07", (date(2025, 7, 1), "month", 7, "q3", 2025)),
        ("Title,Hours\nA,1.5\n", "2025-W27", (date(2025, 6, 30), "week", 6, "q2", 2025)),
        ("Title,Hours\nA,1.5\n", "2025-07-04", (date(2025, 7, 4), "day", 7, "q3", 2025)),
        ("Title,Hours\nA,1.5\n", "2025-Q3", (None, None, None, "q3", 2025)),
        ("Title,Hours\nA,1.5\n", "2025-06-05..2025-07-04", (None, None, None, None, 2025)),
        ("Title,Hours\nA,1.5\n", None, (None, None, None, None, None)),
        # A blank cell in a column of dates is not the first of the month.
        ("Title,Hours,Date\nA,1.5,\nB,1.5,2025-07-02\n", "2025-07", (None, None, None, None, None)),
    ],
)
def test_a_date_comes_from_whatever_a_file_has(text: str, period: str | None, expected: tuple[object, ...]) -> None:
    found = units(text, period=period)
    assert found.frame.select("date", "date_grain", "month", "quarter", "year").row(0) == expected


@pytest.mark.parametrize(
    ("text", "period", "expected"),
    [
        ("Title,Hours\nA,1.5\n", None, ["NO_DATE"]),
        ("Title,Hours\nA,1.5\n", "2025-07", []),
        ("Title,Hours\nA,1.5\n", "2025-Q3", []),
        ("Title,Hours,Date\nA,1.5,2025-07-02\n", None, []),
        ("Title,Hours,Month\nA,1.5,Jul 2025\n", None, []),
        ("Title,Hours,Year\nA,1.5,2025\n", None, []),
        ("Title,03/07/2025 Hours,13/07/2025 Hours\nA,1.5,2\n", None, []),
    ],
)
def test_a_file_without_dates_asks_for_the_period_in_a_note(text: str, period: str | None, expected: list[str]) -> None:
    found = units(text, period=period)
    assert codes(found) == expected
    assert all("--period 2025-07" in note.message for note in found.notes)


def test_a_constant_year_is_a_date() -> None:
    columns = [rule for rule in CANONICAL.model_dump(by_alias=True)["columns"] if rule["field"] != "year"]
    assert codes(units("Title,Hours\nA,1.5\n", changed(columns=columns, constants={"year": "2025"}))) == []


def test_a_month_without_a_year_asks_for_the_period() -> None:
    with pytest.raises(NeedsChoice, match="--period") as error:
        units("Title,Hours,Month\nA,1.5,July\n")
    assert error.value.data["flags"] == ["--period"]


def test_choices_override_the_format() -> None:
    text = "Title,Hours,Date\nA,1.234,03/07/2025\n"
    pinned = changed(conventions={"decimal_mark": ".", "date_order": "dmy"})
    found = units(text, pinned)
    assert (column(found, "hours"), column(found, "date")) == ([D("1.234")], [date(2025, 7, 3)])
    found = units(text, pinned, decimal_mark=",", date_order="mdy")
    assert (column(found, "hours"), column(found, "date")) == ([D(1234)], [date(2025, 3, 7)])
    with pytest.raises(NeedsChoice, match="--decimal-mark"):
        units(text)
    assert column(units("Title,Hours\nA,37:44\n", clock="hh:mm"), "minutes") == [D(2264)]
    assert column(units("Title,Revenue\nA,0.12345678901\n"), "code") == ["TOO_PRECISE"]
    assert column(units("Title,Revenue\nA,0.12345678901\n", round_money=True), "revenue") == [D("0.1234567890")]


def test_seasons_and_episodes_that_are_no_whole_numbers_are_noted() -> None:
    head = "Title,Season,Episode,Hours\n"
    found = units(f"{head}A,1,1,1\nB,one,2,1\nC,1.5,x3,1\nD,one,,1\nTitle,Season,Episode,Hours\nTotal,n/a,,4\n")
    notes = {note.column: note for note in found.notes if note.code == "NUMBER_AS_TEXT"}
    assert set(notes) == {"Season", "Episode"}
    assert notes["Season"].line == 3
    assert notes["Season"].message.startswith("season is not a whole number in 3 of 6 units, first in line 3 ('one')")
    assert notes["Episode"].message.startswith("episode is not a whole number in 1 of 6 units, first in line 4 ('x3')")
    assert column(found, "season") == ["1", "one", "1.5", "one", "Season", None]


def test_numbers_with_a_word_or_zeros_are_no_texts() -> None:
    found = units("Title,Season,Episode,Hours\nA,Season 1,E02,1\nB,01,2.0,1\nC,S3,#4,1\nD,-,,1\n")
    assert "NUMBER_AS_TEXT" not in {note.code for note in found.notes}


def test_constants_defaults_partner_and_currency_of_the_format() -> None:
    chosen = changed(
        columns=[{"field": field, "from": [field]} for field in ("content_name", "territory", "revenue", "partner")],
        constants={"channel": "One", "year": "2025", "quarter": "Q3"},
        defaults={"territory": "US"},
        conventions={"currency": "USD"},
        partner="Acme",
    )
    found = units("content_name,territory,revenue,partner\nA,,$1.50,\nB,CA,\u20ac2.50,Other\nC,-,,\n", chosen)
    assert column(found, "territory") == ["US", "CA", "US"]
    assert column(found, "partner") == ["Acme", "Other", "Acme"]
    assert column(found, "currency") == ["USD", "EUR", None]
    assert found.frame.select("channel", "year", "quarter").row(0) == ("One", 2025, "q3")
    assert codes(found) == ["CURRENCIES"]


def test_ids_that_a_spreadsheet_rounded_are_flagged_and_kept() -> None:
    found = units("Title,Content ID,Hours\nA,1.23457E+11,1.5\nB,S1E05,2\nC,MS-1,3\n", period="2025-07")
    assert column(found, "mangled_id") == [True, False, False]
    assert column(found, "content_id")[0] == "1.23457E+11"
    [note] = found.notes
    assert (note.code, note.line) == ("MANGLED_ID", 2)
    assert note.code in NOTES


def test_a_repeated_column_name_asks_only_if_the_column_is_read() -> None:
    assert units("Title,Note,Note,Hours\nA,x,y,1.5\n").file.hours == D("1.5")
    with pytest.raises(NeedsChoice, match="--map"):
        units("Title,Hours,Hours\nA,1.5,2\n")
    assert units("Title,Hours,Hours\nA,1.5,2\n", map_={"hours": "Hours (2)"}).file.hours == D(2)


def test_a_wide_sheet_without_any_value_that_is_read_is_refused() -> None:
    chosen = changed(columns=[{"field": field, "from": [field]} for field in ("content_name", "hours")])
    with pytest.raises(Refused) as error:
        units(
            "content_name,2025-07-01 hours,2025-07-01 views,2025-07-02 hours,2025-07-02 views\nA,,5,-,6\nB,,7,,8\n",
            chosen,
        )
    assert error.value.code == "EMPTY"


_CELLS = st.sampled_from(
    ["1.5", "-2", "0", "", "-", "N/A", "oops", "1,234.25", "(7.75)", "1e2", "0.0000000001", "\u22123"]
)
_ROW = st.tuples(
    st.sampled_from(["A", "B", "", "Total x"]), _CELLS, _CELLS, st.sampled_from(["2025-07-01", "1970-01-01", ""])
)


def _decimal(text: str) -> Decimal | None:
    plain = text.replace(",", "").replace("\u2212", "-")
    plain = f"-{plain[1:-1]}" if plain.startswith("(") else plain
    try:
        return D(plain)
    except ArithmeticError:
        return None


@settings(max_examples=40)
@given(st.lists(_ROW, min_size=1, max_size=30))
def test_sums_over_fates_are_those_of_a_csv_reader_with_decimals_of_python(
    rows: list[tuple[str, str, str, str]],
) -> None:
    written = io.StringIO()
    # The first row settles the decimal mark; the last one has a title, so that no row is a total.
    table = [("first", "0.5", "0.5", "2025-07-01"), *rows, ("last", "1", "1", "2025-07-02")]
    csv.writer(written).writerows([("Title", "Minutes", "Revenue", "Date"), *table])
    found = units(written.getvalue())
    texts = [row for row in csv.DictReader(io.StringIO(written.getvalue())) if any(row.values())]
    minutes = [value for row in texts if (value := _decimal(row["Minutes"])) is not None]
    revenue = [value for row in texts if (value := _decimal(row["Revenue"])) is not None]
    totals = sum(found.totals().values(), Sums())
    assert totals == found.file
    assert totals.rows == len(texts)
    assert totals.revenue == sum(revenue)
    assert totals.hours == sum((value / 60).quantize(D("1e-10")) for value in minutes)
    assert totals.unparsable == sum(row[name] == "oops" for row in texts for name in ("Minutes", "Revenue"))


@given(st.integers(0, 3), st.sampled_from(["drop", "twice", "hours", "revenue", "unparsable", "control"]))
def test_units_that_do_not_add_up_to_the_file_are_an_error(row: int, damage: str) -> None:
    found = units("Title,Hours,Revenue\nA,1.5,2.5\nB,2,3\nC,3,4\nD,oops,5\n")
    frame = found.frame
    if damage == "drop":
        frame = frame.filter(pl.int_range(pl.len()) != row)
    elif damage == "twice":
        frame = pl.concat([frame, frame.slice(row, 1)])
    elif damage == "control":
        frame = frame.with_columns(control=pl.int_range(pl.len()) == row)
    else:
        step = pl.lit(D("1e-10")) if damage != "unparsable" else pl.lit(1)
        frame = frame.with_columns(
            pl.when(pl.int_range(pl.len()) == row)
            .then(pl.col(damage).fill_null(0) + step)
            .otherwise(damage)
            .alias(damage)
        )
    with pytest.raises(IntegrityError, match="add up"):
        replace(found, frame=frame).reconcile()
