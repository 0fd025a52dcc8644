"""A workbook's sheet becomes text as its cells mean it; what is missing is named with its cell."""

from __future__ import annotations

import datetime as dt
import io
import os
import signal
from xml.sax.saxutils import escape

import polars as pl
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.viewership.errors import NeedsChoice, Refused
from jobs.viewership.model import CellKind
from jobs.viewership.uploads.letters import column_letters, column_number
from jobs.viewership.uploads.reading import ReadLimits, read, workbook
from jobs.viewership.uploads.reading._cells import (
    duration_text,
    format_kind,
    serial_text,
)
from jobs.viewership.uploads.reading._sheet_file import read_sheet
from shared.errors import TransientError
from tests.workbooks import archive, ods, ods_cell, sheet_xml, xls, xlsb, xlsx

TEXT, NUMBER, DATE, DURATION, BOOLEAN, ERROR, FORMULA = map(int, CellKind)


def cell(body: str, attributes: str = "", row: int = 1) -> str:
    return f'<row r="{row}"><c r="A{row}" {attributes}>{body}</c></row>'


def refused(data: bytes, **options) -> Refused:
    with pytest.raises(Refused) as error:
        read(data, **options)
    return error.value


CELLS_OF_KINDS = [
    ("<v>24</v>", "", ("24", NUMBER)),
    ("<v>24.0</v>", "", ("24", NUMBER)),
    ("<v>1.23457E+11</v>", "", ("123457000000", NUMBER)),
    ("<v>0.1</v>", "", ("0.1", NUMBER)),
    ("<v>0.10000000000000001</v>", "", ("0.1", NUMBER)),
    ("<v>-3.5</v>", "", ("-3.5", NUMBER)),
    ("<v>1E-05</v>", "", ("1e-05", NUMBER)),
    ("<v> 12 </v>", "", ("12", NUMBER)),
    ("<v>123456789012345</v>", "", ("123456789012345", NUMBER)),
    ("<v>0</v>", "", ("0", NUMBER)),
    ("<v>1</v>", 't="b"', ("TRUE", BOOLEAN)),
    ("<v>0</v>", 't="b"', ("FALSE", BOOLEAN)),
    ("<v>#DIV/0!</v>", 't="e"', ("#DIV/0!", ERROR)),
    ("<v>45839</v>", 's="1"', ("2025-07-01", DATE)),
    ("<v>45839.41666666666</v>", 's="3"', ("2025-07-01T10:00:00", DATE)),
    ("<v>45839.999999</v>", 's="1"', ("2025-07-02", DATE)),
    ("<v>1</v>", 's="1"', ("1900-01-01", DATE)),
    ("<v>59</v>", 's="1"', ("1900-02-28", DATE)),
    ("<v>61</v>", 's="1"', ("1900-03-01", DATE)),
    ("<v>0</v>", 's="1"', ("0", NUMBER)),
    ("<v>-5</v>", 's="1"', ("-5", NUMBER)),
    ("<v>2958466</v>", 's="1"', ("2958466", NUMBER)),
    ("<v>48.94915509259259</v>", 's="2"', ("1174:46:47", DURATION)),
    ("<v>1.5</v>", 's="4"', ("36:00:00", DURATION)),
    ("<v>2025-07-01T00:00:00</v>", 't="d"', ("2025-07-01", DATE)),
    ("<v>text</v>", 't="str"', ("text", TEXT)),
    ("<f>A2</f><v>text</v>", 't="str"', ("text", TEXT)),
    ("<f>5*2</f><v>10</v>", "", ("10", NUMBER)),
    ("<v>x</v>", "", ("x", TEXT)),
    ("<v>NaN</v>", 's="1"', ("NaN", TEXT)),
    ("<v>1_0</v>", "", ("1_0", TEXT)),
    ("<v>1E999</v>", "", ("1E999", TEXT)),
    ("<v>7</v>", 's="99"', ("7", NUMBER)),
    ("<is><t>one</t></is>", 't="inlineStr"', ("one", TEXT)),
    ("<is><r><t>o</t></r><r><t xml:space='preserve'> ne</t></r></is>", 't="inlineStr"', ("o ne", TEXT)),
    ("<is><t>漢</t><rPh sb='0' eb='1'><t>カン</t></rPh></is>", 't="inlineStr"', ("漢", TEXT)),
    ("<is><t>a_x000A_b_x005F_x000A_</t></is>", 't="inlineStr"', ("a\nb_x000A_", TEXT)),
    ("<is><t>_xD800_</t></is>", 't="inlineStr"', ("_xD800_", TEXT)),
    ("<is><t>a_x001F_b_x001E_\r</t></is>", 't="inlineStr"', ("a\u241fb\u241e\n", TEXT)),
    ("<is><t>say &quot;no&quot;, x</t></is>", 't="inlineStr"', ('say "no", x', TEXT)),
    ("<f>SUM(B2:B2)</f>", "", ("=SUM(B2:B2)", FORMULA)),
    ("<f>SUM(B2:B2)</f><v></v>", "", ("=SUM(B2:B2)", FORMULA)),
    ("<f>'[other.xlsx]S'!A1</f><v/>", "", ("='[other.xlsx]S'!A1", FORMULA)),
    ('<f t="shared" si="0"/>', "", ("=", FORMULA)),
]


@pytest.fixture(scope="module")
def sheet_of_kinds():
    """One sheet with all the cells: each workbook costs a process."""
    sheet = read(xlsx("".join(cell(body, more, row) for row, (body, more, _) in enumerate(CELLS_OF_KINDS, 1))))
    assert sheet.lines.to_list() == list(range(1, len(CELLS_OF_KINDS) + 1))
    assert sheet.cells.width == 1
    return sheet


@pytest.mark.parametrize("number", range(len(CELLS_OF_KINDS)), ids=[" ".join(case[:2]) for case in CELLS_OF_KINDS])
def test_a_cell_becomes_the_text_that_it_means(sheet_of_kinds, number):
    assert (sheet_of_kinds.cells["0"][number], sheet_of_kinds.kinds["0"][number]) == CELLS_OF_KINDS[number][2]


def test_dates_of_1904_count_from_another_day():
    row = '<row><c s="1"><v>44377</v></c><c s="1"><v>0</v></c><c s="2"><v>1.5</v></c></row>'
    assert read(xlsx(row, is_1904=True)).cells.rows() == [("2025-07-01", "1904-01-01", "36:00:00")]


@pytest.mark.parametrize("is_1904", [True, False])
def test_the_start_of_plain_day_numbers_is_that_of_the_workbook(is_1904):
    sheet = read(xlsx("<row><c><v>44377</v></c></row>", is_1904=is_1904))
    assert (sheet.cells.rows(), sheet.is_1904) == ([("44377",)], is_1904)


def test_a_formula_with_an_empty_text_as_its_value_is_blank():
    sheet = read(xlsx('<row r="1"><c t="str"><f>IF(1,"")</f><v></v></c><c><v>1</v></c></row>'))
    assert sheet.cells.rows() == [(None, "1")]
    assert sheet.notes == ()


def test_formulas_without_a_value_and_errors_are_noted_with_their_cells():
    rows = "".join(
        f'<row r="{row}"><c r="B{row}"><f>A{row}</f></c><c r="C{row}" t="e"><v>#N/A</v></c></row>'
        for row in range(2, 9)
    )
    formulas, errors = read(xlsx(rows)).notes
    assert (formulas.code, formulas.line, formulas.column) == ("FORMULA", 2, "B")
    assert "7 formulas have no value in the file: B2, B3, B4, B5, B6, …" in formulas.message
    assert (errors.code, errors.line, errors.column) == ("ERROR_CELL", 2, "C")


def test_rows_and_columns_keep_their_place_and_blank_rows_are_left_out():
    sheet = read(xlsx('<row r="3"><c r="B3"><v>1</v></c><c r="D3"><v>2</v></c></row><row r="4"><c r="A4" s="1"/></row>'
                      '<row r="9"><c r="A9"><v>3</v></c></row>'))  # fmt: skip
    assert sheet.cells.rows() == [(None, "1", None, "2"), ("3", None, None, None)]
    assert sheet.lines.to_list() == [3, 9]
    assert sheet.kinds.rows() == [(TEXT, NUMBER, TEXT, NUMBER), (NUMBER, TEXT, TEXT, TEXT)]
    assert (sheet.lines.dtype, set(sheet.kinds.dtypes), set(sheet.cells.dtypes)) == (pl.UInt32, {pl.UInt8}, {pl.String})


def test_a_cell_of_a_shared_string_without_a_number_is_blank():
    assert read(xlsx('<row><c t="s"/><c t="s"><v/></c><c><v>1</v></c></row>')).cells.rows() == [(None, None, "1")]


def test_cells_without_references_follow_one_another():
    sheet = read(xlsx("<row><c><v>1</v></c><c/><c><v>2</v></c></row><row><c><v>3</v></c></row>"))
    assert sheet.cells.rows() == [("1", None, "2"), ("3", None, None)]
    assert sheet.lines.to_list() == [1, 2]


def test_elements_with_a_prefix_are_the_same():
    part = sheet_xml("<row><c><v>1</v></c></row>").replace("xmlns=", "xmlns:x=").replace("</", "</x:")
    part = part.replace("<worksheet", "<x:worksheet").replace("<sheetData", "<x:sheetData").replace("<row", "<x:row")
    assert read(xlsx(part.replace("<c>", "<x:c>").replace("<v>", "<x:v>"))).cells.rows() == [("1",)]


def test_merged_ranges_are_positions_among_the_rows_that_are_read():
    merges = '<mergeCells><mergeCell ref="B2:C4"/><mergeCell ref="A1:A9"/><mergeCell ref="D6:E7"/></mergeCells>'
    rows = (
        '<row r="2"><c r="B2"><v>1</v></c></row><row r="4"><c r="B4"><v>1</v></c></row><row r="8"><c><v>1</v></c></row>'
    )
    assert read(xlsx(sheet_xml(rows, merges))).merged == ((0, 1, 1, 2), (0, 0, 2, 0))


def test_the_extent_that_a_sheet_declares_does_not_count():
    before = '<dimension ref="A1:XFD1048576"/>'
    assert read(xlsx(sheet_xml("<row><c><v>1</v></c></row>", before=before))).cells.shape == (1, 1)


ONE = '<row r="1"><c r="A1"><v>1</v></c></row>'


def test_hidden_sheets_are_not_read_and_are_named():
    data = xlsx(ONE, ONE, ONE, names=[("Old", "hidden"), ("Data", "visible"), ("Secret", "veryHidden")])
    sheet = read(data)
    assert sheet.name == "Data"
    assert [note.code for note in sheet.notes] == ["HIDDEN_SHEETS"]
    assert "'Old', 'Secret'" in sheet.notes[0].message
    assert read(data, sheet="Old").name == "Old"


def test_several_visible_sheets_with_data_need_a_choice():
    data = xlsx(ONE, "<row/>", ONE, names=[("Week 28", "visible"), ("Empty", "visible"), ("Week 29", "visible")])
    with pytest.raises(NeedsChoice, match="several sheets hold data: 'Week 28', 'Week 29'; pass --sheet") as error:
        read(data)
    assert error.value.answers == [["--sheet", "Week 28"], ["--sheet", "Week 29"]]
    assert read(data, sheet="Week 29").name == "Week 29"
    assert read(data, sheet=" week 29").name == "Week 29"
    with pytest.raises(NeedsChoice, match="no sheet 'Week 30'; its sheets are 'Week 28', 'Empty', 'Week 29'") as error:
        read(data, sheet="Week 30")
    assert error.value.answers == [["--sheet", "Week 28"], ["--sheet", "Empty"], ["--sheet", "Week 29"]]


def test_the_only_sheet_with_data_is_read_without_a_choice():
    assert read(xlsx("<row/>", ONE)).name == "Sheet2"


def test_a_workbook_of_which_only_hidden_sheets_hold_data_is_empty_and_names_them():
    error = refused(xlsx("<row/>", ONE, names=[("A", "visible"), ("B", "hidden")]))
    assert error.code == "EMPTY"
    assert "'B'" in error.message


CELLS = {(2, 1): "Título", (2, 2): "Hours", (3, 1): "The Storm", (3, 2): 24.0, (4, 2): 12.5}


@pytest.mark.parametrize("make", [xls, xlsb])
def test_other_workbooks_are_read_by_their_content(make):
    sheet = read(make(CELLS))
    assert sheet.cells.rows() == [(None, "Título", "Hours"), (None, "The Storm", "24"), (None, None, "12.5")]
    assert sheet.lines.to_list() == [3, 4, 5]
    assert sheet.kinds.rows()[1] == (TEXT, TEXT, NUMBER)
    assert [note.code for note in sheet.notes] == ["LEGACY_WORKBOOK"]


def test_an_ods_workbook_is_read_without_the_empty_rest_of_its_sheet():
    rest = (
        '<table:table-row table:number-rows-repeated="1048574">'
        '<table:table-cell table:number-columns-repeated="16384"/></table:table-row>'
    )
    date = '<table:table-cell office:value-type="date" office:date-value="2025-07-01"/>'
    time = '<table:table-cell office:value-type="time" office:time-value="PT1174H47M24S"/>'
    row = f"<table:table-row>{ods_cell('A')}{ods_cell(24.0)}{date}{time}</table:table-row>"
    sheet = read(ods(f"<table:table-row/>{row}{rest}", hidden=row))
    assert sheet.cells.rows() == [("A", "24", "2025-07-01", "1174:47:24")]
    assert sheet.kinds.rows() == [(TEXT, NUMBER, DATE, DURATION)]
    assert sheet.lines.to_list() == [2]
    assert [note.code for note in sheet.notes] == ["LEGACY_WORKBOOK", "HIDDEN_SHEETS"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            archive({"week28.csv": "Title,Hours\n", "week29.csv": "a"}),
            "a ZIP archive with 2 files: 'week28.csv', 'week29.csv'",
        ),
        (archive({"word/document.xml": "<w/>", "[Content_Types].xml": "<t/>"}), "a Word document"),
        (archive({"Index/Document.iwa": "x"}), "an Apple Numbers file"),
        (xls(CELLS, stream="WordDocument"), "an OLE document without a workbook"),
        (xls(CELLS, stream="EncryptedPackage"), "encrypted; remove its password"),
        (xlsx(ONE)[:-30], "not a complete ZIP archive"),
        (xlsx("<row><c t='s'><v>-1</v></c></row>"), "'-1' is not a number"),
        (xlsx('<row><c t="zz"><v>1</v></c></row>'), "cell A1 has the type 'zz'"),
        (xlsx('<row r="3"><c><v>1</v></c></row><row r="2"><c><v>1</v></c></row>'), "row 2 comes after row 3"),
        (xlsx("<row><c>"), "is not XML"),
    ],
)
def test_what_is_no_workbook_is_refused_with_what_it_is(data, message):
    error = refused(data)
    assert error.code == "FORMAT"
    assert message in error.message


@pytest.mark.parametrize(
    ("data", "limits", "message"),
    [
        (xlsx(ONE + '<row r="2"><c><v>1</v></c></row>'), {"rows": 1}, "more than 1 rows"),
        (xlsx('<row r="1"><c r="C1"><v>1</v></c></row>'), {"columns": 2}, "cell C1 is in column 3; expected at most 2"),
        (xls({(0, 2): 1.0}), {"columns": 2}, "cell C1 is in column 3; expected at most 2"),
        (xlsx("<row><c><v>1</v></c><c><v>1</v></c></row>"), {"cells": 1}, "more than 1 cells"),
        (xlsx(cell("<is><t>abcd</t></is>", 't="inlineStr"')), {"cell_chars": 3}, "4 characters; expected at most 3"),
        (xls({(0, 0): "abcd"}), {"cell_chars": 3}, "4 characters; expected at most 3"),
        (xlsx(ONE), {"unzipped_bytes": 100}, "bytes when unzipped; expected at most 100"),
        (xlsx(ONE), {"bytes": 10}, "expected at most 10"),
    ],
)
def test_a_workbook_over_a_limit_is_refused_with_what_was_found(data, limits, message):
    error = refused(data, limits=ReadLimits(**limits))
    assert error.code == "LIMIT"
    assert message in error.message


@pytest.fixture(scope="module")
def slow():
    """A workbook that takes 0.4 s on an idle core."""
    data = xlsx("".join(f"<row><c><v>{number}</v></c></row>" for number in range(60_000)))
    assert len(data) < 1 << 20
    return data


def test_a_workbook_that_takes_too_long_is_refused(slow):
    error = refused(slow, limits=ReadLimits(seconds=0.05))
    assert (error.code, "more than 0.05 s" in error.message) == ("LIMIT", True)


def test_a_small_workbook_has_less_time_than_a_large_one(monkeypatch, slow):
    monkeypatch.setattr(workbook, "_FREE_S", 0.05)
    monkeypatch.setattr(workbook, "_S_PER_MB", 0.0)
    error = refused(slow)
    assert (error.code, "more than 0.05 s" in error.message) == ("LIMIT", True)
    monkeypatch.setattr(workbook, "_S_PER_MB", 400.0)
    assert read(slow).cells.height == 60_000


def test_a_workbook_that_needs_too_much_memory_is_refused():
    # Python keeps four bytes for each character: 82 MB.
    strings = "".join(f"<si><t>😀{'0' * 200}{number}</t></si>" for number in range(100_000))
    limits = ReadLimits(memory_mb=80, ratio=10**9)
    error = refused(xlsx("<row><c t='s'><v>1</v></c></row>", strings=strings), limits=limits)
    assert (error.code, "more than 80 MB of memory" in error.message) == ("LIMIT", True)


def test_a_file_and_its_bytes_read_the_same(tmp_path):
    path = tmp_path / "report.csv"
    path.write_bytes(xlsx(ONE))
    assert read(path).cells.equals(read(path.read_bytes()).cells)


class _Child:
    """A child that has been taken over: it sends this reply."""

    def __init__(self, reply, output=b""):
        self.reply, self.output = reply, output

    def __call__(self, source, output, limits, sheet):
        output.write(self.output)
        return self.reply


DONE = {"kind": "done", "name": "S", "rows": 1, "width": 1, "merged": [], "is_1904": False, "notes": []}


@pytest.mark.parametrize(
    "reply",
    [
        {}, {"kind": "x"}, {"kind": "refused", "code": "NOPE", "message": ""}, {"kind": "done"},
        DONE | {"rows": 5}, DONE | {"width": 10**9}, DONE | {"rows": -1}, DONE | {"rows": []},
        DONE | {"merged": [[1]]}, DONE | {"notes": [{"code": "EVIL", "message": ""}]}, DONE | {"notes": [7]},
    ],
)  # fmt: skip
def test_a_reply_that_the_child_did_not_write_is_refused(monkeypatch, reply):
    monkeypatch.setattr(workbook, "_ask", _Child(reply, b"1\x1f1\x1f7\x1f\x1e"))
    with pytest.raises(Refused, match="invalid reply"):
        read(xlsx(ONE))


def test_a_child_that_is_killed_is_tried_again_by_the_caller(monkeypatch):
    real = workbook._reply

    def kill(child, limits, sheet):
        os.kill(child.pid, signal.SIGKILL)
        return real(child, limits, sheet)

    monkeypatch.setattr(workbook, "_reply", kill)
    with pytest.raises(TransientError, match="was killed by SIGKILL; run again"):
        read(xlsx(ONE))


def test_a_child_without_room_to_start_is_transient():
    with pytest.raises(TransientError, match="no process for a workbook could be started"):
        read(xlsx(ONE), limits=ReadLimits(memory_mb=8))


def test_the_child_has_no_environment_and_opens_no_file(monkeypatch, tmp_path):
    from shared.child.process import scrubbed_environment

    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    assert "AWS_SECRET_ACCESS_KEY" not in scrubbed_environment()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("General", CellKind.NUMBER),
        ("0.00", CellKind.NUMBER),
        ("#,##0.00 [$€-407];[Red]-#,##0.00", CellKind.NUMBER),
        ('0 "days"', CellKind.NUMBER),
        ("0\\d", CellKind.NUMBER),
        ("0.00E+00", CellKind.NUMBER),
        ("@", CellKind.NUMBER),
        ("yyyy-mm-dd", CellKind.DATE),
        ("[$-409]d-mmm-yy;@", CellKind.DATE),
        ("mmm", CellKind.DATE),
        ("dd.mm.yyyy hh:mm", CellKind.DATE),
        ("[h]:mm:ss", CellKind.DURATION),
        ("[mm]:ss", CellKind.DURATION),
        ("h:mm AM/PM", CellKind.DURATION),
        ("mm:ss.0", CellKind.DURATION),
    ],
)
def test_a_format_says_what_its_numbers_are(code, kind):
    assert format_kind(164, code) is kind


@given(st.integers(0, 16_383))
def test_letters_of_a_column_lead_back_to_it(number):
    assert column_number(column_letters(number)) == number


@given(st.dates(dt.date(1900, 3, 1), dt.date(9999, 12, 31)), st.integers(0, 86_399))
def test_every_date_of_excel_is_read_to_the_second(day, second):
    serial = (day - dt.date(1899, 12, 30)).days + second / 86_400
    text, kind = serial_text(serial, CellKind.DATE, is_1904=False)
    assert kind is CellKind.DATE
    assert dt.datetime.fromisoformat(text) == dt.datetime.combine(day, dt.time()) + dt.timedelta(seconds=second)


@given(st.integers(0, 10_000_000))
def test_every_duration_is_read_to_the_second(seconds):
    hours, minutes, rest = map(int, duration_text(seconds / 86_400 * 86_400).split(":"))
    assert hours * 3600 + minutes * 60 + rest == seconds


XML_TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff"),
    min_size=1,
    max_size=8,
)


# Each costs a process; large sheets hold more cases.
@settings(max_examples=15)
@given(
    st.lists(
        st.lists(st.one_of(st.none(), XML_TEXT, st.integers(-(10**14), 10**14), st.booleans()), min_size=1, max_size=8),
        min_size=1,
        max_size=12,
    )
)
def test_what_is_written_is_read_back(rows):
    with io.BytesIO() as file:
        with xlsxwriter.Workbook(file, {"in_memory": True}) as book:
            sheet = book.add_worksheet()
            for row, values in enumerate(rows):
                for column, value in enumerate(values):
                    if isinstance(value, str):
                        sheet.write_string(row, column, value)
                    elif isinstance(value, bool):
                        sheet.write_boolean(row, column, value)
                    elif value is not None:
                        sheet.write_number(row, column, value)
        data = file.getvalue()
    expected = {
        (row + 1, column): str(value).upper() if isinstance(value, bool) else str(value)
        for row, values in enumerate(rows)
        for column, value in enumerate(values)
        if value is not None
    }
    if not expected:
        assert refused(data).code == "EMPTY"
        return
    found = read(data)
    assert {
        (line, column): value
        for line, values in zip(found.lines, found.cells.rows(), strict=True)
        for column, value in enumerate(values)
        if value is not None
    } == expected


def test_a_sheet_is_the_same_whatever_the_size_of_the_writers_buffer():
    rows = "".join(f'<row><c t="inlineStr"><is><t>{escape("a<" * 9_000)}{n}</t></is></c></row>' for n in range(100))
    sheet = read(xlsx(rows, compressed=False))
    assert sheet.cells["0"].to_list() == ["a<" * 9_000 + str(number) for number in range(100)]
    assert refused(xlsx(rows), limits=ReadLimits(text_bytes=1000, ratio=10**9)).code == "LIMIT"


def test_a_long_name_is_shown_whole_or_not_at_all():
    long = "".join(map(str, range(60)))
    message = str(refused(archive({long: "x"})))
    assert "1 files: (110 characters)" in message
    assert long[:20] not in message


@pytest.mark.parametrize(
    ("data", "rows", "width", "expected"),
    [
        (b"\x1e" * 100_000, 100_000, 4_096, Refused),
        (b"\x1e" * 5, 4, 2, ValueError),
        (b"1\x1f0\x1fa\x1fb\x1fc\x1f\x1e", 1, 1, ValueError),
        (b"1\x1f0\x1f\xff\xfe\x1f\x1e", 1, 1, ValueError),
        (b"x\x1f0\x1fa\x1f\x1e", 1, 1, ValueError),
        (b"\x1f0\x1fa\x1f\x1e", 1, 1, ValueError),
        (b"1\x1f0\x1f" + b"a" * 100_000 + b"\x1f\x1e", 1, 1, ValueError),
    ],
)
def test_forged_rows_cost_the_parent_no_memory(data, rows, width, expected):
    with pytest.raises(expected):
        read_sheet(io.BytesIO(data), rows, width, ReadLimits(text_bytes=100_000))


def test_forged_ranges_are_counted():
    with pytest.raises(ValueError, match="100,001 merged ranges"):
        workbook._merged([[1, 0, 1, 1]] * 100_001, pl.Series([1], dtype=pl.UInt32))
