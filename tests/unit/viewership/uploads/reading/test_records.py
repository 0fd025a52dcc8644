"""The records of delimited text are those of the csv module, with the line in which each begins."""

from __future__ import annotations

import csv
import io
import random

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobs.viewership.errors import Refused
from jobs.viewership.uploads.reading import ReadLimits, records
from jobs.viewership.uploads.reading.records import split

LIMITS = ReadLimits()


def by_the_csv_module(text: str, delimiter: str) -> list[tuple[int, list[str | None]]]:
    """Return (line, cells) of each record; None for an empty cell."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    found, before = [], 0
    for row in reader:
        if row:
            found.append((before + 1, [cell or None for cell in row]))
        before = reader.line_num
    return found


def by_us(text: str, delimiter: str) -> list[tuple[int, list[str | None]]]:
    table = split(text.encode(), delimiter, LIMITS)
    return list(zip(table.lines.to_list(), map(list, table.cells.rows()), strict=True))


def padded(rows: list[tuple[int, list[str | None]]]) -> list[tuple[int, list[str | None]]]:
    width = max((len(row) for _, row in rows), default=0)
    return [(line, row + [None] * (width - len(row))) for line, row in rows]


def same(text: str, delimiter: str) -> None:
    """Assert that both read the same records; we also refuse a quote that is never closed."""
    with io.StringIO(text, newline="") as file:
        lines = iter(file)
        exhausted = []

        def watched():
            yield from lines
            exhausted.append(True)

        opened = False
        for _ in csv.reader(watched(), delimiter=delimiter):
            opened = bool(exhausted)
    if opened:
        with pytest.raises(Refused, match="never closed"):
            by_us(text, delimiter)
    else:
        assert by_us(text, delimiter) == padded(by_the_csv_module(text, delimiter))


PIECES = st.sampled_from(
    [
        *",;\t|\" 'ab1",
        "\n",
        "\r",
        "\r\n",
        '""',
        '","',
        "\u2028",
        "\x85",
        "\x0b",
        "\x0c",
        "\x1c",
        "\x00",
        "\x02",
        "ñ",
        "😀",
        "\ufeff",
    ]
)
LOOSE = st.lists(PIECES, max_size=40).map("".join)
CELLS = st.one_of(
    st.sampled_from(
        [
            "",
            "a",
            "1,5",
            "ñ",
            '"x"',
            '""',
            '"a ""b"" c"',
            '"a,b"',
            '"a;b"',
            '" "',
            '"a\nb"',
            '"\r\n,"',
            '"x\r"',
            '"\n\n"""',
        ]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters='"\r\n,;\t|'), max_size=6),
)
ENDS = st.sampled_from(["\n", "\r\n", "\r"])


@st.composite
def tables(draw):
    delimiter = draw(st.sampled_from(",;\t|"))
    rows = draw(st.lists(st.lists(CELLS, min_size=0, max_size=5), max_size=8))
    end = draw(ENDS)
    return delimiter, end.join(delimiter.join(row) for row in rows) + draw(st.sampled_from(["", end]))


@settings(max_examples=150)
@given(text=LOOSE, delimiter=st.sampled_from(",;\t|"))
@example(text='a,b\n"x\ny",1\n', delimiter=",")
@example(text='\n\n"a"b,c\n\n', delimiter=",")
@example(text='a"b,c\r\n"', delimiter=",")
@example(text='"a,"b",c\n', delimiter=",")
def test_any_text_reads_as_the_csv_module_reads_it(text, delimiter):
    same(text, delimiter)


@settings(max_examples=100)
@given(tables())
def test_any_table_reads_as_the_csv_module_reads_it(table):
    same(table[1], table[0])


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("block", [1, 7, 64, 1000])
def test_records_are_the_same_whatever_the_size_of_a_block(monkeypatch, block, end):
    monkeypatch.setattr(records, "_BLOCK", block)
    monkeypatch.setattr(records, "_PIECE", block)
    monkeypatch.setattr(records, "_ROWS", 3)
    generator = random.Random(5)
    cells = ["", "a", "1.5", '"x, y"', f'"two{end}lines"', '"a ""q"""', "ñandú", " ", 'b"c', '"d"e']
    rows = [",".join(generator.choice(cells) for _ in range(generator.randint(1, 6))) for _ in range(100)]
    same(end.join(rows) + end, ",")


def test_regular_blocks_are_read_by_polars_and_others_by_the_csv_module(monkeypatch):
    monkeypatch.setattr(records, "_BLOCK", 7)
    read = []
    real = records._Splitter._by_csv

    def spy(self, start, *rest, **named):
        read.append(start)
        return real(self, start, *rest, **named)

    monkeypatch.setattr(records._Splitter, "_by_csv", spy)
    text = b'a,"b c"\nd,"e\rf"\ng,hhhhhhhh\ni,j\n'
    assert split(text, ",", LIMITS).cells["1"].to_list() == ["b c", "e\rf", "hhhhhhhh", "j"]
    assert read == [8]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("inside", ["\n", "\r\n"])
def test_line_ends_in_quotes_do_not_leave_polars(monkeypatch, end, inside):
    monkeypatch.setattr(records._Splitter, "_by_csv", None)
    rows = ["Title,Hours", f'"one{inside}two{inside}",1', "", "three,2", f'"4 ""{inside}"" , 5",3', "six,4"]
    table = split((end.join(rows) + end).encode(), ",", LIMITS)
    assert table.cells["0"].to_list() == ["Title", f"one{inside}two{inside}", "three", f'4 "{inside}" , 5', "six"]
    assert table.lines.to_list() == [1, 2, 6, 7, 9]


def test_a_line_separator_of_unicode_ends_no_line():
    table = split("a\u2028b,c\x85\n1,2\n".encode(), ",", LIMITS)
    assert table.cells.rows() == [("a\u2028b", "c\x85"), ("1", "2")]
    assert table.lines.to_list() == [1, 2]


def test_ragged_lines_keep_every_cell_and_are_noted_with_their_line():
    table = split(b"Report\n\nTitle,Hours\nA,1\nB,2,extra\nC\n", ",", LIMITS)
    assert table.cells.rows() == [
        ("Report", None, None), ("Title", "Hours", None), ("A", "1", None), ("B", "2", "extra"), ("C", None, None),
    ]  # fmt: skip
    assert table.lines.to_list() == [1, 3, 4, 5, 6]
    (note,) = table.notes
    assert (note.code, note.line) == ("RAGGED", 5)
    assert "2 records do not have the usual 2 cells (1 have more)" in note.message


def test_a_banner_is_not_ragged():
    assert split(b"Report\nPeriod\nTitle,Hours\nA,1\nB,2\nC,3\n", ",", LIMITS).notes == ()


def test_text_beside_quotes_is_noted_with_its_line():
    table = split(b'Title\tHours\nA\t1\n"Weird Al" Yankovic\t2\n', "\t", LIMITS)
    assert table.cells.rows()[2] == ("Weird Al Yankovic", "2")
    assert [(note.code, note.line) for note in table.notes] == [("QUOTES", 3)]


def test_a_quote_that_is_never_closed_is_refused_with_its_line():
    with pytest.raises(Refused, match="the record of line 3 is never closed") as error:
        split(b'Title,Hours\nA,1\n"B,2\nC,3\n', ",", LIMITS)
    assert error.value.code == "FORMAT"


def test_a_quote_that_swallows_the_file_is_refused_with_its_line():
    text = b'Title,Hours\n"B,2\n' + b"C,3\n" * 60_000
    with pytest.raises(Refused, match="begins in line 2 has a cell of more than 131,072") as error:
        split(text, ",", LIMITS)
    assert error.value.code == "LIMIT"


def test_nul_characters_stay_and_are_noted():
    table = split(b"Title,Hours\r\nA,1\r\nB\0\0,2\r\n", ",", LIMITS)
    assert table.cells.rows()[2] == ("B\0\0", "2")
    assert [(note.code, note.line) for note in table.notes] == [("NUL", 3)]


@pytest.mark.parametrize(
    ("text", "limits", "found"),
    [
        (b"a,b\n" * 11, {"rows": 10}, "11 records; expected at most 10"),
        (b"a,b\n1,2,3,4,5\n", {"columns": 4}, "line 2 has 5 cells; expected at most 4"),
        (b'a,b\n"1\n",2,3,4,5\n', {"columns": 4}, "line 2 has 5 cells; expected at most 4"),
        (b"a,b\n\n1,22222222222\n", {"cell_chars": 10}, "line 3 has 11 characters; expected at most 10"),
        (b'a,b\n\n"\n",22222222222\n', {"cell_chars": 10}, "line 3 has 11 characters; expected at most 10"),
    ],
)
def test_a_table_over_a_limit_is_refused_with_what_was_found(text, limits, found):
    with pytest.raises(Refused, match=found) as error:
        split(text, ",", ReadLimits(**limits))
    assert error.value.code == "LIMIT"


def test_numbers_of_lines_go_on_over_blocks(monkeypatch):
    monkeypatch.setattr(records, "_BLOCK", 100)
    table = split(b"".join(b"%d,x\n" % number + b"\n" * (number % 3) for number in range(500)), ",", LIMITS)
    expected, line = [], 1
    for number in range(500):
        expected.append(line)
        line += 1 + number % 3
    assert table.lines.to_list() == expected
    assert table.lines.dtype == pl.UInt32
